"""Days as a person says them: where they begin and end in the zone of the machine, also when its clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from guardian.system.local_moments import LocalMoment, period_text

VIENNA = ZoneInfo("Europe/Vienna")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


NOW_MS = ms("2026-11-30T23:30:00+00:00")
"""A Monday in UTC, and already Tuesday in Vienna."""


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("today", "2026-12-01T00:00:00+01:00", "2026-12-01T23:59:59.999+01:00"),
        ("Yesterday", "2026-11-30T00:00:00+01:00", "2026-11-30T23:59:59.999+01:00"),
        ("monday", "2026-11-30T00:00:00+01:00", "2026-11-30T23:59:59.999+01:00"),
        ("tuesday", "2026-12-01T00:00:00+01:00", "2026-12-01T23:59:59.999+01:00"),
        ("wednesday", "2026-11-25T00:00:00+01:00", "2026-11-25T23:59:59.999+01:00"),
        ("2026-11-23", "2026-11-23T00:00:00+01:00", "2026-11-23T23:59:59.999+01:00"),
        ("2026-10-25", "2026-10-25T00:00:00+02:00", "2026-10-25T23:59:59.999+01:00"),
        ("2026-03-29", "2026-03-29T00:00:00+01:00", "2026-03-29T23:59:59.999+02:00"),
        ("2026-07-01T10:00", "2026-07-01T10:00:00+02:00", "2026-07-01T10:00:00+02:00"),
        ("2026-11-23 10:00:00.5", "2026-11-23T10:00:00.500+01:00", "2026-11-23T10:00:00.500+01:00"),
    ],
)
def test_day_begins_and_ends_where_the_person_is(text: str, start: str, end: str) -> None:
    """A start is the first millisecond, an end the last; days on which the clocks change have 23 or 25 hours."""
    first, last = (LocalMoment(text=text, is_end=is_end).milliseconds(NOW_MS, VIENNA) for is_end in (False, True))
    assert (first, last) == (ms(start), ms(end))
    assert period_text(first, last, VIENNA) == f"{start}/{end}"


def test_same_instant_is_another_day_elsewhere() -> None:
    """On a machine in UTC it is still Monday."""
    today = LocalMoment(text="today", is_end=False)
    assert today.milliseconds(NOW_MS, UTC) == ms("2026-11-30T00:00:00+00:00")
    assert today.milliseconds(NOW_MS, timezone(timedelta(hours=-11))) == ms("2026-11-30T00:00:00-11:00")


def test_without_a_zone_it_is_that_of_the_machine() -> None:
    """As Python's own local time has it."""
    expected = datetime.fromisoformat("2026-11-23").astimezone()
    found = LocalMoment(text="2026-11-23", is_end=False).milliseconds(NOW_MS)
    assert found == round(expected.timestamp() * 1000)
    assert period_text(found, None) == f"{expected.isoformat()}/.."


def test_open_ends_are_dots_and_nothing_is_nothing() -> None:
    """What was not given is not invented."""
    assert period_text(None, NOW_MS, UTC) == "../2026-11-30T23:30:00+00:00"
    assert period_text(None, None) is None


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-13-01", "2026-02-30", "2026-11-23T24:30", "26-11-23", "2026-11"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"."):
        LocalMoment(text=text, is_end=False)
