"""What every part of a transaction shares: its connection, its time, and where the log ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.exc import SQLAlchemyError

from guardian.errors import StoreError
from guardian.store.schema.records import Head, Scope
from guardian.store.schema.sqlite_errors import translated

ROW = Mapping[str, Any]
"""A row by column name; what is in it is told by the table's class."""


class Unit:
    """One transaction. Its parts (audit, orders, proposals and so on) are mixed into `Transaction`."""

    def __init__(self, connection: Connection, *, now_ms: int, clock_ms: int, head: Head) -> None:
        self.now_ms = now_ms
        """Window time: it never goes back, in no process of this home and over no restart."""
        self.failed: StoreError | None = None
        """Why this transaction cannot be committed any more."""
        self.wrote = False
        self.appended = 0
        self._connection: Connection | None = connection
        self.clock_ms = clock_ms
        """The wall clock, as it was when this transaction began."""
        self._head = head

    @property
    def head(self) -> Head:
        """Where the log ends, with what this transaction appended."""
        return self._head

    def end(self) -> None:
        """Nothing can be done in this transaction any more."""
        self._connection = None

    def window_values(self, window_ms: int) -> dict[str, int]:
        """The beginnings of a window that ends now, in window time and by the clock, as parameters of a statement."""
        return {"after": self.now_ms - window_ms, "clock_after": self.clock_ms - window_ms}

    def _refused(self, error: StoreError) -> StoreError:
        """`error`, to be raised: nothing of this transaction will be recorded, even where the caller goes on."""
        self.failed = error
        return error

    def _run(self, statement: Executable, values: Mapping[str, object] | None = None) -> CursorResult[Any]:
        """Run one statement. Raises StoreError; the transaction is then lost, even where the caller goes on."""
        if self._connection is None:
            raise RuntimeError("this transaction is over")
        if self.failed is not None:
            raise self.failed
        try:
            return self._connection.execute(statement, dict(values) if values is not None else None)
        except SQLAlchemyError as error:
            self.failed = translated(error)
            raise self.failed from None

    def _write(self, statement: Executable, values: Mapping[str, object] | None = None) -> int:
        """Run one writing statement and return how many rows it changed."""
        self.wrote = True
        return self._run(statement, values).rowcount

    def _rows(self, statement: Executable, values: Mapping[str, object] | None = None) -> list[ROW]:
        found = self._run(statement, values)
        names = tuple(found.keys())
        return [dict(zip(names, row, strict=True)) for row in found.all()]  # half the time of `mappings()`

    def _first(self, statement: Executable, values: Mapping[str, object] | None = None) -> ROW | None:
        row = self._run(statement, values).mappings().first()
        return None if row is None else dict(row)


def scope_values(scope: Scope) -> dict[str, object]:
    """The two parameters of a statement that is kept to one scope."""
    return {"environment": scope.environment, "account": scope.account}
