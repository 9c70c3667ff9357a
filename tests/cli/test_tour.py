"""The tour's own commands: what they say is shown, and Ctrl-C in one of them ends the tour as it ends everything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.cli.tour import steps
from guardian.cli.tour.steps import Tour


def done_with(code: int) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess([], code, "data\n", "words\n")


def test_command_of_the_tour_shows_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its line, its data and its words. Before: the last command showed nothing."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done_with(0))
    Tour(home=tmp_path).guardian("halt")
    assert capsys.readouterr().out.split() == ["you", "$", "guardian", "halt", "data", "words"]


def test_ctrl_c_in_a_command_of_the_tour_ends_the_tour_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal sends it to both. Before: the tour took it for a failed step, and ended with 1."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done_with(130))
    monkeypatch.setattr(steps, "run", lambda: Tour(home=tmp_path).quietly("audit", "list"))
    assert main(["tour"]) == 130
