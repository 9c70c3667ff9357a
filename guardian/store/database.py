"""The store: one SQLite file in guardian's home, written by one connection of each process.

A transaction is `BEGIN IMMEDIATE ... COMMIT` with `synchronous=FULL`: when it has ended without an exception, all of it
is on the disk; when it has not, nothing of it is.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from guardian.errors import StoreConflict, StoreError, StoreUnavailable
from guardian.store.checkpoint import write_checkpoint
from guardian.store.faults import translated
from guardian.store.leases import LeasesPart
from guardian.store.opening import OpenFile, open_file
from guardian.store.places import DATABASE_NAME
from guardian.store.proposals import ProposalsPart
from guardian.store.records import Entry
from guardian.store.unit import Head
from guardian.store.usage import UsagePart

_HEAD: Final = text(
    "SELECT control.window_ms AS window_ms, last.seq AS seq, last.digest AS digest, last.ts_ms AS ts_ms FROM control "
    "LEFT JOIN (SELECT seq, digest, ts_ms FROM audit ORDER BY seq DESC LIMIT 1) AS last ON 1 WHERE control.id = 1"
)


class Transaction(UsagePart, ProposalsPart, LeasesPart):
    """Everything that can be done in one transaction. See the parts."""


class Store:
    """The one way to write. Thread-safe: one transaction at a time in a process, and between processes by SQLite."""

    def __init__(self, home: Path, now_ms: Callable[[], int], file: OpenFile) -> None:
        self.home = home
        self._now_ms = now_ms
        self._identity = file.identity
        self._file: OpenFile | None = file
        self._window_ms = 0
        self._lock = threading.Lock()
        self._holder: int | None = None
        self._closed = False

    @classmethod
    def open(cls, home: Path, *, now_ms: Callable[[], int]) -> Store:
        """Open the store of a home, and make it where there is none yet. `now_ms` is the wall clock.

        Raises:
            StoreUnavailable: it cannot be opened or made now.
            StoreCorrupt: `guardian.db` is not guardian's, is damaged, is of a newer version, or is older than the
                checkpoint beside it.
        """
        store = cls(home, now_ms, open_file(home, create=True))
        store.anchor()
        return store

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction; commits at the end, and records nothing where an exception leaves it.

        After a failure of the disk the file is opened again by a later call, as soon as the cause is gone.

        Raises:
            StoreUnavailable: it could not be begun, written or committed. Nothing was recorded.
            StoreConflict: an interlock held. Nothing was recorded.
            StoreCorrupt: the file is damaged. Nothing was recorded.
        """
        if self._holder == threading.get_ident():
            raise RuntimeError("a transaction within a transaction of the same store")
        with self._lock:
            self._holder = threading.get_ident()
            try:
                file = self._ready()
                tx = self._begin(file)
                try:
                    yield tx
                    self._commit(file, tx)
                except BaseException as error:
                    self._give_up(file, error)
                    raise
                finally:
                    tx.end()
            finally:
                self._holder = None

    def head(self) -> Entry | None:
        """The last row of the log; None while it is empty. Raises StoreError."""
        with self.transaction() as tx:
            return tx.last_entry()

    def anchor(self) -> None:
        """Bring the checkpoint beside the database up to its last row, as far as that can be done now."""
        with suppress(StoreError):
            write_checkpoint(self.home, self)

    def close(self) -> None:
        """Let go of the file. What was committed stays."""
        if not self._closed:
            self.anchor()
        with self._lock:
            self._closed = True
            self._drop()

    def _ready(self) -> OpenFile:
        """The open file, if it is still the one at its place: SQLite goes on writing to one that was moved away."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self._file is None:
            self._file = open_file(self.home, create=False)
        try:
            found = (self.home / DATABASE_NAME).stat()
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._identity:
            self._drop()
            raise StoreUnavailable(
                f"`{DATABASE_NAME}` was moved, removed or replaced while guardian runs",
                hint="put it back where it was, or stop every guardian of this home and start again",
            )
        return self._file

    def _begin(self, file: OpenFile) -> Transaction:
        try:
            file.begin()
            row = file.connection.execute(_HEAD).one()
        except (sqlite3.Error, SQLAlchemyError) as error:
            failure = translated(error)
            self._give_up(file, failure)
            raise failure from None
        clock = self._now_ms()
        self._window_ms = max(clock, self._window_ms, row.window_ms, row.ts_ms or 0)
        head = Head(row.seq or 0, bytes(row.digest or bytes(32)))
        return Transaction(file.connection, now_ms=self._window_ms, clock_ms=clock, head=head)

    def _commit(self, file: OpenFile, tx: Transaction) -> None:
        if tx.failed is not None:
            raise tx.failed
        if tx.wrote and not tx.appended:  # otherwise the row itself keeps the window time
            tx.keep_window()
        try:
            file.commit()
        except sqlite3.Error as error:
            raise translated(error) from None

    def _give_up(self, file: OpenFile, error: BaseException) -> None:
        """Roll back; after a failure of the disk also let go of the file, so that the next call opens it anew."""
        with suppress(Exception):
            file.rollback()
        if file.in_transaction or (
            isinstance(error, StoreError | SQLAlchemyError) and not isinstance(error, StoreConflict)
        ):
            self._drop()

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(Exception):
                file.close()
