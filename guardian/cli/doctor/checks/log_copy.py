"""The database: its form, its damages, its end, and how large it and its write-ahead log are.

It is read from a copy. SQLite makes files beside a database that it opens, also where it only reads.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from guardian.cli.doctor.examined import Examined
from guardian.cli.doctor.findings import Finding, ok, problem, unclear, warning
from guardian.errors import StoreCorrupt, StoreUnavailable
from guardian.store.log.checkpoint import read_checkpoint
from guardian.store.log.read_only import last_seq
from guardian.store.log.verify import verify_tail
from guardian.store.schema.files import APPLICATION_ID, CHECKPOINT_NAME, DATABASE_NAME, POLICY_NAME, SCHEMA_VERSION
from guardian.store.schema.shared_disks import shared_disk
from guardian.store.schema.sqlite_dialect import application_id, damages, schema_version
from guardian.store.schema.write_ahead_log import wal_bytes

MOST_COPIED: Final = 500_000_000
"""Bytes of a database that is copied to be looked at."""
_LARGE_WAL: Final = 32_000_000
"""Bytes: four times as long as it becomes where nobody reads for long."""
_HEADER_BYTES: Final = 100
_LOCKS: Final = Path("/proc/locks")
_FIRST_READER, _LAST_READER = 124, 127
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
        is_read = _is_read_without_traces(home)
        beside = (f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-journal")
        for name in names if is_read else (*names, DATABASE_NAME, *beside):
            if (home / name).exists():
                shutil.copyfile(home / name, copy / name)
                (copy / name).chmod(0o600)
        if is_read:
            _snapshot(database, copy / DATABASE_NAME)
        yield copy


def _is_read_without_traces(home: Path) -> bool:
    """Whether SQLite reads the database without making or needing files beside it that are not there.

    It does where others have it open, and where it has a rollback journal and nobody left a transaction unfinished.
    """
    if (home / f"{DATABASE_NAME}-shm").exists():
        return True
    with (home / DATABASE_NAME).open("rb") as file:
        header = file.read(_HEADER_BYTES)
    has_journal = header[:16] == b"SQLite format 3\0" and header[18:20] == b"\1\1"
    return has_journal and not (home / f"{DATABASE_NAME}-journal").exists()


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
    yield from _look_beside(home)


def _look_beside(home: Path) -> Iterator[Finding]:
    """The journal of the database: how long the write-ahead log is, or why it has a rollback journal instead."""
    kind = shared_disk(home)
    if kind is not None:
        text = (
            f"the home is on a disk that other machines may use ({kind}): its log has a rollback journal, which is "
            "safe there and slower"
        )
        yield warning("database.journal", text, "set GUARDIAN_HOME to a folder on a disk of this machine")
    size = wal_bytes(home / DATABASE_NAME)
    if size > _LARGE_WAL:
        readers = sorted(readers_of_wal(home / DATABASE_NAME))
        who = f"process {', '.join(map(str, readers))} is reading" if readers else "a process was reading for long"
        text = f"the write-ahead log has {size // 1_000_000} MB, since {who}"
        remedy = "end that process" if readers else "it becomes small with the next orders; or end all servers"
        yield warning("database.wal", f"{text}; nothing is lost by it", remedy)


def readers_of_wal(database: Path, locks: Path = _LOCKS) -> set[int]:
    """Returns the processes that keep the write-ahead log from being taken in, as Linux knows them; else none.

    SQLite's readers hold a lock on one of the bytes 124 to 127 of the file `-shm`, see
    https://sqlite.org/walformat.html#wal_locks.
    """
    found = set[int]()
    with suppress(OSError, ValueError):
        file = database.with_name(f"{database.name}-shm").stat()
        name = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
        for line in locks.read_text("ascii", "replace").splitlines():
            words = line.replace("-> ", "").split()
            if len(words) < 8 or words[5] != name or not words[4].isdecimal() or words[7] == "EOF":
                continue
            if int(words[6]) <= _LAST_READER and int(words[7]) >= _FIRST_READER:
                found.add(int(words[4]))
    return found


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
