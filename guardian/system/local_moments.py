"""Moments as a person at this machine says them: `today`, `monday`, a date, or a time without an offset.

They are of the machine's own time zone, with its summer time, as it is when they are resolved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WRITTEN: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMoment:
    """A moment that is not resolved yet: a day that is named or written, or a date and time without an offset.

    Raises ValueError: the text is something else, or a date and time that does not exist.
    """

    text: str
    is_end: bool
    """Whether a day means its last millisecond, and not its first."""

    def __post_init__(self) -> None:
        word = self.text.lower()
        if word not in {"today", "yesterday", *_WEEKDAYS} and _WRITTEN.fullmatch(self.text) is None:
            raise ValueError("no day and no time")
        self._written()

    def milliseconds(self, now_ms: int, zone: tzinfo | None = None) -> int:
        """Returns milliseconds since the epoch. A weekday is the latest one, today among them; `zone` is for tests."""
        written = self._written()
        if isinstance(written, datetime):
            return _since_epoch(_local(written, zone))
        day = self._named(_at(now_ms, zone).date()) if written is None else written
        if self.is_end:
            return _since_epoch(_local(datetime.combine(day + timedelta(days=1), time.min), zone)) - 1
        return _since_epoch(_local(datetime.combine(day, time.min), zone))

    def _written(self) -> date | datetime | None:
        """The date, or the date and time; None where a day is named."""
        if not self.text[0].isdigit():
            return None
        return datetime.fromisoformat(self.text) if ":" in self.text else date.fromisoformat(self.text)

    def _named(self, today: date) -> date:
        word = self.text.lower()
        if word in _WEEKDAYS:
            return today - timedelta(days=(today.weekday() - _WEEKDAYS.index(word)) % 7)
        return today - timedelta(days=word == "yesterday")


def period_text(start_ms: int | None, end_ms: int | None, zone: tzinfo | None = None) -> str | None:
    """Returns `2026-11-23T00:00:00+01:00/2026-11-23T23:59:59.999+01:00`: both ends where the person is.

    `..` means an end that is open; None where both are.
    """
    if start_ms is None and end_ms is None:
        return None
    return "/".join(".." if one is None else _written_out(_at(one, zone)) for one in (start_ms, end_ms))


def _written_out(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")


def _at(milliseconds: int, zone: tzinfo | None) -> datetime:
    return (_EPOCH + milliseconds * _MILLISECOND).astimezone(zone)


def _local(naive: datetime, zone: tzinfo | None) -> datetime:
    return naive.astimezone() if zone is None else naive.replace(tzinfo=zone)


def _since_epoch(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
