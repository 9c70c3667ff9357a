"""Window time: what budgets, expiries and windows are measured in. It goes back only where the owner says so.

It is the larger of the wall clock and the latest time in the log. Where the clock was set back, or had once been far
ahead, window time runs by itself, at the pace of the monotonic clock, until the wall clock has reached it.

A log that is more than MAX_AHEAD_MS ahead of the clock has a time that somebody put there, or a clock was or is wrong
by more than a zone: the store halts trading for it. When the owner resumes, the log's time is set back to the clock,
with a row that says so, see `guardian.store.wrong_time`; every process then follows.
"""

from __future__ import annotations

from typing import Final

from guardian.store.log_times import MAX_AHEAD_MS
from guardian.system.clock import Clock

BEHIND_MS: Final = 1_000
"""A clock further than this behind window time was set back; up to this, window time waits for it."""


class WindowTime:
    """Window time as one process knows it. Other processes' comes from the log, with each transaction."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest_ms = 0
        self._latest_since_s = clock.monotonic()
        """Since when it is that, on the monotonic clock."""

    def read(self, logged_ms: int) -> tuple[int, int]:
        """Returns window time and the wall clock, in ms; `logged_ms` is the latest window time in the log."""
        clock_ms, monotonic_s = self._clock.now_ms(), self._clock.monotonic()
        if logged_ms <= clock_ms + MAX_AHEAD_MS < self._latest_ms:
            # The owner has set the log's time back, here or in another process.
            self._latest_ms, self._latest_since_s = logged_ms, monotonic_s
        latest_ms = max(self._latest_ms, logged_ms)
        if clock_ms < latest_ms - BEHIND_MS:
            latest_ms = max(latest_ms, self._latest_ms + int((monotonic_s - self._latest_since_s) * 1000))
        window_ms = max(clock_ms, latest_ms)
        if window_ms > self._latest_ms:
            self._latest_ms, self._latest_since_s = window_ms, monotonic_s
        return window_ms, clock_ms
