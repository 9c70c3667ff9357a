"""What every part of a transaction shares: its connection, its time, and where the log ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from guardian.errors import StoreError
from guardian.store.schema.compiled_statement import CompiledStatement
from guardian.store.schema.records import Head, Scope
from guardian.store.schema.sqlite_errors import UNWRITTEN, translated

ROW = Mapping[str, Any]
"""A row by column name; the table's class in `guardian.store.definitions` says what is in it."""
NO_VALUES: Final[Mapping[str, object]] = {}


class Unit:
    """One unit of work: what is recorded all together or not at all."""

    def __init__(self, connection: sqlite3.Connection, *, now_ms: int, clock_ms: int, head: Head) -> None:
        self.now_ms = now_ms
        """Window time: it never goes back, in no process of this home and over no restart."""
        self.clock_ms = clock_ms
        """The wall clock, as it was when this transaction began."""
        self.head = head
        """Where the log ends, with what this transaction appended."""
        self.appended = 0
        """How many rows of the log this transaction appended."""
        self.wrote = False
        """Whether any writing statement was run."""
        self.failed: StoreError | None = None
        """Why this transaction cannot be committed any more."""
        self._connection: sqlite3.Connection | None = connection

    def end(self) -> None:
        """Releases the connection: every later statement raises RuntimeError."""
        self._connection = None

    def window_values(self, window_ms: int) -> dict[str, int]:
        """Returns the starts of a window that ends now, in window time and by the clock, as parameters."""
        return {"after": self.now_ms - window_ms, "clock_after": self.clock_ms - window_ms}

    def refused(self, error: StoreError) -> StoreError:
        """Returns `error`, to be raised: nothing of this transaction is recorded, even where the caller catches it."""
        self.failed = error
        return error

    def rows(self, statement: CompiledStatement, values: Mapping[str, object] = NO_VALUES) -> list[ROW]:
        """Returns all rows of a query. Raises StoreError."""
        return [dict(zip(statement.columns, row, strict=True)) for row in self.tuples(statement, values)]

    def tuples(self, statement: CompiledStatement, values: Mapping[str, object] = NO_VALUES) -> list[tuple[Any, ...]]:
        """Returns all rows of a query, each in the order of its columns, for many rows. Raises StoreError."""
        found, _ = self._run(statement, values)
        return found

    def first(self, statement: CompiledStatement, values: Mapping[str, object] = NO_VALUES) -> ROW | None:
        """Returns the first row of a query, or None. Raises StoreError."""
        found, _ = self._run(statement, values)
        return dict(zip(statement.columns, found[0], strict=True)) if found else None

    def value(self, statement: CompiledStatement, values: Mapping[str, object] = NO_VALUES) -> Any:  # noqa: ANN401 - as the column
        """Returns what the first column of the first row of a query has; None without any row. Raises StoreError."""
        found, _ = self._run(statement, values)
        return found[0][0] if found else None

    def write(self, statement: CompiledStatement, values: Mapping[str, object] = NO_VALUES) -> int:
        """Runs one writing statement; returns how many rows it changed. Raises StoreError."""
        self.wrote = True
        _, changed = self._run(statement, values)
        return changed

    def _run(self, statement: CompiledStatement, values: Mapping[str, object]) -> tuple[list[tuple[Any, ...]], int]:
        """Returns all rows of a statement, so that no cursor stays open, and how many it changed.

        Raises StoreError; nothing is then recorded, even where the caller catches it.
        """
        if self._connection is None:
            raise RuntimeError("this transaction is over")
        if self.failed is not None:
            raise self.failed
        try:
            if values.keys() != statement.parameters:
                raise sqlite3.ProgrammingError("the values are not those of the statement's parameters")
            cursor = self._connection.execute(statement.sql, values)
            return cursor.fetchall(), cursor.rowcount
        except UNWRITTEN as error:
            self.failed = translated(error)
            raise self.failed from None


def scope_values(scope: Scope) -> dict[str, object]:
    """Returns the two parameters of a statement on one scope, which are also the columns of a new row."""
    return {"environment": scope.environment, "account": scope.account}
