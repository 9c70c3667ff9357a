"""What every part of a transaction shares: its connection, its time, and where the log ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

from guardian.errors import StoreError
from guardian.store.disk_space import FreeBytes, require_space
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.compiled_statement import CompiledStatement
from guardian.store.schema.records import Head, Scope
from guardian.store.schema.sqlite_errors import UNWRITTEN, translated
from guardian.store.state.written_rows import Changes

ROW = Mapping[str, Any]
"""A row by column name; the table's class in `guardian.store.definitions` says what is in it."""
SET_BACK: Final = "time_set_back"
"""The name of the timestamp, and the kind of the row, of the owner's setting the log's time back."""
NO_VALUES: Final[Mapping[str, object]] = {}


class MacSource(Protocol):
    """Where the MACs of rows come from."""

    def mac_of(self, digest: bytes) -> bytes | None:
        """Returns the MAC of a row; None where this process does not have the key, or the log is not sealed."""

    def required_mac_of(self, digest: bytes) -> bytes | None:
        """As `mac_of`, and asks the keyring for the key where it was not asked; None where the log is not sealed.

        Raises StoreUnavailable: the log is sealed and the key is unavailable.
        """


class Unit:
    """One unit of work: what is recorded all together or not at all."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        now_ms: int,
        clock_ms: int,
        head: Head,
        mac_source: MacSource | None = None,
        free: FreeBytes = lambda: None,
    ) -> None:
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
        self.changes = Changes()
        """What was written into other tables than the log, and is not in the log yet."""
        self.failed: StoreError | None = None
        """Why this transaction cannot be committed any more."""
        self.mac_source = mac_source
        self._free = free
        self._set_back_ms: int | None = None
        self._connection: sqlite3.Connection | None = connection

    def end(self) -> None:
        """Releases the connection: every later statement raises RuntimeError."""
        self._connection = None

    def require_space(self, needed: int, what: str) -> None:
        """Raises StoreUnavailable where less than `needed` bytes are free on the disk: `what` is refused then."""
        try:
            require_space(self._free(), needed, what)
        except StoreError as error:
            raise self.refused(error) from None

    def window_values(self, window_ms: int) -> dict[str, int]:
        """Returns the starts of a window and its end, which is now, in window time and by the clock, as parameters.

        `set_back` is when the owner set the log's time back; 0 if never. What has a later time than now was written
        before that, and is in the window as long as that moment is.
        """
        if self._set_back_ms is None:
            self._set_back_ms = int(self.value(sql.TIMESTAMP_BY_NAME, {"name": SET_BACK}) or 0)
        return {
            "after": self.now_ms - window_ms,
            "clock_after": self.clock_ms - window_ms,
            "now": self.now_ms,
            "clock_now": self.clock_ms,
            "set_back": self._set_back_ms,
        }

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

    def write(
        self,
        statement: CompiledStatement,
        values: Mapping[str, object] = NO_VALUES,
        *,
        changed_columns: Collection[str] | None = None,
    ) -> int:
        """Runs one writing statement; returns how many rows it changed. Raises StoreError.

        `changed_columns` are those that an UPDATE changes, where it sets others to what they are.
        """
        self.wrote = True
        found, changed = self._run(statement, values)
        if statement.logged is None:
            return changed
        sets = statement.sets if changed_columns is None else changed_columns
        self.changes.note(statement.logged, found, deleted=statement.deletes, sets=sets)
        return len(found)

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
