"""Makes a fresh database from the rows of the log alone."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from guardian.errors import StoreConflict, StoreUnavailable
from guardian.store.copies import draft_of
from guardian.store.log.encoding import STATE
from guardian.store.log.read_only import BATCH, database_path, read_only
from guardian.store.log.statements import BEGIN_READING
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.parts import known_parts
from guardian.store.schema.sqlite_dialect import BEGIN, COMMIT, fill_at_once
from guardian.store.schema.sqlite_errors import translated
from guardian.store.schema.sqlite_statements import LOGGED, SCHEMA
from guardian.store.state.row_images import data_of, key_in, row_of
from guardian.store.state.table_differences import table_differences
from guardian.store.state.table_state import TableState, seq_in
from guardian.store.state.table_statements import COPY_LOG_ROW, FILL_TABLE, IMAGE_ROW, LOG_COLUMNS, WHOLE_ROWS_AFTER
from guardian.system.private_files import prepare_file, publish_file

MOST_SHOWN: Final = 1000
"""Maximum number of differences that are reported."""
_SEQ, _PHASE, _TIME, _BODY = (LOG_COLUMNS.index(name) for name in ("seq", "phase", "ts_ms", "body"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A database that was made from the log."""

    path: Path
    rows: int
    """Rows of the log."""
    tables: dict[str, int]
    """Rows of each other table."""
    differences: tuple[str, ...]
    """What the tables beside the log say otherwise, each in a sentence."""


def rebuild(place: Path, target: Path) -> Rebuilt:
    """Writes a new database to `target`: the log's rows as they are, and the other tables as the log has them.

    The file that is read, which may be in use, is not changed. Leases are left out: they last for seconds.

    Raises:
        StoreConflict: something is at `target` already.
        StoreUnavailable, StoreCorrupt: the log cannot be read, or the file cannot be written. Nothing is there then.
    """
    if os.path.lexists(target):
        raise StoreConflict(f"`{target}` is there already", hint="name another file, or move it away")
    draft = draft_of(target)
    try:
        prepare_file(draft)
        with read_only(database_path(place)) as source:
            source.execute(BEGIN_READING)
            with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
                state, rows = _copied(source, copy)
                tables = {name: len(images) for name, images in state.tables.items()}
                differences = tuple(sentence for _, sentence in islice(table_differences(source, state), MOST_SHOWN))
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        publish_file(draft, target)
    except (OSError, sqlite3.Error) as error:
        failure = translated(error)
        raise StoreUnavailable(failure.message, hint=failure.hint) from None
    finally:
        draft.unlink(missing_ok=True)
    return Rebuilt(path=target, rows=rows, tables=tables, differences=differences)


def _copied(source: sqlite3.Connection, copy: sqlite3.Connection) -> tuple[TableState, int]:
    """Fills the copy; returns what the log says of the tables, and how many rows it has."""
    fill_at_once(copy)
    copy.execute(BEGIN)
    # Indexes that are made when all rows are there are made in one go; triggers are for those who come later.
    last = {statement for (kind, _), statement in known_parts().items() if kind != "table"}
    for statement in SCHEMA:
        if statement not in last:
            copy.execute(statement)
    state, count, window_ms = TableState(), 0, 0
    for rows in _batches(source):
        copy.executemany(COPY_LOG_ROW, rows)
        count += len(rows)
        window_ms = max(window_ms, *(row[_TIME] for row in rows if isinstance(row[_TIME], int)), 0)
        for row in rows:
            if row[_PHASE] == STATE:
                state.apply(row[_SEQ], data_of(row[_BODY]))
    _fill(copy, state, window_ms)
    for statement in SCHEMA:
        if statement in last:
            copy.execute(statement)
    copy.execute(COMMIT)
    return state, count


def _batches(source: sqlite3.Connection) -> Iterator[list[tuple[Any, ...]]]:
    """Yields all rows of the log, oldest first, BATCH at a time."""
    after, rows = -(2**62), [()] * BATCH
    while len(rows) == BATCH:
        rows = source.execute(WHOLE_ROWS_AFTER, {"after": after, "limit": BATCH}).fetchall()
        if rows:
            yield rows
            after = rows[-1][_SEQ]


def _fill(copy: sqlite3.Connection, state: TableState, window_ms: int) -> None:
    """Writes each row as its last image has it, in the order of the log."""
    written = {seq_in(value) for rows in state.tables.values() for value in rows.values()}
    for seq in sorted(written - {0}):
        images = data_of(copy.execute(IMAGE_ROW, {"seq": seq}).fetchone()[0])["tables"]
        for name, found in images.items():
            table = LOGGED[name]
            last = {key_in(table, image): image for image in found}
            for key, image in last.items():
                value = state.tables[name].get(key)
                if value is not None and seq_in(value) == seq:
                    copy.execute(FILL_TABLE[name], row_of(table, image))
    copy.execute(sql.KEEP_WINDOW.sql, {"now": window_ms})
