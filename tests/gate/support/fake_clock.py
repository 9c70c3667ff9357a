"""A clock that a test moves."""

from __future__ import annotations

import asyncio

START_MS = 1_750_000_000_000


class FakeClock:
    """A wall clock that can be set and a monotonic one that only goes forward; pauses take no time to wait for."""

    def __init__(self) -> None:
        self.wall = START_MS
        self.mono = 1000.0
        self.pauses: list[float] = []

    def now_ms(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    @property
    def error_ms(self) -> int:
        """How far the wall clock was set away from true time."""
        return self.wall - START_MS - int((self.mono - 1000.0) * 1000)

    def forward(self, seconds: float) -> None:
        self.wall += int(seconds * 1000)
        self.mono += seconds

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.forward(seconds)
        await asyncio.sleep(0)
