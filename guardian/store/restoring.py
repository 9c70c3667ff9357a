"""Puts a copy of a log in the place of the one that a home has, which is kept under a dated name.

The copy is staged in a folder within the home, brought up to date there, and gets its row and its halt before it takes
the place: whoever opens the home finds the old log, or the restored and halted one.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from guardian.domain.trading import TradingState
from guardian.errors import GuardianError, StoreCorrupt, StoreUnavailable
from guardian.store.copies import copy_database, dated_name
from guardian.store.database import Store
from guardian.store.log.statements import DIGEST_AT, FIRST_AND_LAST_SEQ, NUMBER_OF_ORDERS
from guardian.store.opening import LOCK_TIMEOUT_S, open_file
from guardian.store.schema.files import CHECKPOINT_NAME, DATABASE_NAME, LOCK_NAME
from guardian.store.schema.records import Record
from guardian.store.schema.sqlite_dialect import BEGIN, is_busy, leave_wal
from guardian.store.schema.sqlite_errors import translated
from guardian.system.clock import Clock
from guardian.system.private_files import FOLDER_MODE, create_file, flush_folder

RESTORED: Final = "restored"
"""The kind of the log's row of a restoration."""
BEFORE: Final = "before-restore"
REASON: Final = (
    "the log was restored from a backup: orders that were placed after it are found by `guardian audit reconcile`"
)
MAX_CHECKPOINT_BYTES: Final = 16_384
_BUSY_TIMEOUT_S: Final = 5.0


class Relation(StrEnum):
    """How the log of a backup and the log of the home are related."""

    SAME = "same"
    """Both end with the same row."""
    OLDER = "older"
    """The home's log continued after the backup was made."""
    NEWER = "newer"
    """The backup continued after the end of the home's log."""
    FORKED = "forked"
    """They began as one log, and continue with different rows."""
    OTHER = "other"
    """They are two logs, from their first row on."""
    MISSING = "missing"
    """The home has no log that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEnd:
    """Where a log ends: its last row's number and digest in hex; 0 and nothing for an empty one."""

    seq: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A staged backup beside the log of the home."""

    backup: LogEnd
    present: LogEnd | None
    """None where no log can be read."""
    relation: Relation
    orders: int = 0
    """How many orders the home's log has."""

    @property
    def lost(self) -> int:
        """How many rows of the home's log the backup lacks, as far as that is known."""
        if self.present is None or self.relation not in {Relation.OLDER, Relation.FORKED, Relation.OTHER}:
            return 0
        return self.present.seq - (self.backup.seq if self.relation is Relation.OLDER else 0)


@contextmanager
def staged(source: Path, home: Path, now_ms: int) -> Iterator[Path]:
    """Yields a folder within the home that has a copy of the backup, of this version's schema; it is removed again.

    The checkpoint that `guardian audit backup` put beside the backup comes along.

    Raises:
        StoreUnavailable: the backup is missing or cannot be read, or a newer guardian wrote it.
        StoreCorrupt: it is not guardian's, or it is damaged.
    """
    folder = home / f".restore-{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=FOLDER_MODE)
        _copy(source, folder)
        open_file(folder, create=False, now_ms=now_ms).close()
        yield folder
    except (OSError, sqlite3.Error) as error:
        raise translated(error) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, folder: Path) -> None:
    if not source.is_file():
        raise StoreUnavailable(f"there is no file `{source}`", hint="name a file that `guardian audit backup` wrote")
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            copy_database(connection, folder / DATABASE_NAME)
    except sqlite3.DatabaseError as error:
        if isinstance(translated(error), StoreCorrupt):
            raise StoreCorrupt(f"`{source}` is not a whole database; nothing was changed") from None
        raise
    with suppress(FileNotFoundError):
        text = source.with_name(f"{source.name}.checkpoint").read_bytes()[:MAX_CHECKPOINT_BYTES]
        create_file(folder / CHECKPOINT_NAME, text)


def compare(folder: Path, home: Path) -> Comparison:
    """Compares a staged backup with the log of the home. Raises StoreError where the backup cannot be read."""
    try:
        with closing(_reader(folder)) as backup:
            end = _end(backup)
            try:
                with closing(_reader(home)) as present:
                    own = _end(present)
                    related = _relation(backup, end, present, own)
                    orders = int(present.execute(NUMBER_OF_ORDERS).fetchone()[0])
                    return Comparison(backup=end, present=own, relation=related, orders=orders)
            except (sqlite3.Error, TypeError, ValueError):
                return Comparison(backup=end, present=None, relation=Relation.MISSING)
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise translated(error) from None


def _reader(home: Path) -> sqlite3.Connection:
    path = (home / DATABASE_NAME).absolute()
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_S)


def _end(connection: sqlite3.Connection) -> LogEnd:
    last = connection.execute(FIRST_AND_LAST_SEQ).fetchone()[1]
    return LogEnd(seq=0, digest="") if last is None else LogEnd(seq=int(last), digest=_digest_at(connection, last))


def _digest_at(connection: sqlite3.Connection, seq: int) -> str:
    """Returns the digest of a row in hex; nothing where the log has no such row."""
    found = connection.execute(DIGEST_AT, {"seq": seq}).fetchone()
    return "" if found is None else bytes(found[0]).hex()


def _relation(backup: sqlite3.Connection, end: LogEnd, present: sqlite3.Connection, own: LogEnd) -> Relation:
    if end == own:
        return Relation.SAME
    if end.seq == 0 or _digest_at(present, end.seq) == end.digest:
        return Relation.OLDER
    if own.seq == 0 or _digest_at(backup, own.seq) == own.digest:
        return Relation.NEWER
    return Relation.FORKED if _digest_at(backup, 1) == _digest_at(present, 1) else Relation.OTHER


def restore(
    folder: Path, home: Path, shown: Comparison, clock: Clock, agreed: Mapping[str, object]
) -> tuple[Path, ...]:
    """Puts the staged backup in the place of the home's log, halted; returns what is kept of the log from before.

    `agreed` goes into the log: what the owner agreed to, and the proof.

    Raises:
        GuardianError: the home's log is no longer as `shown`. Nothing was changed.
        StoreUnavailable: a guardian of this home runs, or it could not be written. Nothing was changed.
    """
    try:
        with FileLock(home / LOCK_NAME, timeout=LOCK_TIMEOUT_S, mode=0o600), _held(home):
            now = compare(folder, home)
            if (now.relation, now.orders) != (shown.relation, shown.orders):
                raise GuardianError("the log continued while you were asked; nothing was changed", hint="run it again")
            kept = _kept_names(home, clock.now_ms())
            _write_row(folder, clock, now, agreed, kept)
            _put_in_place(folder, home, kept)
            return tuple(path for path in kept.values() if path.exists())
    except Timeout:
        raise StoreUnavailable("another process is opening the store and does not finish") from None
    except (OSError, sqlite3.Error) as error:
        raise translated(error) from None


@contextmanager
def _held(home: Path) -> Iterator[None]:
    """Keeps everybody from writing to the home's log, and leaves no write-ahead log beside it.

    Raises StoreUnavailable where a connection has it open with its write-ahead log, or is writing to it.
    """
    path = home / DATABASE_NAME
    if not path.exists():
        yield
        return
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_S)) as one:
        try:
            is_alone = leave_wal(one)
            if is_alone:
                one.execute(BEGIN)  # with a rollback journal nothing else shows that a guardian has it open
        except sqlite3.DatabaseError as error:
            # It is damaged: whoever has it open finds another file in its place, and writes nothing any more.
            is_alone = not is_busy(error)
        if not is_alone:
            raise StoreUnavailable(
                "a guardian of this home runs; nothing was changed",
                hint="end every guardian of this home (quit the programs that started it), then run it again",
            )
        if sys.platform == "win32":
            one.close()  # a file that is open is not replaced there
        yield


def _kept_names(home: Path, now_ms: int) -> dict[str, Path]:
    """Returns under which name each file of the home's log is kept, by its name."""
    beside = (f"{DATABASE_NAME}{ending}" for ending in ("-wal", "-shm", "-journal"))
    names = (DATABASE_NAME, *beside, CHECKPOINT_NAME)
    return {name: dated_name(home, f"{name}.{BEFORE}", now_ms) for name in names}


def _write_row(
    folder: Path, clock: Clock, compared: Comparison, agreed: Mapping[str, object], kept: Mapping[str, Path]
) -> None:
    """Halts trading in the staged log, with its row of the restoration. Raises StoreError."""
    store = Store.open(folder, clock)
    try:
        with store.transaction() as tx:
            was = tx.trading.status().state
            tx.trading.set(TradingState.HALTED, reason=REASON, by="owner")
            present = compared.present
            body = {
                "kind": RESTORED, "by": "owner", "relation": compared.relation.value,
                "backup": {"seq": compared.backup.seq, "digest": compared.backup.digest},
                "replaced": None if present is None else {"seq": present.seq, "digest": present.digest},
                "lost_rows": compared.lost, "kept": kept[DATABASE_NAME].name, "reason": REASON,
                "trading": TradingState.HALTED.value, "trading_was": was.value, **agreed,
            }  # fmt: skip
            tx.audit.append(Record.event(None, body))
    finally:
        store.close()


def _put_in_place(folder: Path, home: Path, kept: Mapping[str, Path]) -> None:
    """Moves the staged files to the home; what was there keeps its content under the name of `kept`.

    The log is replaced at once, before its checkpoint: whoever is stopped in between leaves a log that is found to be
    shorter than its checkpoint, and halts.
    """
    for name, path in kept.items():
        if (home / name).exists():
            _keep(home / name, path, moves=name not in {DATABASE_NAME, CHECKPOINT_NAME})
    (folder / DATABASE_NAME).replace(home / DATABASE_NAME)
    if (folder / CHECKPOINT_NAME).exists():
        (folder / CHECKPOINT_NAME).replace(home / CHECKPOINT_NAME)
    else:
        (home / CHECKPOINT_NAME).unlink(missing_ok=True)
    flush_folder(home)


def _keep(path: Path, kept: Path, *, moves: bool) -> None:
    """Gives a file a second name, or another one where it `moves` or the file system knows no second names."""
    if not moves:
        try:
            os.link(path, kept)
        except OSError:
            moves = True
    if moves:
        path.replace(kept)
