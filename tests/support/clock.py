"""A `Clock` made of its parts; what is not given is the system's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from guardian.system.clock import wall_clock_ms


@dataclass(frozen=True)
class ClockOf:
    now_ms: Callable[[], int] = wall_clock_ms
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
