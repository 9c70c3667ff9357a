"""Opening and making `guardian.db`: under a lock, with its settings checked, and never a fresh file for a lost one."""

from __future__ import annotations

import random
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from guardian.errors import StoreCorrupt, StoreLost, StoreUnavailable
from guardian.store.log.checkpoint import read_checkpoint
from guardian.store.log.verify import verify_tail
from guardian.store.log_findings import Finding, FindingKind
from guardian.store.schema.files import (
    APPLICATION_ID,
    CHECKPOINT_NAME,
    DATABASE_NAME,
    LOCK_NAME,
    POLICY_NAME,
    SCHEMA_VERSION,
)
from guardian.store.schema.parts import schema_differences
from guardian.store.schema.records import Checkpoint
from guardian.store.schema.shared_disks import shared_disk
from guardian.store.schema.sqlite_dialect import (
    BEGIN,
    COMMIT,
    ROLLBACK,
    application_id,
    configure,
    damages,
    is_busy,
    leave_wal,
    part_names,
    schema_version,
    set_busy_timeout,
    use_wal,
)
from guardian.store.schema.sqlite_errors import RESTORE_HINT, require_sqlite, translated
from guardian.store.schema.sqlite_statements import SCHEMA
from guardian.system.private_files import check_home, make_folder, prepare_file

LOCK_TIMEOUT_S: Final = 30.0
BUSY_TIMEOUT_MS: Final = 5000
"""What SQLite itself waits while the file is opened, for instance while another process recovers it."""
BEGIN_TIMEOUT_S: Final = 10.0
_PAUSE_S: Final = 0.001
_HEADER_BYTES: Final = 100
"""The header that every SQLite database begins with."""
QUICK_CHECK_BYTES: Final = 32 * 1024 * 1024
"""Up to this size the whole file is checked when it is opened (about 0.1 s); `guardian audit verify` checks any."""


def patient_until(patience_s: float | None) -> float:
    """Returns when to stop waiting for a transaction, by default in 10 s; in seconds of the monotonic clock."""
    return time.monotonic() + (BEGIN_TIMEOUT_S if patience_s is None else patience_s)


def _pause_if_busy(error: sqlite3.OperationalError, until_s: float) -> None:
    """Waits a moment for whoever holds the lock; raises the error where it is another one, or after `until_s`."""
    if not is_busy(error) or time.monotonic() > until_s:
        raise error
    time.sleep(_PAUSE_S * (0.5 + random.random()))  # noqa: S311 - a pause, not a secret


@dataclass(slots=True)
class OpenFile:
    """The open database: one connection, and which file it is."""

    connection: sqlite3.Connection
    identity: tuple[int, int]
    """Device and inode."""
    has_wal: bool = True
    """Whether it has a write-ahead log; else a rollback journal, as on a disk that other machines may use."""
    findings: tuple[Finding, ...] = ()
    """What is wrong with the schema, the end of the log, or the checkpoint's row, as it was opened."""
    rereads_version: bool = False
    """Whether each transaction looks at the version of the tables: with a rollback journal, a newer guardian that
    brings them up to date cannot see that this one has the file open."""

    @property
    def in_transaction(self) -> bool:
        """Whether SQLite still has a transaction open."""
        try:
            return self.connection.in_transaction
        except sqlite3.Error:
            return False

    def begin(self, until_s: float | None = None) -> None:
        """`BEGIN IMMEDIATE`, waiting for other processes. Raises sqlite3.OperationalError (busy) after `until_s`, and
        StoreUnavailable where a newer guardian changed the tables.

        `until_s` is as `patient_until` gives it, by default from now.

        SQLite's own waiting backs off to 100 ms and so starves whoever waits longest; short, uneven pauses do not.
        """
        until_s = patient_until(None) if until_s is None else until_s
        while True:
            try:
                self.connection.execute(BEGIN)
            except sqlite3.OperationalError as error:
                _pause_if_busy(error, until_s)
            else:
                break
        if self.rereads_version and schema_version(self.connection) != SCHEMA_VERSION:
            raise StoreUnavailable("a newer guardian has brought the log up to date", hint="start this one again")

    def commit(self) -> None:
        """`COMMIT`: with `synchronous=FULL` it is on the disk afterwards.

        With a rollback journal it waits for those who read, who wait for it in turn. Raises sqlite3.OperationalError
        (busy) where they do not end.
        """
        until_s = patient_until(None)
        while True:
            try:
                self.connection.execute(COMMIT)
            except sqlite3.OperationalError as error:
                _pause_if_busy(error, until_s)
            else:
                return

    def rollback(self) -> None:
        """Undoes what is not committed, if anything."""
        if self.connection.in_transaction:
            self.connection.execute(ROLLBACK)

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()


def open_file(home: Path, *, create: bool, now_ms: int) -> OpenFile:
    """Opens the database of a home under the home's lock, and makes it where the home never had one.

    A log that is whole as a file and broken as a chain is opened: `findings` says so, and the store halts trading.
    One that an older guardian wrote is brought up to date: see `guardian.store.migrations`. `now_ms` is the wall clock.

    Raises:
        NotPrivate: the home or a file in it is another user's, open to others, or a link.
        StoreUnavailable: it cannot be opened or made now, is newer, or is older and open elsewhere; or the SQLite of
            this Python is too old.
        StoreCorrupt: it is not guardian's, or it is damaged.
        StoreLost: it is gone from a home that has a policy or a checkpoint.
    """
    path = home / DATABASE_NAME
    require_sqlite()
    try:
        if create:
            make_folder(home)
        check_home(home)
        with FileLock(home / LOCK_NAME, timeout=LOCK_TIMEOUT_S, mode=0o600):
            # Read before the database, which only grows: what it names must be in there.
            checkpoint = read_checkpoint(home)
            if create:
                if is_lost(home):
                    raise _lost(checkpoint)
                _make_private_file(path)
            return _opened(path, checkpoint, create=create, now_ms=now_ms)
    except Timeout:
        raise StoreUnavailable(
            "another process is opening the store and does not finish", hint="`guardian status` tries again"
        ) from None
    except (OSError, sqlite3.Error) as error:
        raise translated(error) from None


def is_lost(home: Path) -> bool:
    """Whether the log is gone from a home that had one: a policy or a checkpoint is there. Raises OSError."""
    path = home / DATABASE_NAME
    if path.exists() and path.stat().st_size > 0:
        return False
    return (home / CHECKPOINT_NAME).exists() or (home / POLICY_NAME).exists()


def begin_log(home: Path) -> None:
    """Begins a new log in a home that has none, whatever else is there; a checkpoint of the lost one is put aside.

    A log that is there is left as it is. Raises NotPrivate, StoreUnavailable and StoreCorrupt.
    """
    path = home / DATABASE_NAME
    require_sqlite()
    try:
        make_folder(home)
        check_home(home)
        with FileLock(home / LOCK_NAME, timeout=LOCK_TIMEOUT_S, mode=0o600):
            if path.exists() and path.stat().st_size > 0:
                return
            if (home / CHECKPOINT_NAME).exists():
                (home / CHECKPOINT_NAME).replace(_unused(home, f"{CHECKPOINT_NAME}.lost"))
            _make_private_file(path)
            _opened(path, None, create=True, now_ms=0).close()  # it is new: nothing is migrated
    except Timeout:
        raise StoreUnavailable("another process is opening the store and does not finish") from None
    except (OSError, sqlite3.Error) as error:
        raise translated(error) from None


def _unused(home: Path, name: str) -> Path:
    """Returns a path in the home that nothing has yet."""
    number = 0
    while (home / f"{name}-{number}").exists():
        number += 1
    return home / f"{name}-{number}"


def _lost(checkpoint: Checkpoint | None) -> StoreLost:
    why = "a policy is there" if checkpoint is None else f"its checkpoint knows of {checkpoint.seq} rows"
    return StoreLost(
        f"the log is lost: `{DATABASE_NAME}` is gone or empty, but {why}; what was ordered before is not known",
        hint=f"the owner restores `{DATABASE_NAME}` from a backup, or runs `guardian init` to begin a new log",
    )


def _make_private_file(path: Path) -> None:
    prepare_file(path)  # what SQLite puts beside it gets its mode
    # SQLite takes a file of a few bytes for an empty database and writes over it. The file is not opened to find out:
    # closing it would end the locks of every other connection of this process, and others could take the log from them.
    if 0 < path.stat().st_size < _HEADER_BYTES:
        raise StoreCorrupt(f"`{path.name}` is not a database", hint=RESTORE_HINT)


def _opened(path: Path, checkpoint: Checkpoint | None, *, create: bool, now_ms: int) -> OpenFile:
    connection = _connect(path)
    try:
        found, has_wal = path.stat(), _choose_journal(connection, path)
        configure(connection, has_wal=has_wal)
        file = OpenFile(connection=connection, identity=(found.st_dev, found.st_ino), has_wal=has_wal)
        if create and _is_new(connection):
            file.begin()
            for statement in SCHEMA:
                connection.execute(statement)
            file.commit()
        _check(connection, path)
        _bring_up_to_date(connection, path, checkpoint, now_ms)
        file.findings = (*_weaknesses(connection), *verify_tail(connection, checkpoint))
        # From here on `begin` waits, and nothing but it: whoever has begun has the one lock of writers.
        set_busy_timeout(connection, 0)
        file.rereads_version = not has_wal
    except BaseException:
        connection.close()
        raise
    return file


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT_MS / 1000,
    )


def _choose_journal(connection: sqlite3.Connection, path: Path) -> bool:
    """Gives the file a write-ahead log where its disk is this machine's own; returns whether it has one.

    The file's header says which it has, so that all of its connections use the same. A disk that cannot hold a log
    leaves it with the rollback journal.

    Raises StoreUnavailable where it has a log on a disk that other machines may use, and somebody has it open.
    """
    kind = shared_disk(path.parent)
    until_s = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while kind is None:
        try:
            return use_wal(connection)
        except sqlite3.OperationalError as error:
            _pause_if_busy(error, until_s)
    while not leave_wal(connection):
        if time.monotonic() > until_s:
            raise StoreUnavailable(
                f"`{path.name}` is on a disk that other machines may use ({kind}), and is open with a write-ahead log, "
                "which is not safe there",
                hint="end every guardian of this home, on each machine, and start one again",
            )
        time.sleep(_PAUSE_S)
    return False


def _is_new(connection: sqlite3.Connection) -> bool:
    return application_id(connection) == 0 and schema_version(connection) == 0 and not part_names(connection)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreCorrupt unless this is a whole file of guardian's, and StoreUnavailable if a newer one wrote it."""
    if application_id(connection) != APPLICATION_ID:
        raise StoreCorrupt(f"`{path.name}` is not a guardian store", hint="move it away, or restore it from a backup")
    version = schema_version(connection)
    if version > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"`{path.name}` was written by a newer guardian (version {version} of its tables; this one knows "
            f"{SCHEMA_VERSION})",
            hint="upgrade guardian, or restore a backup from before",
        )
    if version <= 0 or (version == SCHEMA_VERSION and any(one.is_missing for one in schema_differences(connection))):
        raise StoreCorrupt(f"`{path.name}` lacks parts of a guardian store", hint=RESTORE_HINT)
    if path.stat().st_size <= QUICK_CHECK_BYTES and damages(connection, 1):
        raise StoreCorrupt(f"`{path.name}` is damaged", hint=RESTORE_HINT)


def _bring_up_to_date(connection: sqlite3.Connection, path: Path, checkpoint: Checkpoint | None, now_ms: int) -> None:
    version = schema_version(connection)
    if version < SCHEMA_VERSION:
        # Here and not at the top: it is needed once after an update.
        from guardian.store.migrations.migrate import migrate

        migrate(connection, path, version, checkpoint, now_ms=now_ms)


def _weaknesses(connection: sqlite3.Connection) -> tuple[Finding, ...]:
    """Returns the findings on triggers, and on tables and indexes that are not as guardian makes them."""
    return tuple(
        Finding(kind=FindingKind.SCHEMA, message=one.message) for one in schema_differences(connection) if one.weakens
    )
