"""The operating system's clock."""

from __future__ import annotations

import time


def wall_clock_ms() -> int:
    """Returns milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
