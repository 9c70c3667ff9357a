"""The database: its form, its damages, its end, and how large it and its write-ahead log are.

It is read from a copy. SQLite makes files beside a database that it opens, also where it only reads.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from guardian.cli.doctor.examined import Examined
from guardian.cli.doctor.findings import Finding, ok, problem, unclear, warning
from guardian.errors import StoreCorrupt, StoreUnavailable
from guardian.store.log.checkpoint import read_checkpoint
from guardian.store.log.read_only import last_seq
from guardian.store.log.verify import verify_tail
from guardian.store.schema.files import APPLICATION_ID, CHECKPOINT_NAME, DATABASE_NAME, POLICY_NAME, SCHEMA_VERSION
from guardian.store.schema.sqlite_dialect import application_id, damages, schema_version

MOST_COPIED: Final = 500_000_000
"""Bytes of a database that is copied to be looked at."""
_LARGE_WAL: Final = 100_000_000
_RESTORE: Final = "restore the home from a backup; `guardian audit verify` shows what is damaged"


@contextmanager
def scratch_home(home: Path) -> Iterator[Path | None]:
    """Copies the log of a home into a folder of its own, and removes it at the end; None where there is no log.

    Raises StoreUnavailable where it is too large to be copied, and OSError.
    """
    database = home / DATABASE_NAME
    if not database.exists():
        yield None
        return
    if database.stat().st_size > MOST_COPIED:
        raise StoreUnavailable("the log is too large to be copied and looked at", hint="`guardian audit verify`")
    with tempfile.TemporaryDirectory(prefix="guardian-doctor-") as folder:
        copy = Path(folder)
        names = [CHECKPOINT_NAME]
        # The checkpoint first: the log only grows, so what it names must be in what is copied after it.
        is_open = (home / f"{DATABASE_NAME}-shm").exists()
        for name in names if is_open else (*names, DATABASE_NAME, f"{DATABASE_NAME}-wal"):
            if (home / name).exists():
                shutil.copyfile(home / name, copy / name)
                (copy / name).chmod(0o600)
        if is_open:
            _snapshot(database, copy / DATABASE_NAME)
        yield copy


def _snapshot(database: Path, copy: Path) -> None:
    """Copies a database that other processes have open, as it is at one moment."""
    with (
        closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    copy.chmod(0o600)


def check_database(examined: Examined) -> Iterator[Finding]:
    """The log is whole, of this version, and ends where its checkpoint says."""
    home = examined.home
    try:
        with scratch_home(home) as copy:
            if copy is None:
                yield from _without_log(home)
                return
            with closing(sqlite3.connect(copy / DATABASE_NAME, isolation_level=None)) as connection:
                yield from _look(connection, copy)
    except sqlite3.Error as error:
        text = f"`{home / DATABASE_NAME}` is damaged, or not a database ({error.sqlite_errorname})"
        yield problem("database", text, _RESTORE)
        return
    wal = home / f"{DATABASE_NAME}-wal"
    size = wal.stat().st_size if wal.exists() else 0
    if size > _LARGE_WAL:
        text = f"the write-ahead log has {size // 1_000_000} MB: a process has kept it from being taken in"
        yield warning("database.wal", text, "end all servers and commands of this home, and start one again")


def _without_log(home: Path) -> Iterator[Finding]:
    if (home / CHECKPOINT_NAME).exists() or (home / POLICY_NAME).exists():
        text = f"`{home / DATABASE_NAME}` is gone, but the home was used: what was ordered before is not known"
        yield problem("database", text, "restore it from a backup; `guardian init` says what a new log means")
    else:
        yield ok("database", "no log yet; `guardian init` or the first start begins it")


def _look(connection: sqlite3.Connection, copy: Path) -> Iterator[Finding]:
    if application_id(connection) != APPLICATION_ID:
        yield problem("database", "it is not a guardian store", "move it away, or restore it from a backup")
        return
    found = schema_version(connection)
    if found != SCHEMA_VERSION:
        age = "a newer" if found > SCHEMA_VERSION else "an older"
        remedy = (
            "upgrade guardian" if found > SCHEMA_VERSION else "keep the guardian that wrote it, or set GUARDIAN_HOME"
        )
        yield problem(
            "database", f"it was written by {age} guardian (schema {found}, this one has {SCHEMA_VERSION})", remedy
        )
        return
    faults = damages(connection, 3)
    if faults:
        yield problem("database", f"it is damaged: {'; '.join(map(str, faults))}", _RESTORE)
        return
    try:
        checkpoint = read_checkpoint(copy)
    except StoreCorrupt as error:
        yield problem("database.checkpoint", error.message, error.hint)
        return
    broken = verify_tail(connection, checkpoint)
    if broken:
        yield problem(
            "database.chain", f"the end of the log is not whole: {broken[0].message}", "`guardian audit verify`"
        )
        return
    rows = last_seq(connection)
    yield ok(
        "database", f"schema {found}, {rows} rows, {(copy / DATABASE_NAME).stat().st_size // 1000} kB, its end is whole"
    )
    if checkpoint is None and rows:
        yield unclear(
            "database.checkpoint", "no checkpoint: rows that were cut off cannot be seen", "`guardian audit verify`"
        )
