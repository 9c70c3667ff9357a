"""Times as the person at this machine reads them. A number that is no time is shown as it is."""

from __future__ import annotations

from datetime import datetime


def local_time(milliseconds: int) -> str:
    """Returns `2026-11-22 16:20:30` where the person is; `(no time: 9223372036854775807 ms)` beyond the year 9999."""
    try:
        return f"{datetime.fromtimestamp(milliseconds // 1000).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # what the system's clock cannot show
        return no_time(milliseconds)


def clock_time(milliseconds: int) -> str:
    """Returns `16:20:30` where the person is, with the date where it is not today's; else as `local_time`."""
    shown = local_time(milliseconds)
    return shown.removeprefix(f"{datetime.now().astimezone():%Y-%m-%d} ")


def no_time(milliseconds: int) -> str:
    """Returns how a number is shown that is no time, such as one beyond the year 9999."""
    return f"(no time: {milliseconds} ms)"
