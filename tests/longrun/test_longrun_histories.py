"""A seeded part of the histories; the whole is `python -m tests.longrun.histories --plays 10000`."""

from __future__ import annotations

from pathlib import Path


def test_database_that_is_made_from_the_log_of_a_random_history_equals_the_original(tmp_path: Path) -> None:
    """With crashes in between; and both verify."""
    from tests.longrun.histories import Tally, report, run

    tally = run(5, seed=1, folder=tmp_path, tally=Tally())
    assert tally.wrong == [], report(tally)
    assert tally.crashes > 0
    assert tally.tables["orders"] > 0
