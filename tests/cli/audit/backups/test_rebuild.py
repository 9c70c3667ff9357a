"""`guardian audit rebuild`: a fresh database from the log alone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.store.log.verify import verify
from guardian.store.state.policy_texts import HIDDEN
from guardian.system.clock import wall_clock_ms
from tests.store.support.store_world import World
from tests.support.tamper import tamper

PAPER_POLICY = """schema = 1
[paper]
endpoint = "http://127.0.0.1:1"
api_key = "k1"
api_secret = "s1"
[limits]
max_notional = "900"
"""


@pytest.fixture
def desk(own_home: Path) -> World:
    """A home with one order, and a store that stays open as a server's does."""
    world = World(own_home / "guardian", wall_clock_ms())
    world.place()
    return world


def test_database_is_made_from_the_log_while_a_server_writes(
    desk: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing differs, nothing of the home is changed, and the new file is a whole log with its order."""
    target = tmp_path / "new.db"
    before = verify(desk.home)
    assert main(["audit", "rebuild", str(target), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rows"], said["differences"], said["intact"], said["findings"]) == (before.rows, [], True, [])
    assert said["tables"]["orders"] == 1
    assert (verify(target).head, verify(target).findings) == (before.head, ())
    assert verify(desk.home) == before


def test_edited_table_is_named_and_does_not_come_over(
    desk: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The budget that somebody emptied is full again in the new database; the exit code is 1."""
    target = tmp_path / "new.db"
    tamper(desk, "UPDATE orders SET notional = '0'")
    assert main(["audit", "rebuild", str(target)]) == 1
    said = capsys.readouterr()
    assert "`notional` is 0, the log says 100" in said.err
    assert "audit restore" in said.err
    assert "INTACT" in said.out
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("SELECT notional FROM orders").fetchall() == [("100",)]


def test_home_with_keys_of_a_paper_exchange_is_rebuilt_and_verifies(
    desk: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log has the policy without its keys, and so has the new database; an edit of it is found all the same."""
    desk.attempt(lambda tx: tx.policies.remember("d1", PAPER_POLICY))
    target = tmp_path / "new.db"
    assert main(["audit", "rebuild", str(target)]) == 0
    assert "INTACT" in capsys.readouterr().out
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("SELECT text FROM policies").fetchall() == [
            (PAPER_POLICY.replace('"k1"', f'"{HIDDEN}"').replace('"s1"', f'"{HIDDEN}"'),)
        ]
        connection.execute("UPDATE policies SET text = replace(text, '900', '9000')")
        connection.commit()
    (finding,) = verify(target).findings
    assert "policy `1`: `text` is " in finding.message


def test_edit_beside_the_keys_of_a_paper_exchange_is_named(
    desk: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the home that has the keys, whether the keys are edited or something else."""
    desk.attempt(lambda tx: tx.policies.remember("d1", PAPER_POLICY))
    tamper(desk, "UPDATE policies SET text = replace(text, 's1', 's2'), stored_ms = 1")
    assert main(["audit", "rebuild", str(tmp_path / "new.db")]) == 1
    said = capsys.readouterr().err
    assert "policy `1`: `stored_ms` is 1, the log says" in said
    assert "`text_sha256` is" in said
    assert '"s2"' not in said


def test_broken_log_is_rebuilt_as_broken_as_it_is(
    desk: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row of the log that was changed is not made whole by copying it."""
    tamper(desk, "UPDATE audit SET symbol = 'ETHUSDT' WHERE seq = 1")
    assert main(["audit", "rebuild", str(tmp_path / "new.db")]) == 1
    said = capsys.readouterr()
    assert "BROKEN" in said.out
    assert "COLUMN: row 1" in said.err


def test_nothing_is_overwritten_and_a_folder_gets_a_dated_name(
    desk: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a place it is the home; a file that is there stays as it is."""
    there = tmp_path / "there.db"
    there.write_text("mine", "utf-8")
    assert main(["audit", "rebuild", str(there)]) == 1
    assert there.read_text("utf-8") == "mine"
    assert "is there already" in capsys.readouterr().err
    assert main(["audit", "rebuild"]) == 0
    (made,) = desk.home.glob("guardian-rebuilt-*.db")
    assert verify(made).rows == verify(desk.home).rows


def test_home_without_a_log_has_nothing_to_rebuild(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No home is made by asking."""
    assert main(["audit", "rebuild"]) == 1
    assert "nothing to rebuild" in capsys.readouterr().err
    assert not (own_home / "guardian").exists()
