"""Times as the person at this machine reads them."""

from __future__ import annotations

from datetime import datetime


def local_time(milliseconds: int) -> str:
    """Returns `2026-11-22 16:20:30` where the person is."""
    return f"{datetime.fromtimestamp(milliseconds // 1000).astimezone():%Y-%m-%d %H:%M:%S}"


def clock_time(milliseconds: int) -> str:
    """Returns `16:20:30` where the person is, with the date where it is not today's."""
    day, clock = local_time(milliseconds).split(" ")
    return clock if day == f"{datetime.now().astimezone():%Y-%m-%d}" else f"{day} {clock}"
