"""Times as people write and read them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

from guardian.system.local_times import clock_time as clock_time  # the other times that commands write
from guardian.system.local_times import local_time as local_time

_AGO: Final = re.compile(r"([1-9][0-9]{0,5})\s*(s|m|h|d|w)", re.ASCII)
_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
"""The seconds of each unit, and what it is written as."""
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_ms(text: str, now: datetime) -> int:
    """Milliseconds since the epoch for `2h` (ago), `today`, `yesterday`, `2026-11-01`, or an ISO date and time.

    `now` is aware. A time without a zone is one of the system's zone. Raises ValueError.
    """
    word = text.strip().lower()
    ago = _AGO.fullmatch(word)
    if ago is not None:
        found = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    elif word in {"today", "yesterday"}:
        day = now.date() - timedelta(days=word == "yesterday")
        found = datetime.combine(day, time.min).astimezone()
    else:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is None:
            found = found.astimezone()
    return int(found.timestamp() * 1000)


def relative(milliseconds: int, now_ms: int) -> str:
    """Returns `3 min ago`, `in 4 min` or `now`, in the largest unit of which there is a whole one."""
    seconds = abs(now_ms - milliseconds) // 1000
    for unit_s, unit in _SPANS:
        if seconds >= unit_s:
            count = f"{seconds // unit_s} {unit}"
            return f"{count} ago" if milliseconds < now_ms else f"in {count}"
    return "now"


def with_relative(milliseconds: int, now_ms: int) -> str:
    """Returns `2026-11-22 16:20:30 (3 min ago)`, where the person is."""
    return f"{local_time(milliseconds)} ({relative(milliseconds, now_ms)})"


def utc_time(milliseconds: int) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return f"{_utc(milliseconds):%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, tz=UTC)
