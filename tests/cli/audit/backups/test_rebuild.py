"""`guardian audit rebuild`: a fresh database from the log alone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.store.log.verify import verify
from guardian.system.clock import wall_clock_ms
from tests.store.support.store_world import World
from tests.support.tamper import tamper


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
