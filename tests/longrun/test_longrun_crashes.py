"""A seeded part of the crash test; the whole is `python -m tests.longrun.crashes --rounds 300`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs fork and SIGKILL")


@pytest.mark.parametrize(("processes", "rounds"), [(1, 4), (2, 2), (4, 1)])
def test_killed_processes_leave_nothing_uncounted_lost_or_sent_twice(
    processes: int, rounds: int, tmp_path: Path
) -> None:
    """After kill -9 anywhere each order has its intent, counts until it is found, is found, and was sent once."""
    from tests.longrun.crashes import report, run

    tally = run(rounds, processes, seed=40 + processes, folder=tmp_path)
    assert tally.wrong == [], report([tally])
    assert tally.kills.total() == processes * rounds
    assert tally.received > 0
