"""Copies of a whole database, by SQLite's own backup: what is committed at one moment, while others go on writing."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from guardian.store.schema.sqlite_dialect import leave_wal
from guardian.system.private_files import prepare_file, publish_file


def dated_name(folder: Path, name: str, now_ms: int, *, suffix: str = "") -> Path:
    """Returns a path in the folder that nothing has yet: the name, the time in UTC to the second, and the suffix."""
    at = datetime.fromtimestamp(now_ms / 1000, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
    path, number = folder / f"{name}-{at}{suffix}", 1
    while os.path.lexists(path):
        number += 1
        path = folder / f"{name}-{at}-{number}{suffix}"
    return path


def copy_database(connection: sqlite3.Connection, target: Path) -> None:
    """Writes a copy into a new file, for its owner alone, one file without a log beside it, on the disk as a whole.

    Raises:
        FileExistsError: something is there; it is left as it is.
        OSError, sqlite3.Error: it could not be written; nothing is there.
    """
    if os.path.lexists(target):
        raise FileExistsError(f"`{target}` is there")
    draft = draft_of(target)
    try:
        prepare_file(draft)
        with closing(sqlite3.connect(f"{draft.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)) as copy:
            connection.backup(copy)
            leave_wal(copy)
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        publish_file(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def draft_of(target: Path) -> Path:
    """Returns the name of a file that is being written, which gets the name of `target` once it is whole."""
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}.new")
