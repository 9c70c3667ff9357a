"""After a backup is restored nothing trades before the loss is accepted and the orders are compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.cli.support import owner
from tests.support.keyring import MemoryKeyring
from tests.support.world import WIDE, World, a_world_at_home, codes

DAY = {"limits": {"rolling_notional": [{"window": "24h", "max": "120"}]}}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A sealed home on a paper exchange, and its owner at a terminal, who says yes."""
    keyring = MemoryKeyring()
    monkeypatch.setattr("guardian.credentials.log.home_items.find_backend", lambda _home: keyring)
    monkeypatch.setattr(owner, "is_terminal", lambda _stream: True)
    monkeypatch.setattr(owner, "ask_yes", lambda _question: True)
    with a_world_at_home(tmp_path, WIDE, DAY) as made:
        monkeypatch.setenv("GUARDIAN_HOME", str(made.home))
        yield made


def test_budget_that_was_spent_after_the_backup_is_spent_after_it_is_restored(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`resume` waits for `accept-loss`; the first order finds what the log lost, and halts; it counts."""
    assert world.assistant().order(quantity="0.0005")["outcome"] == "done"
    world.close()
    assert main(["audit", "seal"]) == 0
    assert main(["audit", "backup", str(tmp_path / "copy.db")]) == 0
    assert world.assistant().order(quantity="0.001")["outcome"] == "done"
    world.close()
    assert main(["audit", "restore", str(tmp_path / "copy.db")]) == 0
    sent = len(world.sent())
    capsys.readouterr()
    assert main(["resume"]) != 0
    assert "accept-loss" in capsys.readouterr().err
    assert main(["audit", "accept-loss", "--reason", "a backup was restored"]) == 0
    assert main(["resume"]) == 0
    assistant = world.assistant()
    assert "TRADING_HALTED" in codes(assistant.order(quantity="0.0005"))
    world.close()
    assert main(["resume"]) == 0
    assert "ROLLING_NOTIONAL_EXCEEDS_MAX" in codes(world.assistant().order(quantity="0.0009"))
    assert len(world.sent()) == sent
