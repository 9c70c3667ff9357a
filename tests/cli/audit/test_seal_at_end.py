"""After a command that writes to a sealed log, the checkpoint and the anchor are of the row that it wrote last.

One mechanism does that, when the log is closed. The sweep runs the commands as they are, on one home.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.cli.support import owner
from guardian.domain.secrets import Secret
from guardian.gate.seal.log_evidence import gather_evidence, keyring_items
from guardian.store.log.verify import verify
from tests.cli.test_owner_commands import proposed
from tests.support.keyring import MemoryKeyring
from tests.support.present import present
from tests.support.world import WIDE, World, a_world_at_home

COMMANDS = (
    "approve ID1",
    "reject ID2",
    "halt --reducing",
    "resume",
    "pin set",
    "passkey add phone --wait",
    "passkey cancel 1",
    "pin remove",
    "arm --for 1h --budget 100 --symbols BTCUSDT",
    "disarm",
    "position set BTC 0.001",
    "audit seal --folder FOLDER",
)
"""One of each kind that writes to the log."""


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> MemoryKeyring:
    found = MemoryKeyring()
    for module in ("log.home_items", "store", "owner_items"):
        monkeypatch.setattr(f"guardian.credentials.{module}.find_backend", lambda _home: found)
    return found


def until(is_over: Callable[[], bool]) -> None:
    """A person who types nothing until the market is on the screen."""
    while not is_over():
        time.sleep(0.01)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An owner who is at a terminal, and says yes to everything."""
    confirmed = {"confirmation": {"required_above": "0", "channel": "terminal", "max_outstanding": 3}}
    monkeypatch.setattr(owner, "is_terminal", lambda _stream: True)
    for module in ("support.owner", "owner.changing"):
        monkeypatch.setattr(f"guardian.cli.{module}.ask_yes", lambda _question: True)
        monkeypatch.setattr(f"guardian.cli.{module}.ask_secret", lambda *_: Secret("blue-42-heron"))
    monkeypatch.setattr(owner, "ask_considered", lambda *_: True)
    monkeypatch.setattr(owner, "read_answer_unless", until)
    with a_world_at_home(tmp_path, WIDE, confirmed) as made:
        monkeypatch.setenv("GUARDIAN_HOME", str(made.home))
        yield made


def test_what_each_command_wrote_is_signed_when_it_ends(world: World, keyring: MemoryKeyring, tmp_path: Path) -> None:
    """No row is left that neither the checkpoint nor the keyring's anchor covers; every one of them proves the log."""
    assistant = world.assistant()
    ids = [proposed(assistant, quantity="0.0005"), proposed(assistant, quantity="0.0006")]
    world.close()
    (tmp_path / "stick").mkdir()
    assert main(["audit", "seal"]) == 0
    before = verify(world.home).last_seq
    for line in COMMANDS:
        words = line
        for name, value in {"ID1": ids[0], "ID2": ids[1], "FOLDER": str(tmp_path / "stick")}.items():
            words = words.replace(name, value)
        assert main(words.split()) == 0, line
        report = verify(world.home, evidence=gather_evidence(world.home))
        anchor = present(keyring_items(world.home).anchor())
        assert (report.findings, report.is_proven, report.last_seq > before) == ((), True, True), line
        if line.startswith("halt"):  # it asks no keyring: the next command signs its row
            assert anchor.seq == before
        else:
            assert (report.unanchored, anchor.seq) == (0, report.last_seq), line
        before = report.last_seq
