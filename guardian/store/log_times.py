"""What is a time in the log, and how far the log may be ahead of the clock. Pure."""

from __future__ import annotations

from typing import Final

from guardian.domain.milliseconds import DAY_MS, LATEST_MS

MAX_AHEAD_MS: Final = DAY_MS
"""How far the log's time may be ahead of the clock without a person.

A hardware clock that is read in the wrong zone, as where two systems share a machine, is 14 hours off at most, and
summer time adds one. A clock that is off by more than a day is broken, and so is what it wrote into the log.
"""


def is_time(found: object) -> bool:
    """Returns whether a value of the file is a time that a clock can show."""
    return isinstance(found, int) and 0 <= found <= LATEST_MS


def latest_time(*found: object) -> int:
    """Returns the latest of the times in the file, without what is no time; 0 if there is no other."""
    return max((one for one in found if isinstance(one, int) and is_time(one)), default=0)
