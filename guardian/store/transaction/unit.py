"""What every part of a transaction shares: its connection, its time, and where the log ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, CursorResult, Executable, FromClause, and_, bindparam
from sqlalchemy.exc import SQLAlchemyError

from guardian.errors import StoreError
from guardian.store.schema.records import Head, Scope
from guardian.store.schema.sqlite_errors import translated

ROW = Mapping[str, Any]
"""A row by column name; the table's class says what is in it."""


class Unit:
    """One unit of work: what is recorded all together or not at all."""

    def __init__(self, connection: Connection, *, now_ms: int, clock_ms: int, head: Head) -> None:
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
        self._connection: Connection | None = connection

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

    def run(self, statement: Executable, values: Mapping[str, object] | None = None) -> CursorResult[Any]:
        """Runs one statement. Raises StoreError; nothing is then recorded, even where the caller catches it."""
        if self._connection is None:
            raise RuntimeError("this transaction is over")
        if self.failed is not None:
            raise self.failed
        try:
            return self._connection.execute(statement, dict(values) if values is not None else None)
        except SQLAlchemyError as error:
            self.failed = translated(error)
            raise self.failed from None

    def write(self, statement: Executable, values: Mapping[str, object] | None = None) -> int:
        """Runs one writing statement; returns how many rows it changed. Raises StoreError."""
        self.wrote = True
        return self.run(statement, values).rowcount

    def rows(self, statement: Executable, values: Mapping[str, object] | None = None) -> list[ROW]:
        """Returns all rows of a query. Raises StoreError."""
        found = self.run(statement, values)
        names = tuple(found.keys())
        return [dict(zip(names, row, strict=True)) for row in found.all()]  # half the time of `mappings()`

    def first(self, statement: Executable, values: Mapping[str, object] | None = None) -> ROW | None:
        """Returns the first row of a query, or None. Raises StoreError."""
        row = self.run(statement, values).mappings().first()
        return None if row is None else dict(row)


def in_scope(table: FromClause) -> ColumnElement[bool]:
    """Returns the condition that limits a statement to the rows of one scope; `scope_values` has its parameters."""
    return and_(table.c.environment == bindparam("environment"), table.c.account == bindparam("account"))


def scope_values(scope: Scope) -> dict[str, object]:
    """Returns the two parameters of `in_scope`, which are also the columns of a new row."""
    return {"environment": scope.environment, "account": scope.account}
