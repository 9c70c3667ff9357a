"""A database is made again from the log alone, exactly."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from guardian.errors import StoreConflict
from guardian.store.answers.rebuilding import rebuild
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind
from guardian.store.schema.parts import known_parts, parts_in
from tests.store.state.histories import History, content
from tests.store.support.store_world import World
from tests.support.tamper import tamper


@pytest.mark.parametrize("seed", range(25))
def test_rebuilt_database_equals_the_original_after_a_random_history(world: World, tmp_path: Path, seed: int) -> None:
    """Row by row and type by type; it is a store of its own, and nothing differs from the log."""
    History(world, random.Random(seed)).run(40)
    world.store.close()
    assert verify(world.home).findings == ()
    made = rebuild(world.home, tmp_path / "rebuilt.db")
    assert made.differences == ()
    assert content(made.path) == content(world.home / "guardian.db")
    assert made.rows == len(content(made.path)["audit"])
    with closing(sqlite3.connect(made.path)) as connection:
        assert parts_in(connection) == known_parts()
    assert verify(made.path).findings == ()


def test_rebuilt_database_has_what_the_log_says_and_names_what_the_table_said(world: World, tmp_path: Path) -> None:
    """An edited table does not come over."""
    name = world.place()
    tamper(world, "UPDATE orders SET notional = '0'", "UPDATE control SET state = 'halted'", "DELETE FROM owner")
    made = rebuild(world.home, tmp_path / "rebuilt.db")
    assert made.differences == (
        "control: `state` is halted, the log says active",
        f"order `{name}`: `notional` is 0, the log says 100",
        "the proofs of the owner is missing: the log has it",
    )
    with closing(sqlite3.connect(made.path)) as connection:
        assert connection.execute("SELECT notional FROM orders").fetchall() == [("100",)]
        assert connection.execute("SELECT state FROM control").fetchall() == [("active",)]
        assert connection.execute("SELECT floor FROM owner").fetchall() == [("terminal",)]
    world.store.close()


def test_rebuilt_database_is_opened_as_a_store(world: World, tmp_path: Path) -> None:
    """It continues the log where it ended."""
    world.place()
    world.store.close()
    made = rebuild(world.home, tmp_path / "rebuilt.db")
    made.path.replace(world.home / "guardian.db")
    world.store = world.open()
    world.place(spec=world.spec(price="1"))
    world.store.close()
    assert verify(world.home).findings == ()


def test_file_that_is_there_is_not_overwritten(world: World, tmp_path: Path) -> None:
    """Whatever it is."""
    (tmp_path / "rebuilt.db").write_text("mine")
    with pytest.raises(StoreConflict, match="is there already"):
        rebuild(world.home, tmp_path / "rebuilt.db")
    assert (tmp_path / "rebuilt.db").read_text() == "mine"


def test_baseline_begins_anew(world: World, tmp_path: Path) -> None:
    """What the log said before does not count any more: it has all rows as they are then, in parts.

    That is a finding by itself, since nothing but a migration of a log that has no such rows does it.
    """
    for number in range(7):
        world.place(spec=world.spec(price=str(number + 1)))
    tamper(world, "UPDATE orders SET notional = '7'")
    assert verify(world.home).tables_proven_from == 1
    world.attempt(lambda tx: tx.audit.append_baseline("whatever is there"))
    first = world.attempt(lambda tx: tx.unit.head.seq)
    world.place()
    world.store.close()
    (finding,) = verify(world.home).findings
    assert (finding.kind, finding.seq) == (FindingKind.STATE, first)
    assert "says again what all tables hold" in finding.message
    assert verify(world.home).tables_proven_from == first
    made = rebuild(world.home, tmp_path / "rebuilt.db")
    assert content(made.path) == content(world.home / "guardian.db")
