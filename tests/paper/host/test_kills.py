"""The helper of a home can be killed at any time, and those who trade on it go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guardian.paper.host import home as paper_home
from guardian.paper.host.home import PORT_FILE, find, find_or_start, stop
from tests.paper.host.kills import rehearse

KILLS = 8
"""`python -m tests.paper.host.kills 50` is the same with fifty."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home folder whose exchange is ended with the test."""
    folder = tmp_path / "home"
    yield folder
    deadline = time.monotonic() + 10
    while stop(folder) or find(folder) is not None or paper_home._started:
        paper_home.reap()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_in_mid_order_it_loses_and_doubles_nothing_and_the_others_go_on(home: Path) -> None:
    """Two processes trade while the helper is killed eight times: every order is there once or not at all, as each was
    answered; all balances add up to the last digit; nobody waits longer than five seconds."""
    seen = rehearse(home, kills=KILLS, seed=7)
    assert seen.mistakes == ()
    assert seen.kills == KILLS
    assert seen.in_mid_order >= 1
    assert seen.placed > 50


def test_what_a_killed_helper_was_writing_is_cleared_away(home: Path) -> None:
    """Half-written port files, which hold a key, do not pile up: the next helper removes them."""
    home.mkdir()
    (home / f"{PORT_FILE}abc123").write_text('{"port":', encoding="utf-8")
    find_or_start(home)
    assert [path.name for path in home.glob(f"{PORT_FILE}*")] == [PORT_FILE]
