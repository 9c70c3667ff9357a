"""Times as people write and read them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

_AGO: Final = re.compile(r"([1-9][0-9]{0,5})\s*(s|m|h|d|w)", re.ASCII)
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


def local_time(milliseconds: int) -> str:
    """`2026-11-22 16:20:30` where the person is."""
    return f"{_utc(milliseconds).astimezone():%Y-%m-%d %H:%M:%S}"


def clock_time(milliseconds: int) -> str:
    """`16:20:30` where the person is, with the date where it is not today's."""
    day, clock = local_time(milliseconds).split(" ")
    return clock if day == f"{datetime.now().astimezone():%Y-%m-%d}" else f"{day} {clock}"


def utc_time(milliseconds: int) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return f"{_utc(milliseconds):%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, tz=UTC)
