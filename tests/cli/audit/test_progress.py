"""How far verifying is: shown to a person at a terminal, and to nobody else."""

from __future__ import annotations

import io
import sys

import pytest

from guardian.cli.audit import verification
from guardian.cli.audit.verification import SHOWS_PROGRESS, progress_shown


class Stream(io.StringIO):
    """Standard error, which is a terminal or not."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


class Gone(Stream):
    """A terminal that takes nothing any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.fixture(autouse=True)
def console(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows too, a stream of these is a terminal where it says so."""
    monkeypatch.setattr(verification, "is_terminal", lambda stream: stream.isatty())


def test_terminal_shows_how_many_of_all_rows_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, written over and over, and taken away at the end; never more rows than there are."""
    stream = Stream(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_shown() as progress:
        assert progress is not None
        progress(5_000, 1_000_000)
        progress(1_004_000, 1_000_000)
    shown = [part.strip() for part in stream.getvalue().split("\r") if part]
    assert shown == ["verified 5000 of 1000000 rows", "verified 1000000 of 1000000 rows", ""]
    assert "\n" not in stream.getvalue()


def test_short_log_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is verified before anybody could read it."""
    stream = Stream(is_terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_shown() as progress:
        assert progress is not None
        progress(10, SHOWS_PROGRESS - 1)
    assert stream.getvalue() == ""


def test_pipe_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not read by a person gets the report alone."""
    stream = Stream(is_terminal=False)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_shown() as progress:
        assert progress is None
    assert stream.getvalue() == ""


def test_terminal_that_is_gone_does_not_end_verifying(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised where the line cannot be written."""
    monkeypatch.setattr(sys, "stderr", Gone(is_terminal=True))
    with progress_shown() as progress:
        assert progress is not None
        progress(5_000, 1_000_000)
