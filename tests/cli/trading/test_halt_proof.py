"""`guardian halt` says that trading is stopped only where a server of the home finds it so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.cli.trading.halting import halt, reduce
from guardian.domain.trading import TradingState
from guardian.errors import GuardianError
from guardian.gate.base.journal import Journal
from guardian.home.log import open_journal


def found(home: Path) -> TradingState:
    """The trading state as another process of the home reads it."""
    other = open_journal(home)
    with other.transaction() as tx:
        state = other.trading(tx)[0]
    other.close()
    return state


@pytest.mark.parametrize("stop", [halt, reduce])
def test_stop_that_a_server_would_not_find_is_not_said(tmp_path: Path, stop: Callable[[Journal, str], object]) -> None:
    """What was written is read again as a server reads it; where it is not found there, the command fails.

    It said "halted" whatever a server would find.
    """
    written, read = open_journal(tmp_path / "written"), tmp_path / "read"
    written.store()
    written.home = read
    with pytest.raises(GuardianError, match="may go on") as failed:
        stop(written, "stop")
    assert "quit the client" in (failed.value.hint or "")
    written.close()
    assert found(read) is TradingState.ACTIVE


def test_halt_is_found_from_a_terminal_with_another_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the home takes nothing, the halt is beside it, and a server finds it whatever XDG variables it has."""
    home = tmp_path / "home"
    monkeypatch.setenv("GUARDIAN_HOME", str(home))
    home.mkdir(mode=0o700)
    for name in ("guardian.db", "emergency.log"):
        (home / name).mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "terminal"))
    assert main(["halt", "--reason", "stop"]) == 0
    said = capsys.readouterr().err
    assert "trading is halted, through the emergency file" in said
    assert f"`{home}`" in said
    assert not (tmp_path / "terminal").exists()
    for name in ("guardian.db", "emergency.log"):
        (home / name).rmdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "server"))
    assert found(home) is TradingState.HALTED


def test_halt_of_a_home_without_a_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No server has used a home that has no log: the person may have meant another one."""
    monkeypatch.setenv("GUARDIAN_HOME", str(tmp_path / "home"))
    assert main(["halt"]) == 0
    assert "had no log until now" in capsys.readouterr().err
    assert main(["halt"]) == 0
    assert "had no log until now" not in capsys.readouterr().err
