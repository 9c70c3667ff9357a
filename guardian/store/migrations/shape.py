"""Gives the tables, indexes and triggers of an older database the definitions of this version.

The log is the exception: its table is only ever added to, and its triggers stay where they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from guardian.store.migrations.known_schemas import normal, parts_in

LOG: Final = "audit"
_OLD: Final = "older_"
_TABLE: Final = "CREATE TABLE "
_TRIGGER: Final = "CREATE TRIGGER "


class NotConverted(Exception):
    """The steps of the migrations do not lead to this version's definitions: a mistake in them."""


def lift_triggers(connection: sqlite3.Connection) -> None:
    """Removes every trigger but the log's, so that steps can fill in what is new. Raises sqlite3.Error."""
    kept = f" ON {LOG} "
    for name, statement in parts_in(connection).items():
        if statement.startswith(_TRIGGER) and kept not in normal(statement):
            connection.execute(f"DROP TRIGGER {name}")


def convert(connection: sqlite3.Connection, wanted: Mapping[str, str]) -> None:
    """Makes every part as `wanted` says, by name; what has no place there any more is removed.

    Raises NotConverted, and sqlite3.Error.
    """
    for name, statement in wanted.items():
        if statement.startswith(_TABLE):
            _convert_table(connection, name, statement)
    for name, statement in parts_in(connection).items():
        if not _is_as_wanted(wanted, name, statement):
            _drop(connection, name, statement)
    there = parts_in(connection)
    for name, statement in wanted.items():
        if name not in there:
            connection.execute(statement)
    differing = {name for name, statement in parts_in(connection).items() if not _is_as_wanted(wanted, name, statement)}
    if differing:
        raise NotConverted(f"other than defined: {', '.join(sorted(differing))}")


def _is_as_wanted(wanted: Mapping[str, str], name: str, statement: str) -> bool:
    return name in wanted and normal(wanted[name]) == normal(statement)


def _convert_table(connection: sqlite3.Connection, name: str, statement: str) -> None:
    there = parts_in(connection)
    if name not in there or normal(there[name]) == normal(statement):
        return
    if name == LOG:
        raise NotConverted(f"the table `{LOG}` is only added to")
    for other, text in there.items():  # SQLite would have them follow the table to its other name
        if f" ON {name} " in normal(text) and not text.startswith(_TABLE):
            _drop(connection, other, text)
    connection.execute(f"ALTER TABLE {name} RENAME TO {_OLD}{name}")
    connection.execute(statement)
    new, old = _columns(connection, name), _columns(connection, _OLD + name)
    missing = [column for column in new if column not in old]
    if missing:
        raise NotConverted(f"no step adds {', '.join(missing)} to `{name}`")
    listed = ", ".join(f'"{column}"' for column in new)
    connection.execute(f"INSERT INTO {name} ({listed}) SELECT {listed} FROM {_OLD}{name} ORDER BY rowid")  # noqa: S608 - names of the schema
    connection.execute(f"DROP TABLE {_OLD}{name}")


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Returns the columns of a table that rows are given values for."""
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})").fetchall()]


def _drop(connection: sqlite3.Connection, name: str, statement: str) -> None:
    kind = normal(statement).removeprefix("CREATE ").removeprefix("UNIQUE ").partition(" ")[0]
    if kind == "TABLE":
        raise NotConverted(f"the table `{name}` has no place in this version, and no step removes it")
    connection.execute(f"DROP {kind} {name}")
