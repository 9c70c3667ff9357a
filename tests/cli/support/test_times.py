"""Times as people read them: how long ago, beside when."""

from __future__ import annotations

from datetime import datetime

import pytest

from guardian.cli.support.times import local_time, moment_ms, relative, with_relative

NOW = 1_795_000_000_000


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "now"),
        (-1, "1 s ago"),
        (-59, "59 s ago"),
        (-60, "1 min ago"),
        (-3_599, "59 min ago"),
        (-7_200, "2 h ago"),
        (-86_400 * 40, "40 d ago"),
        (5, "in 5 s"),
        (299, "in 4 min"),
    ],
)
def test_relative_time_is_in_the_largest_whole_unit(seconds: int, said: str) -> None:
    """`3 min ago` and `in 4 min`: rounded down, so that no more time is promised than there is."""
    assert relative(NOW + seconds * 1000, NOW) == said


def test_relative_time_stands_beside_the_absolute_one() -> None:
    """Neither is left to be guessed from the other."""
    assert with_relative(NOW - 180_000, NOW) == f"{local_time(NOW - 180_000)} (3 min ago)"


MONDAY_NOON = datetime.fromisoformat("2026-11-30T12:00").astimezone()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2h", "2026-11-30T10:00"),
        ("now", "2026-11-30T12:00"),
        ("today", "2026-11-30T00:00"),
        ("yesterday", "2026-11-29T00:00"),
        ("monday", "2026-11-30T00:00"),
        ("Tuesday", "2026-11-24T00:00"),
        ("sun", "2026-11-29T00:00"),
        ("9am", "2026-11-30T09:00"),
        ("9:30 am", "2026-11-30T09:30"),
        ("11:59", "2026-11-30T11:59"),
        ("12:00", "2026-11-30T12:00"),
        ("17:05", "2026-11-29T17:05"),
        ("9pm", "2026-11-29T21:00"),
        ("12am", "2026-11-30T00:00"),
        ("12pm", "2026-11-30T12:00"),
        ("2026-11-01", "2026-11-01T00:00"),
        ("2026-11-01T10:20", "2026-11-01T10:20"),
    ],
)
def test_times_are_taken_as_people_write_them(typed: str, meant: str) -> None:
    """A day is its beginning; a weekday and a time of the day are the latest that are not in the future."""
    assert moment_ms(typed, MONDAY_NOON) == int(datetime.fromisoformat(meant).astimezone().timestamp() * 1000)


@pytest.mark.parametrize("typed", ["soon", "9", "25:00", "13pm", "0am", "7:60", "t", "s", "mo", "", "2026-02-30"])
def test_what_is_no_time_is_refused(typed: str) -> None:
    """An hour alone, the beginning of several weekdays, and times that no clock shows."""
    with pytest.raises(ValueError, match=r".*"):
        moment_ms(typed, MONDAY_NOON)
