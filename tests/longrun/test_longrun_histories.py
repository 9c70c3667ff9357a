"""A seeded part of the histories; the whole is `python -m tests.longrun.histories --plays 10000`."""

from __future__ import annotations

from pathlib import Path


def test_database_that_is_made_from_the_log_of_a_random_history_equals_the_original(tmp_path: Path) -> None:
    """With crashes in between; and both verify."""
    from tests.longrun.histories import Tally, report, run

    tally = run(3, seed=12, folder=tmp_path, tally=Tally())
    assert tally.wrong == [], report(tally)
    assert tally.crashes == 3
    assert tally.tables["orders"] > 0


def test_verifying_while_two_write_to_all_tables_gives_no_false_alarm(tmp_path: Path) -> None:
    """`python -m tests.longrun.watched_tables --rounds 100` plays more."""
    from tests.longrun.watched_tables import watch

    assert watch(tmp_path / "guardian", rounds=3, seed=1) > 0
