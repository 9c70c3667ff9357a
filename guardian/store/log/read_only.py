"""Opens `guardian.db` for reading and reads rows of the log, without touching the file. Light to import.

A long read would keep SQLite from ever emptying its write-ahead log, so nothing here holds a cursor across calls.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from guardian.errors import StoreCorrupt, StoreUnavailable
from guardian.store.log.encoding import COLUMNS, digest_of
from guardian.store.log.statements import (
    FIRST_AND_LAST_SEQ,
    ROW_AT,
    ROW_COLUMNS,
    ROWS_AFTER,
    TIME_AT_OR_AFTER,
)
from guardian.store.schema.files import APPLICATION_ID, DATABASE_NAME
from guardian.store.schema.sqlite_dialect import application_id, part_names
from guardian.store.schema.sqlite_errors import RESTORE_HINT, translated

BATCH: Final = 5000
"""Rows in one read of the whole log: short enough not to delay a writer."""
_BUSY_TIMEOUT_S: Final = 5.0
_TRIES: Final = 20
_PAUSE_S: Final = 0.05
_CANNOT_OPEN: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the log as it is in the file, not verified. The fields are those of ROW_COLUMNS, in that order."""

    seq: int
    prev_hash: bytes
    digest: bytes
    call_id: str | None
    phase: str
    ts_ms: int
    tool: str | None
    symbol: str | None
    outcome: str | None
    environment: str | None
    account: str | None
    key: str | None
    body: bytes

    @property
    def document(self) -> dict[str, object] | None:
        """The body as JSON; None where it is not valid JSON."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError, TypeError):
            return None
        return found if isinstance(found, dict) else None

    @property
    def data(self) -> dict[str, object]:
        """What was recorded, beside the columns."""
        found = (self.document or {}).get("data")
        return found if isinstance(found, dict) else {}

    @property
    def has_its_digest(self) -> bool:
        """Whether the digest is that of this body at this place after that row."""
        try:
            return digest_of(self.prev_hash, self.seq, self.body) == self.digest
        except (TypeError, OverflowError):  # a column holds something of another type
            return False

    @property
    def changed_columns(self) -> tuple[str, ...]:
        """The columns that say something else than the body."""
        document = self.document
        if document is None:
            return COLUMNS
        return tuple(name for name in COLUMNS if getattr(self, name) != document.get(name))


assert tuple(field.name for field in fields(LogRow)) == ROW_COLUMNS
assert ("seq", "prev_hash", "digest", *COLUMNS, "body") == ROW_COLUMNS  # see `count_intact`


@contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Opens the database for reading. On a read-only disk it is read as it lies there, or from a copy.

    Raises:
        StoreUnavailable: it is not there, or it cannot be read now.
        StoreCorrupt: it is not a database, or it is damaged.
    """
    if not path.exists():
        raise StoreUnavailable(f"there is no `{path.name}` in `{path.parent}`", hint="`guardian init` makes it")
    try:
        with _opened(path) as connection:
            if _application_id(connection) != APPLICATION_ID:
                raise StoreCorrupt(f"`{path.name}` is not a guardian store", hint=RESTORE_HINT)
            yield connection
    except (sqlite3.Error, OSError) as error:
        failure = translated(error)
        if isinstance(failure, StoreCorrupt):
            raise failure from None
        raise StoreUnavailable(failure.message.replace("written", "read"), hint=failure.hint) from None


def _application_id(connection: sqlite3.Connection) -> int:
    """Returns the mark in the file's header. 0 may mean that another process is just making it: that takes a moment."""
    for _ in range(_TRIES):
        found = application_id(connection)
        if found != 0:
            break
        time.sleep(_PAUSE_S)
    return found


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        connection = _connect(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if (error.sqlite_errorcode or 0) & 0xFF not in _CANNOT_OPEN:
            raise
    else:
        with closing(connection):
            yield connection
        return
    # A write-ahead log needs a file beside it that a read-only folder cannot take.
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or log.stat().st_size == 0:
        with closing(_connect(path, "mode=ro&immutable=1")) as connection:
            yield connection
        return
    with tempfile.TemporaryDirectory(prefix="guardian-") as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        shutil.copyfile(log, copy.with_name(log.name))
        with closing(_connect(copy, "mode=rw")) as connection:
            yield connection


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}", uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None
    )
    try:
        part_names(connection)  # SQLite opens the file only when something is read
    except BaseException:
        connection.close()
        raise
    return connection


def database_path(place: Path) -> Path:
    """Returns the database of a home folder, or the file itself."""
    return place / DATABASE_NAME if place.is_dir() or not place.suffix else place


def row_at(connection: sqlite3.Connection, seq: int) -> LogRow | None:
    """Returns one row of the log; None where it is missing."""
    found = connection.execute(ROW_AT, {"seq": seq}).fetchone()
    return None if found is None else LogRow(*found)


def rows_after(connection: sqlite3.Connection, seq: int, limit: int = 500) -> list[LogRow]:
    """Returns the rows that follow that one, oldest first, `limit` at most."""
    return [LogRow(*found) for found in connection.execute(ROWS_AFTER, {"after": seq, "limit": limit})]


def last_seq(connection: sqlite3.Connection) -> int:
    """Returns the number of the newest row; 0 where the log is empty."""
    return int(connection.execute(FIRST_AND_LAST_SEQ).fetchone()[1] or 0)


def first_seq_at(connection: sqlite3.Connection, ts_ms: int) -> int:
    """Returns the number of the first row that is not older than `ts_ms`; after the last, if all are older.

    Window time never goes back from one row to the next, so a search by halves finds it.
    """
    least, most = connection.execute(FIRST_AND_LAST_SEQ).fetchone()
    if least is None:
        return 1
    low, high = least, most + 1
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(TIME_AT_OR_AFTER, {"seq": middle}).fetchone()
        if found is None or found[1] >= ts_ms:
            high = middle
        else:
            low = found[0] + 1
    return int(low)
