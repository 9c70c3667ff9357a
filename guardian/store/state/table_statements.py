"""The statements on whole rows of the other tables, in SQLite's words, made of the names of the schema alone."""

from __future__ import annotations

from typing import Final

from guardian.store.schema.compiled_statement import CompiledStatement, LoggedTable
from guardian.store.schema.sqlite_statements import LOGGED
from guardian.store.state.row_images import GONE

ONE_ROW: Final = frozenset({"control", "owner"})
"""Tables that have one row from the beginning."""


def _columns(table: LoggedTable) -> str:
    return ", ".join(f'"{name}"' for name in table.columns)


def _condition(name: str) -> str:
    return f" WHERE name GLOB '{GONE}*'" if name == "marks" else ""


ROWS_OF_TABLE: Final = {
    name: f"SELECT {_columns(table)} FROM {name}{_condition(name)}" for name, table in LOGGED.items()
}
"""By table: all of its rows that the log has."""
ALL_ROWS: Final = {
    name: CompiledStatement(statement, columns=LOGGED[name].columns) for name, statement in ROWS_OF_TABLE.items()
}
"""The same, as a transaction runs them."""
LOG_COLUMNS: Final = (
    "seq", "prev_hash", "digest", "call_id", "phase", "ts_ms", "tool", "symbol", "outcome", "environment", "account",
    "key", "body", "mac",
)  # fmt: skip
"""All columns of a row of the log."""
COPY_LOG_ROW: Final = f"INSERT INTO audit ({', '.join(LOG_COLUMNS)}) VALUES ({', '.join('?' * len(LOG_COLUMNS))})"
"""Writes one row of the log, whose values are those of all its columns."""
WHOLE_ROWS_AFTER: Final = f"SELECT {', '.join(LOG_COLUMNS)} FROM audit WHERE seq > :after ORDER BY seq LIMIT :limit"
IMAGE_ROW: Final = "SELECT body FROM audit WHERE seq = :seq"
INTENT_BETWEEN: Final = (
    "SELECT min(seq) FROM audit WHERE phase = 'intent' AND seq > :after AND seq < coalesce(:before, seq + 1)"
)


def _filling(table: LoggedTable) -> str:
    if table.name in ONE_ROW:  # each file begins with it
        values = ", ".join(f'"{name}" = ?{number}' for number, name in enumerate(table.columns, 1))
        return f"UPDATE {table.name} SET {values}"
    return f"INSERT INTO {table.name} ({_columns(table)}) VALUES ({', '.join('?' * len(table.columns))})"


FILL_TABLE: Final = {name: _filling(table) for name, table in LOGGED.items()}
"""By table: writes one row, whose values are those of all its columns."""
