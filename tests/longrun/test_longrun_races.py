"""A seeded part of the races; the whole is `python -m tests.longrun.races --rounds 20`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs fork")


def test_eight_processes_never_pass_a_cap_and_nothing_is_reserved_behind_a_halt(tmp_path: Path) -> None:
    """Row by row of the log each cap holds at every reservation, and no reservation is behind the row of the halt."""
    from tests.longrun.races import report, run

    kinds = ("rolling_notional", "max_open_orders", "one token", "halt")
    races = run(1, seed=8, folder=tmp_path, calls=10, kinds=kinds)
    assert not [race for race in races if race.wrong], report(races)
