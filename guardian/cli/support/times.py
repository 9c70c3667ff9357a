"""Times as people write and read them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from guardian.system.local_times import clock_time as clock_time  # the other times that commands write
from guardian.system.local_times import local_time as local_time
from guardian.system.local_times import no_time

_AGO: Final = re.compile(r"([1-9][0-9]{0,5})\s*(s|m|h|d|w)", re.ASCII)
_CLOCK: Final = re.compile(r"(?:at )?([0-9]{1,2})(?::([0-5][0-9]))?\s*(am|pm)?", re.ASCII)
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
"""The seconds of each unit, and what it is written as."""
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_ms(text: str, now: datetime) -> int:
    """Milliseconds since the epoch for `2h` (ago), `9pm`, `17:05`, `today`, `yesterday`, `monday`, a date, an ISO time.

    A day is its beginning; a weekday, and a time of the day, are the latest ones that are not in the future. `now` is
    aware. A time without a zone is one of the system's zone. Raises ValueError.
    """
    word = " ".join(text.lower().split())
    ago = _AGO.fullmatch(word)
    if ago is not None:
        return _ms(now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
    if word == "now":
        return _ms(now)
    day = _day_named(word, now)
    if day is not None:
        return _ms(datetime.combine(day, time.min).astimezone())
    clock = clock_of(word)
    if clock is not None:
        found = datetime.combine(now.date(), clock).astimezone()
        return _ms(found if found <= now else datetime.combine(now.date() - timedelta(days=1), clock).astimezone())
    found = datetime.fromisoformat(text.strip())
    return _ms(found if found.tzinfo is not None else found.astimezone())


def clock_of(text: str) -> time | None:
    """Returns the time of the day that `17:05`, `9pm`, `9:30 am` or `02:00` names; None for anything else.

    `9` alone is not accepted: it may be anything.
    """
    found = _CLOCK.fullmatch(text.strip().lower())
    if found is None or (found[2] is None and found[3] is None):
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[3] is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[3] == "pm" else 0)
    return time(hour, minute) if hour < 24 else None


def _day_named(word: str, now: datetime) -> date | None:
    if word in {"today", "yesterday"}:
        return now.date() - timedelta(days=word == "yesterday")
    matches = [number for number, name in enumerate(_WEEKDAYS) if len(word) >= 3 and name.startswith(word)]
    return now.date() - timedelta(days=(now.weekday() - matches[0]) % 7) if len(matches) == 1 else None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


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
    """ISO 8601 in UTC, to the millisecond; `(no time: 9223372036854775807 ms)` beyond the year 9999."""
    try:
        return f"{_utc(milliseconds):%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
    except (ValueError, OverflowError, OSError):  # what the system's clock cannot show
        return no_time(milliseconds)


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, tz=UTC)
