"""The module of SQLite's statements is what the definitions make of themselves, and all that a transaction runs."""

from __future__ import annotations

import ast
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import create_engine

from guardian.errors import StoreError
from guardian.store.database import Transaction
from guardian.store.definitions.sqlite_module import COMMAND, sqlite_module
from guardian.store.definitions.table_base import Table
from guardian.store.schema import sqlite_statements
from guardian.store.schema.compiled_statement import CompiledStatement, filled
from guardian.store.schema.parts import known_parts, parts_in
from guardian.store.schema.records import Phase, Record
from tests.store.support.store_world import World

STORE: Final = Path(__file__).parents[2] / "guardian" / "store"
STATEMENTS: Final = {
    name: value for name, value in vars(sqlite_statements).items() if isinstance(value, CompiledStatement)
}
TIMESTAMP: Final = sqlite_statements.INSERT_TIMESTAMP


def used_names() -> set[str]:
    """The statements that the modules of the store use, as `sql.NAME`."""
    trees = (ast.parse(path.read_text("utf-8")) for path in STORE.rglob("*.py"))
    return {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sql"
    }


def new_file() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in sqlite_statements.SCHEMA:
        connection.execute(statement)
    return connection


def test_module_is_what_the_definitions_make() -> None:
    """Byte for byte; the message says how to write it again."""
    path = STORE / "schema" / "sqlite_statements.py"
    assert path.read_text("utf-8") == sqlite_module(), f"write it again: {COMMAND}"


def test_every_statement_is_used() -> None:
    """None is left over, and none is used that is not there."""
    assert used_names() - {"sql", "LOGGED"} == set(STATEMENTS)


def test_parameters_and_columns_are_those_of_the_text() -> None:
    """SQLite finds the same ones: what a statement lacks or has too much would fail at its first use."""
    connection = new_file()
    for name, statement in STATEMENTS.items():
        assert set(re.findall(r":(\w+)", statement.sql)) == statement.parameters, name
        found = connection.execute(f"EXPLAIN {statement.sql}", dict.fromkeys(statement.parameters)).fetchall()
        assert found, name
        if statement.columns:
            description = connection.execute(statement.sql, dict.fromkeys(statement.parameters, 0)).description
            assert tuple(column[0] for column in description) == statement.columns, name


def test_statements_that_read_whole_orders_have_the_same_columns() -> None:
    """An order is made of its row by their places."""
    whole = {statement.columns for statement in STATEMENTS.values() if "executed_quantity" in statement.columns}
    assert whole == {sqlite_statements.ORDER_BY_NAME.columns}


def test_new_file_has_the_tables_and_indexes_of_sqlmodel() -> None:
    """The same as SQLAlchemy itself makes of the tables, but for blanks; and its triggers and first rows."""

    def parts(connection: Any) -> dict[str, str]:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index')").fetchall()
        return {name: " ".join(sql.split()) for name, sql in rows if sql is not None}

    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        Table.metadata.create_all(connection)
        wanted = parts(connection.connection.driver_connection)
    engine.dispose()
    made = new_file()
    assert parts(made) == wanted
    assert parts_in(made) == known_parts()
    assert made.execute("SELECT id, state, window_ms FROM control").fetchall() == [(1, "active", 0)]
    assert made.execute("SELECT id, floor, pin_tries FROM owner").fetchall() == [(1, "terminal", 0)]


def test_no_process_that_uses_the_store_imports_sqlalchemy(tmp_path: Path) -> None:
    """Neither for opening a home, nor for making its file, nor for a transaction."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom guardian.store.database import Store\n"
        "from guardian.store.schema.records import Phase, Record\nfrom guardian.system.clock import SystemClock\n"
        f"store = Store.open(Path({str(tmp_path / 'home')!r}), SystemClock())\n"
        "with store.transaction() as tx:\n    tx.audit.append(Record(phase=Phase.EVENT))\nstore.close()\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('sqlmodel', 'sqlalchemy')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
    assert (tmp_path / "home" / "guardian.db").exists()


def fail_twice(tx: Transaction, values: dict[str, object]) -> None:
    """Append a row, then run a statement with these values, and another one after it; both raise the same."""
    tx.audit.append(Record(phase=Phase.EVENT))
    with pytest.raises(StoreError) as first:
        tx.unit.write(TIMESTAMP, values)
    with pytest.raises(StoreError) as second:
        tx.timestamps.get("a")
    assert second.value is first.value


@pytest.mark.parametrize(
    "values",
    [
        {"name": "a", "ts_ms": 2**63},
        {"name": "a", "ts_ms": -(2**63) - 1},
        {"name": "\udc80", "ts_ms": 1},
        {"name": object(), "ts_ms": 1},
        {"name": "a"},
        {"name": "a", "ts_ms": 1, "extra": 1},
        {},
    ],
    ids=["too large", "too small", "lone surrogate", "no type of SQLite's", "too few", "too many", "none"],
)
def test_value_that_cannot_be_stored_ends_the_transaction(world: World, values: dict[str, object]) -> None:
    """It is an error of the store; nothing is recorded, even where the caller catches it and continues."""
    with pytest.raises(StoreError) as refused, world.store.transaction() as tx:
        fail_twice(tx, values)
    assert "cannot be written" in refused.value.message
    assert world.store.head() is None
    with world.store.transaction() as tx:
        tx.timestamps.set("a")
    assert world.attempt(lambda tx: tx.timestamps.get("a")) == world.clock_ms


def test_largest_values_of_sqlite_are_stored(world: World) -> None:
    """64 bits, and any text that UTF-8 has."""
    world.attempt(lambda tx: tx.unit.write(TIMESTAMP, {"name": "a\0\U0001f600", "ts_ms": 2**63 - 1}))
    assert world.attempt(lambda tx: tx.timestamps.get("a\0\U0001f600")) == 2**63 - 1


def test_parameters_of_a_list_that_are_left_match_nothing() -> None:
    """They are NULL; and a list that is longer is a mistake."""
    assert filled("digest", ["a"], 3) == {"digest_0": "a", "digest_1": None, "digest_2": None}
    with pytest.raises(ValueError, match="2"):
        filled("digest", ["a", "b", "c"], 2)
