"""Opens `guardian.db` for reading and reads rows of the log, without touching the file. Light to import.

A long read would keep SQLite from ever emptying its write-ahead log, so nothing here holds a cursor across calls.
"""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from guardian.errors import StoreCorrupt, StoreUnavailable
from guardian.store.log.encoding import COLUMNS, digest_of
from guardian.store.log.statements import (
    FIRST_AND_LAST_SEQ,
    ROW_AT,
    ROW_COLUMNS,
    ROWS_AFTER,
    ROWS_BETWEEN,
    TIME_AT_OR_AFTER,
)
from guardian.store.schema.any_text import AnyTextConnection
from guardian.store.schema.cells import READ_FAILURES, first_strange_cell
from guardian.store.schema.files import APPLICATION_ID, DATABASE_NAME, SCHEMA_VERSION
from guardian.store.schema.sqlite_dialect import application_id, part_names, schema_version
from guardian.store.schema.sqlite_errors import RESTORE_HINT, damaged_cell, translated

BATCH: Final = 5000
"""Rows in one read of the whole log: short enough not to delay a writer."""
_BUSY_TIMEOUT_S: Final = 5.0
_BODIES_KEPT: Final = 8
"""Of how many bodies the JSON is kept, for the few rows of a line that is being shown."""
_MOST_LEVELS: Final = 64
"""How deep a body is nested at most, several times what guardian writes: a deeper one is no body of guardian's."""
_TRIES: Final = 20
_PAUSE_S: Final = 0.05
_LAST_SEQ: Final = 2**62
"""Behind it are no rows of guardian's, see `tail`."""
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
    def parsed(self) -> dict[str, object] | None:
        """The body as JSON, whatever is in it; None where it is not valid JSON. Whoever reads it does not change it."""
        return _read_json(self.body)[0]

    @property
    def document(self) -> dict[str, object] | None:
        """The same; None also where JSON could not be written of it, which guardian never writes."""
        return _read_json(self.body)[1]

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
        document = self.parsed
        if document is None:
            return COLUMNS
        return tuple(name for name in COLUMNS if getattr(self, name) != document.get(name))


@lru_cache(maxsize=_BODIES_KEPT)
def _read_json(body: bytes) -> tuple[dict[str, object] | None, dict[str, object] | None]:
    """Returns a body as JSON, and the same where JSON can be written of it. A line asks for its bodies often."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError, TypeError):
        return None, None
    if not isinstance(found, dict):
        return None, None
    return found, found if _is_printable(found) else None


def _is_printable(value: object, levels: int = _MOST_LEVELS) -> bool:
    """Returns whether JSON can be written of what a body says: each number is finite, and the nesting is not deep."""
    if isinstance(value, float):
        return math.isfinite(value)
    if not isinstance(value, dict | list):
        return True
    if levels <= 0:
        return False
    for item in value.values() if isinstance(value, dict) else value:
        # Most are texts and whole numbers, which are not looked into: this is done for each row that is shown.
        if isinstance(item, float | dict | list) and not _is_printable(item, levels - 1):
            return False
    return True


@dataclass(frozen=True, slots=True)
class ShownRow(LogRow):
    """A row with cells of another type than guardian writes, as it can be shown; `stored` is what is in the file."""

    stored: LogRow

    @property
    def has_its_digest(self) -> bool:
        """Whether the row as it is in the file has its digest."""
        return self.stored.has_its_digest

    @property
    def changed_columns(self) -> tuple[str, ...]:
        """The columns that say something else than the body, in the file."""
        return self.stored.changed_columns


_BLOBS: Final = frozenset({"prev_hash", "digest", "body"})
_TYPES: Final = {
    name: (bytes,) if name in _BLOBS else (int,) if name in {"seq", "ts_ms"} else (str, type(None))
    for name in ROW_COLUMNS
} | {"phase": (str,)}
"""The types that the cells of a row have."""


def row_to_show(columns: Sequence[Any]) -> LogRow:
    """Returns a row of the log, with ROW_COLUMNS, for readers that print it: each field has the type that it says.

    A cell of another type, which somebody put there, is text that says so; verification finds it.
    """
    row = LogRow(*columns)
    if all(type(value) in _TYPES[name] for name, value in zip(ROW_COLUMNS, columns, strict=True)):
        return row
    shown = {name: _shown(name, value) for name, value in zip(ROW_COLUMNS, columns, strict=True)}
    if not isinstance(row.ts_ms, int):
        logged = (row.document or {}).get("ts_ms")
        shown["ts_ms"] = logged if isinstance(logged, int) else 0
    return ShownRow(**shown, stored=row)


def _shown(name: str, value: object) -> Any:  # noqa: ANN401 - of the type of the field
    if name in _BLOBS:
        return value if isinstance(value, bytes) else str(value).encode("utf-8", "backslashreplace")
    if name in {"seq", "ts_ms"} or isinstance(value, str) or (value is None and name != "phase"):
        return value
    what = f"{len(value)} bytes" if isinstance(value, bytes) else "nothing" if value is None else f"a number, {value}"
    return f"(not text: {what})"


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
    of_reader: OSError | None = None
    try:
        with _opened(path) as connection:
            if _application_id(connection) != APPLICATION_ID:
                raise StoreCorrupt(f"`{path.name}` is not a guardian store", hint=RESTORE_HINT)
            _require_version(connection, path)
            try:
                yield connection
            except READ_FAILURES as error:
                # Whoever may write the file may put anything anywhere: that is said, and is no bug.
                damaged = first_strange_cell(connection)
                if damaged is None:
                    raise
                raise damaged_cell(damaged) from error
            except OSError as error:  # SQLite has errors of its own: this is of where the rows were written to
                of_reader = error
                raise
    except (sqlite3.Error, OSError) as error:
        if error is of_reader:
            raise
        failure = translated(error)
        if isinstance(failure, StoreCorrupt):
            raise failure from None
        raise StoreUnavailable(failure.message.replace("written", "read"), hint=failure.hint) from None


def find_damaged_cell(home: Path) -> StoreCorrupt | None:
    """Returns the error that names the first cell which guardian never wrote so; None where none is found.

    Raises StoreError where the log cannot be read.
    """
    with read_only(home / DATABASE_NAME) as connection:
        sentence = first_strange_cell(connection)
    return None if sentence is None else damaged_cell(sentence)


def _require_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreUnavailable where the tables are those of another version, which cannot be read by this one."""
    version = schema_version(connection)
    if version > SCHEMA_VERSION:
        raise StoreUnavailable(f"`{path.name}` was written by a newer guardian", hint="upgrade guardian")
    if version < SCHEMA_VERSION:
        hint = "in guardian's home `guardian status` brings it up to date; a copy elsewhere is read by its own guardian"
        raise StoreUnavailable(f"`{path.name}` was written by an older guardian", hint=hint)


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
    # A write-ahead log needs a file beside it that a read-only folder cannot take, and a reader does not roll back what
    # a process left unfinished when it was killed. Both are done with a copy.
    beside = [path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-journal")]
    unfinished = [log for log in beside if log.exists() and log.stat().st_size > 0]
    if not unfinished:
        with closing(_connect(path, "mode=ro&immutable=1")) as connection:
            yield connection
        return
    with tempfile.TemporaryDirectory(prefix="guardian-") as folder:
        copy = Path(folder) / path.name
        for source in (path, *unfinished):
            shutil.copyfile(source, copy.with_name(source.name))
        with closing(_connect(copy, "mode=rw")) as connection:
            yield connection


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        factory=AnyTextConnection,
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
    return None if found is None else row_to_show(found)


def rows_after(connection: sqlite3.Connection, seq: int, limit: int = 500) -> list[LogRow]:
    """Returns the rows that follow that one, oldest first, `limit` at most."""
    return [row_to_show(found) for found in connection.execute(ROWS_AFTER, {"after": seq, "limit": limit})]


def rows_between(connection: sqlite3.Connection, after: int, last: int) -> Iterator[LogRow]:
    """Yields the rows that follow that one, up to `last`, oldest first, read in batches. Raises sqlite3.Error."""
    while after < last:
        rows = connection.execute(ROWS_BETWEEN, {"after": after, "last": last, "limit": BATCH}).fetchall()
        if not rows:
            return
        yield from (LogRow(*row) for row in rows)
        after = rows[-1][0]


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
    low, high = least, min(most, _LAST_SEQ) + 1
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(TIME_AT_OR_AFTER, {"seq": middle}).fetchone()
        if found is None or not isinstance(found[1], int) or found[1] >= ts_ms:
            high = middle
        else:
            low = found[0] + 1
    return int(low)
