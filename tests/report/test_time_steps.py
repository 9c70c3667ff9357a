"""The steps of a period: days, weeks or months of the person's calendar."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.report.time_steps import MOST_DAYS, StepKind, time_steps

DAY_MS = 86_400_000
START_MS = 1_800_000_000_000


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A person whose clocks change twice a year."""
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be set here")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


@given(st.integers(0, 4 * 10**12), st.integers(0, 3_000 * DAY_MS), st.floats(0, 1))
def test_every_time_of_a_period_is_in_one_step(since_ms: int, length_ms: int, share: float) -> None:
    """The steps follow one another and have a name each; the step of a time begins before it and ends after it."""
    steps = time_steps(since_ms, since_ms + length_ms)
    at_ms = since_ms + int(length_ms * share)
    at = steps.index(at_ms)
    assert list(steps.starts_ms) == sorted(set(steps.starts_ms))
    assert len(steps.labels) == len(steps.starts_ms)
    assert steps.starts_ms[at] <= at_ms
    assert at == len(steps.starts_ms) - 1 or at_ms < steps.starts_ms[at + 1]


@pytest.mark.parametrize(
    ("days", "kind"),
    [(1, StepKind.DAY), (MOST_DAYS - 1, StepKind.DAY), (MOST_DAYS + 1, StepKind.WEEK), (500, StepKind.MONTH)],
)
def test_long_period_has_longer_steps(days: int, kind: StepKind) -> None:
    """A chart has as many bars as can be told apart."""
    steps = time_steps(START_MS, START_MS + days * DAY_MS)
    assert steps.kind is kind
    assert len(steps.starts_ms) <= 62


def test_day_begins_at_midnight_where_the_person_is(berlin: None) -> None:
    """Also on the days on which the clocks change: one has 23 hours, another 25."""
    march = datetime.fromisoformat("2027-03-27T12:00:00+01:00")
    steps = time_steps(int(march.timestamp() * 1000), int(march.timestamp() * 1000) + 3 * DAY_MS)
    lengths = [after - before for before, after in zip(steps.starts_ms, steps.starts_ms[1:], strict=False)]
    assert lengths == [DAY_MS, DAY_MS - 3_600_000, DAY_MS]
    assert steps.labels == ("27 Mar", "28 Mar", "29 Mar", "30 Mar")


def test_week_begins_on_monday_and_month_on_its_first_day() -> None:
    """As calendars have it."""
    weeks = time_steps(START_MS, START_MS + 100 * DAY_MS)
    assert {day.weekday() for day in weeks.first_days} == {0}
    months = time_steps(START_MS, START_MS + 800 * DAY_MS)
    assert {day.day for day in months.first_days} == {1}
    assert months.labels[0] == "Jan 2027"
