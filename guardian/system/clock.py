"""The operating system's clock; whatever measures time is given a `Clock`, so that a test can move it."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import Final, Protocol


class Clock(Protocol):
    """A wall clock, a clock that only goes forward, and the waiting by it."""

    def now_ms(self) -> int:
        """The wall clock, in milliseconds since the epoch. It may be wrong, and may be set at any time."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that is never set; only differences mean something."""
        ...

    def pause(self, seconds: float) -> Awaitable[None]:
        """Waits for that long."""
        ...


def wall_clock_ms() -> int:
    """Returns milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class SystemClock:
    """The `Clock` of the operating system."""

    def now_ms(self) -> int:
        """See `Clock.now_ms`."""
        return wall_clock_ms()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        """See `Clock.pause`."""
        # Here and not at the top: commands that only tell the time would import it.
        import asyncio

        await asyncio.sleep(seconds)


SYSTEM_CLOCK: Final[Clock] = SystemClock()
"""The clock that guardian is opened with where it is given no other."""
