"""A seeded part of the storm; the whole is `python -m tests.longrun.storm --rounds 10000`."""

from __future__ import annotations

from pathlib import Path

from tests.longrun.storm import report, run


def test_storm_of_calls_gets_nobody_banned_and_loses_no_call(tmp_path: Path) -> None:
    """Calls of many clients over two processes each have their outcome, and the exchange never answers 418."""
    weather = run(400, 20, seed=4, folder=tmp_path)
    assert weather.wrong == [], report(weather)
    assert len(weather.calls) == 400
    assert weather.growth_mb < 60, report(weather)
