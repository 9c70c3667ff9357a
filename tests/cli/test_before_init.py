"""Looking at a home that was never set up: it is said what is missing, and nothing is made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.store.opening import begin_log


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a home would be."""
    place = tmp_path / "home"
    monkeypatch.setenv("GUARDIAN_HOME", str(place))
    return place


def test_status_makes_no_home_and_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before `init`: no home on TESTNET is made in silence, the command is named, and the exit code is 1."""
    assert main(["status"]) == 1
    out, said = capsys.readouterr()
    assert "stopped, because there is no policy of yours yet" in out
    assert str(home) in out
    assert "guardian init` makes it" in said
    assert main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["policy_source"] is None
    assert not home.exists()


@pytest.mark.parametrize("word", ["check", "show"])
def test_policy_that_comes_with_guardian_is_said_to(home: Path, capsys: pytest.CaptureFixture[str], word: str) -> None:
    """What serves before `init` is looked at, and said not to be the owner's."""
    assert main(["policy", word]) == 0
    assert "this one comes with guardian; `" in capsys.readouterr().err
    assert not home.exists()


def test_list_of_what_waits_makes_no_home_and_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing waits, which is fine; that there is no policy yet is said with it."""
    assert main(["approve"]) == 0
    out, said = capsys.readouterr()
    assert out == ""
    assert said.startswith("nothing waits for you: there is no policy of yours yet in ")
    assert "guardian init`" in said
    assert main(["approve", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert not home.exists()


def test_status_of_a_home_without_a_policy_of_its_own_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server was started before `init`: the packaged policy serves on TESTNET, and the status says whose it is.

    The exit code is 3 where no keyring works, for it is not known whether there are keys.
    """
    home.mkdir()
    begin_log(home)
    assert main(["status"]) in {0, 3}
    out, said = capsys.readouterr()
    assert "TESTNET" in out
    assert "there is no policy of yours yet: the one that comes with guardian serves; `" in said
