"""Lengths of time in milliseconds, and the latest timestamp."""

from __future__ import annotations

from typing import Final

SECOND_MS: Final = 1000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
WEEK_MS: Final = 7 * DAY_MS

LATEST_MS: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last moment that `datetime` can represent, in milliseconds since the epoch."""


def duration_text(milliseconds: int) -> str:
    """Returns a window's length as the policy writes it: `5m`, `24h`."""
    for unit, length in (("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS)):
        if milliseconds % length == 0:
            return f"{milliseconds // length}{unit}"
    return f"{milliseconds}ms"
