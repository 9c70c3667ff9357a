"""The steps of a period on a chart: days, weeks or months where the person is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from guardian.report.number_text import MONTHS

MOST_DAYS: Final = 45
MOST_WEEKS: Final = 60
MOST_STEPS: Final = 1200
"""Of months: a hundred years, which no log has."""


class StepKind(StrEnum):
    """How long a step is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class TimeSteps:
    """Equal steps from before the beginning of a period to after its end."""

    kind: StepKind
    first_days: tuple[date, ...]
    starts_ms: tuple[int, ...]

    def index(self, time_ms: int) -> int:
        """Returns the number of the step that a time is in; the first or the last for one outside."""
        return max(bisect_right(self.starts_ms, time_ms) - 1, 0)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each step is called: `12 Nov`, or `Nov 2026`."""
        if self.kind is StepKind.MONTH:
            return tuple(f"{MONTHS[day.month - 1]} {day.year}" for day in self.first_days)
        return tuple(f"{day.day} {MONTHS[day.month - 1]}" for day in self.first_days)


def time_steps(since_ms: int, until_ms: int) -> TimeSteps:
    """Returns the steps of a period; `until_ms` is exclusive, and there is always one step."""
    first, last = _day(since_ms), _day(max(until_ms - 1, since_ms))
    days = (last - first).days + 1
    kind = StepKind.DAY if days <= MOST_DAYS else StepKind.WEEK if days <= MOST_WEEKS * 7 else StepKind.MONTH
    found = tuple(_first_days(kind, first, last))
    return TimeSteps(kind, found, tuple(_start_ms(day) for day in found))


def _first_days(kind: StepKind, first: date, last: date) -> Iterator[date]:
    if kind is StepKind.WEEK:
        first -= timedelta(days=first.weekday())
    elif kind is StepKind.MONTH:
        first = first.replace(day=1)
    for _ in range(MOST_STEPS):
        if first > last:
            return
        yield first
        if kind is StepKind.MONTH:
            first = (first + timedelta(days=31)).replace(day=1)
        else:
            first += timedelta(days=1 if kind is StepKind.DAY else 7)


def _day(milliseconds: int) -> date:
    return datetime.fromtimestamp(milliseconds // 1000).astimezone().date()


def _start_ms(day: date) -> int:
    return int(datetime.combine(day, time.min).astimezone().timestamp() * 1000)
