"""Time that moves only when everybody waits for it."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class VirtualTime:
    """A wall clock and a monotonic one that agree, and pauses on them. `start_ms` is the start of a day."""

    def __init__(self, start_ms: int = 1_699_920_000_000) -> None:
        self.start_ms = start_ms
        self.elapsed_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now_ms(self) -> int:
        return self.start_ms + round(self.elapsed_s * 1000)

    def monotonic(self) -> float:
        return self.elapsed_s

    async def pause(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.elapsed_s + seconds, next(self._numbers), woken))
        await woken

    async def until(self, seconds: float) -> None:
        """Let everything happen up to N seconds after the start."""
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            if not self._sleepers or self._sleepers[0][0] > seconds:
                break
            self.elapsed_s, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
        self.elapsed_s = max(self.elapsed_s, seconds)
