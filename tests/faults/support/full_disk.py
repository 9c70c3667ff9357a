"""A disk that is full at a chosen statement: SQLite's own error, raised in place of running it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

_CONTROL: Final = ("BEGIN", "ROLLBACK", "PRAGMA", "SELECT")
"""How statements begin that a full disk does not stop."""

FULL: Final = ("database or disk is full", sqlite3.SQLITE_FULL)
READ_ONLY: Final = ("attempt to write a readonly database", sqlite3.SQLITE_READONLY)
FAILING: Final = ("disk I/O error", sqlite3.SQLITE_IOERR_WRITE)
"""What SQLite says of a disk, and its number."""


class Disk:
    """Counts what writes to the disk, and is full from the chosen write on, for as many writes as were chosen."""

    def __init__(self) -> None:
        self.writes = 0
        self.full_from: int | None = None
        self.full_until = 0
        self.refused = 0
        self.error = FULL

    def fill(self, after: int, *, writes: int) -> None:
        """Is full after that many more writes, for `writes` of them."""
        self.writes, self.refused, self.full_from, self.full_until = 0, 0, after, after + writes

    def empty(self) -> None:
        self.full_from = None

    def take(self, sql: str) -> None:
        if sql.lstrip().upper().startswith(_CONTROL):
            return
        self.writes += 1
        if self.full_from is not None and self.full_from < self.writes <= self.full_until:
            self.refused += 1
            text, code = self.error
            error = sqlite3.OperationalError(text)
            error.sqlite_errorcode = code
            raise error


@contextmanager
def disk_under_sqlite(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Every connection that writes, of this process, has this disk under it."""
    disk = Disk()
    connect = sqlite3.connect

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
            disk.take(sql)
            return super().execute(sql, values)

    def connected(database: Any, **options: Any) -> sqlite3.Connection:
        if "mode=rw" in str(database):
            options["factory"] = Connection
        made: sqlite3.Connection = connect(database, **options)
        return made

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", connected)
        yield disk
