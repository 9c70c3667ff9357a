"""Times as people read them: how long ago, beside when."""

from __future__ import annotations

import pytest

from guardian.cli.support.times import local_time, relative, with_relative

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
