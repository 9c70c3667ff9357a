"""Keeps the write-ahead log beside the database small, without anybody waiting for it. Light to import.

SQLite copies the log into the database when a commit makes it long, while the caller of that commit waits; and where a
reader stays, it grows, and keeps its size when the reader has gone. So a store copies it in a thread of its own, and
SQLite cuts the file at the next commit, by `journal_size_limit`.

It is copied in a way that stops neither writers nor readers (PASSIVE), and never twice in a row: up to SQLite 3.51.2 a
commit during a second copy could damage the file, see https://sqlite.org/wal.html#walresetbug.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from guardian.store.schema.sqlite_dialect import configure, copy_wal

LONG_WAL: Final = 8 * 1024 * 1024
"""Bytes of a write-ahead log that is copied into the database."""
_PAUSE_S: Final = 2.0
"""How long a log that a reader kept from being copied is left alone."""


def wal_path(database: Path) -> Path:
    """Returns where SQLite has the write-ahead log of a database."""
    return database.with_name(f"{database.name}-wal")


def wal_bytes(database: Path) -> int:
    """Returns the size of the write-ahead log of a database; 0 where it has none."""
    try:
        return wal_path(database).stat().st_size
    except OSError:
        return 0


class WalCopier:
    """Copies the write-ahead log of one open database when it has become long, in a thread that ends then."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._thread: threading.Thread | None = None
        self._next_s = time.monotonic()

    def after_commit(self) -> None:
        """Begins to copy a log that is long, and returns at once. Never raises."""
        if wal_bytes(self._database) < LONG_WAL or time.monotonic() < self._next_s:
            return
        if self._thread is not None and self._thread.is_alive():
            return
        self._next_s = time.monotonic() + _PAUSE_S
        self._thread = threading.Thread(target=self._copy, name="guardian-wal", daemon=True)
        with suppress(RuntimeError):  # no thread can be started, as at the end of the process
            self._thread.start()

    def finish(self) -> None:
        """Waits for the thread. It has to end before the database is closed."""
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()

    def _copy(self) -> None:
        """Copies as much as no reader needs the older content of; a failure leaves it to the next time."""
        with suppress(sqlite3.Error, OSError):
            uri = f"{self._database.absolute().as_uri()}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0)) as connection:
                configure(connection, has_wal=True)
                copy_wal(connection)
