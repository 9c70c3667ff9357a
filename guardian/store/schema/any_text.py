"""Reading text that is not UTF-8: `sqlite3` refuses it, and a log that somebody changed may have it anywhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

_REFUSED: Final = "Could not decode to UTF-8"
"""How `sqlite3` begins what it raises for such text."""


def is_undecodable(error: Exception) -> bool:
    """Returns whether `sqlite3` refused to decode a text."""
    return isinstance(error, sqlite3.OperationalError) and str(error).startswith(_REFUSED)


class AnyTextConnection(sqlite3.Connection):
    """A connection that reads any text. Bytes that are not UTF-8 come as lone surrogates, which no written text has."""

    def cursor(self) -> AnyTextCursor:  # type: ignore[override]  # of this one kind alone
        """Returns a cursor that reads any text."""
        return super().cursor(AnyTextCursor)

    def execute(self, sql: str, values: Any = (), /) -> AnyTextCursor:  # noqa: ANN401 - as `sqlite3` takes them
        """Runs a statement with such a cursor; `sqlite3` itself would take one of its own."""
        return self.cursor().execute(sql, values)

    def take_any_text(self) -> None:
        """Decodes every text by a function from now on: slower, so only once some text needed it."""
        self.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")


class AnyTextCursor(sqlite3.Cursor):
    """Runs its statement again, with any text taken, where a text could not be decoded."""

    _sql = ""
    _values: Any = ()
    _given = 0
    """How many rows were returned one by one."""

    def execute(self, sql: str, values: Any = (), /) -> AnyTextCursor:  # noqa: ANN401 - as `sqlite3` takes them
        """Runs a statement, as `sqlite3.Cursor.execute`."""
        self._sql, self._values, self._given = sql, dict(values) if isinstance(values, Mapping) else values, 0
        try:
            super().execute(sql, values)
        except sqlite3.OperationalError as error:
            self._again(error)
        return self

    def fetchall(self) -> list[Any]:
        """Returns the rows that are left."""
        try:
            return super().fetchall()
        except sqlite3.OperationalError as error:
            self._again(error)
            return super().fetchall()

    def fetchone(self) -> Any:  # noqa: ANN401 - a row, as `sqlite3` returns it
        """Returns the next row; None after the last."""
        try:
            row = super().fetchone()
        except sqlite3.OperationalError as error:
            self._again(error)
            row = super().fetchone()
        self._given += 1
        return row

    def __next__(self) -> Any:  # noqa: ANN401 - as above
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def _again(self, error: sqlite3.OperationalError) -> None:
        """Runs the statement again, up to the row that could not be decoded. Raises any other error."""
        if not is_undecodable(error) or not isinstance(self.connection, AnyTextConnection):
            raise error
        self.connection.take_any_text()
        super().execute(self._sql, self._values)
        for _ in range(self._given):
            super().fetchone()
