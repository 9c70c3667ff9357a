"""The store: one SQLite file in guardian's home, written by one connection of each process.

A transaction is `BEGIN IMMEDIATE ... COMMIT` with `synchronous=FULL`: when it has ended without an exception, all of it
is on the disk; when it has not, nothing of it is. `Store.transaction` does, one after the other:

    write_queue   waits for the other transactions of this process
    _ready        opens the file, if a failure of the disk closed it; it must still be the same file
    _begin        takes SQLite's lock and checks that the log continues from where this process saw it end; where it
                  does not, `_record_break` halts trading and the log continues
    (the caller)  reads and writes through the parts of `Transaction`
    _commit       keeps the window time, and commits; or `_give_up` rolls back
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from guardian.errors import StoreConflict, StoreCorrupt, StoreError, StoreUnavailable
from guardian.store.budgets.persons_acts import PersonsActsPart
from guardian.store.budgets.slicing import SlicingPart
from guardian.store.budgets.snapshots import SnapshotsPart
from guardian.store.budgets.usage import UsagePart
from guardian.store.disk_space import free_bytes, give_up_ballast
from guardian.store.log.checkpoint import write_checkpoint
from guardian.store.log.encoding import GENESIS
from guardian.store.log.tail import LogTail, head_after, lacks_row, read_tail
from guardian.store.log_findings import CHAIN_IS_BROKEN, Finding
from guardian.store.opening import OpenFile, open_file, patient_until
from guardian.store.owner.approvers import ApproversPart
from guardian.store.owner.mandates import MandatesPart
from guardian.store.owner.policy_approvals import PolicyApprovalsPart
from guardian.store.schema.cells import READ_FAILURES, first_strange_cell
from guardian.store.schema.files import DATABASE_NAME
from guardian.store.schema.records import Entry, Head
from guardian.store.schema.sqlite_errors import DISK_IS_FULL, RESTORE_HINT, damaged_cell, translated
from guardian.store.schema.write_ahead_log import WalCopier
from guardian.store.transaction.audit import AuditPart
from guardian.store.transaction.broken_chain import BrokenChainPart
from guardian.store.transaction.corrections import CorrectionsPart
from guardian.store.transaction.good_policies import GoodPoliciesPart
from guardian.store.transaction.key_accounts import KeyAccountsPart
from guardian.store.transaction.leases import LeasesPart
from guardian.store.transaction.ledger import LedgerPart
from guardian.store.transaction.orders import OrdersPart
from guardian.store.transaction.proposals import ProposalsPart
from guardian.store.transaction.timestamps import TimestampsPart
from guardian.store.transaction.trading_state import TradingPart
from guardian.store.transaction.unit import MacSource, Unit
from guardian.store.window_time import WindowTime
from guardian.store.write_queue import WriteQueue
from guardian.store.wrong_time import WrongTimePart
from guardian.system.clock import Clock

_TRIES: Final = 3
"""How often a transaction begins: a break of the chain is recorded in one of its own, and then it begins again."""
HEAD_PATIENCE_S: Final = 1.0
"""How long the checkpoint waits for the head of the log; without it, it is written the next time."""


class Transaction:
    """One transaction: everything that can be read and written in it, by what it is about.

    A part is made when it is first used: most transactions use two or three of them.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.now_ms = unit.now_ms
        """Window time: it never goes back, in no process of this home and over no restart."""
        self.clock_ms = unit.clock_ms
        """The wall clock, as it was when this transaction began."""

    @cached_property
    def trading(self) -> TradingPart:
        """The kill switch."""
        return TradingPart(self.unit)

    @cached_property
    def acts(self) -> PersonsActsPart:
        """When a person acted."""
        return PersonsActsPart(self.unit)

    @cached_property
    def policies(self) -> GoodPoliciesPart:
        """Valid policies."""
        return GoodPoliciesPart(self.unit)

    @cached_property
    def accounts(self) -> KeyAccountsPart:
        """The account of each key."""
        return KeyAccountsPart(self.unit)

    @cached_property
    def leases(self) -> LeasesPart:
        """Who does what one process does at a time."""
        return LeasesPart(self.unit)

    @cached_property
    def timestamps(self) -> TimestampsPart:
        """Named timestamps."""
        return TimestampsPart(self.unit)

    @cached_property
    def proposals(self) -> ProposalsPart:
        """Orders that wait for a person."""
        return ProposalsPart(self.unit)

    @cached_property
    def mandates(self) -> MandatesPart:
        """Session mandates."""
        return MandatesPart(self.unit)

    @cached_property
    def policy_approvals(self) -> PolicyApprovalsPart:
        """Approved policies."""
        return PolicyApprovalsPart(self.unit)

    @cached_property
    def audit(self) -> AuditPart:
        """The log."""
        return AuditPart(self.unit, self.trading)

    @cached_property
    def approvers(self) -> ApproversPart:
        """What proves that the owner agrees."""
        return ApproversPart(self.unit, self.audit)

    @cached_property
    def broken_chain(self) -> BrokenChainPart:
        """What is wrong with the log itself."""
        return BrokenChainPart(self.unit, self.audit, self.trading)

    @cached_property
    def wrong_time(self) -> WrongTimePart:
        """A log whose time is not this machine's."""
        return WrongTimePart(self.unit, self.audit, self.trading, self.proposals, self.timestamps)

    @cached_property
    def ledger(self) -> LedgerPart:
        """What orders brought and cost."""
        return LedgerPart(self.unit)

    @cached_property
    def corrections(self) -> CorrectionsPart:
        """Positions that the owner corrects."""
        return CorrectionsPart(self.unit, self.ledger)

    @cached_property
    def orders(self) -> OrdersPart:
        """Orders."""
        return OrdersPart(self.unit, self.ledger)

    @cached_property
    def slicing(self) -> SlicingPart:
        """Denials of orders over `max_notional`."""
        return SlicingPart(self.unit)

    @cached_property
    def snapshots(self) -> SnapshotsPart:
        """What answers of the exchange may lack."""
        return SnapshotsPart(self.unit, self.orders)

    @cached_property
    def usage(self) -> UsagePart:
        """What counts against the budgets."""
        return UsagePart(
            self.unit,
            trading=self.trading,
            acts=self.acts,
            audit=self.audit,
            ledger=self.ledger,
            orders=self.orders,
            slicing=self.slicing,
            snapshots=self.snapshots,
        )

    @property
    def head(self) -> Head:
        """Where the log ends, with what this transaction appended."""
        return self.unit.head


def _damaged_cell(file: OpenFile, error: BaseException) -> StoreCorrupt | None:
    """Returns the error that names the cell which a transaction failed on; None where it did not fail on one."""
    sentence = first_strange_cell(file.connection) if isinstance(error, (*READ_FAILURES, StoreCorrupt)) else None
    return None if sentence is None else damaged_cell(sentence)


class Store:
    """The one way to write. Thread-safe: one transaction at a time in a process, and between processes by SQLite."""

    def __init__(self, home: Path, clock: Clock, file: OpenFile) -> None:
        self.home = home
        self._path = home / DATABASE_NAME
        self._clock = clock
        self._time = WindowTime(clock)
        self._free = partial(free_bytes, home)
        self._made_room = False
        self._queue = WriteQueue()
        self._wal = WalCopier(self._path)
        self._file: OpenFile | None = file
        """None after a failure of the disk, until a later call opens it again."""
        self._identity = file.identity
        """Which file it is, for good: a file that is put in its place is not written."""
        self._known = Head(0, GENESIS)
        """Where the log ended when this process last looked."""
        self.mac_source: MacSource | None = None
        """Set by whoever can have the key of a sealed log."""
        self._closed = False

    @classmethod
    def open(cls, home: Path, clock: Clock) -> Store:
        """Opens the store of a home, and makes it if the home has no store yet.

        Raises:
            StoreUnavailable: it cannot be opened or made now, or is of a newer version.
            StoreCorrupt: `guardian.db` is not guardian's or is damaged; or its chain is broken and that cannot be
                written.
            StoreLost: it is gone from a home that has a policy or a checkpoint.
        """
        store = cls(home, clock, open_file(home, create=True, now_ms=clock.now_ms()))
        store.anchor()
        return store

    @contextmanager
    def transaction(self, *, patience_s: float | None = None) -> Iterator[Transaction]:
        """One transaction; commits at the end, and records nothing where an exception leaves it.

        It waits 10 s for its turn in this process and among all of them together. With `patience_s` it waits so long
        instead, and goes before all others of this process that wait.

        After a failure of the disk the file is opened again by a later call, as soon as the cause is gone.

        Raises:
            StoreUnavailable: it could not be begun, written or committed. Nothing was recorded.
            StoreConflict: an interlock held. Nothing was recorded.
            StoreCorrupt: the file is damaged, or the log's chain is broken and that cannot be written. Nothing was
                recorded.
        """
        # One deadline for all waiting: else those behind a holder that waits in vain would wait as long again, each.
        until_s = patient_until(patience_s)
        with self._queue.turn(until_s, is_urgent=patience_s is not None):
            file = self._ready()
            tx = self._begin(file, until_s)
            try:
                yield tx
                self._commit(file, tx)
                self._known = tx.head
            except BaseException as error:
                damaged = _damaged_cell(file, error)
                self._give_up(file, damaged or error)
                if damaged is not None:
                    raise damaged from error
                raise
            finally:
                tx.unit.end()

    def head(self) -> Entry | None:
        """Returns the last row of the log; None while it is empty.

        Raises StoreError, after a second of waiting at most.
        """
        with self.transaction(patience_s=HEAD_PATIENCE_S) as tx:
            return tx.audit.last_entry()

    def anchor(self) -> None:
        """Brings the checkpoint beside the database up to its last row, as far as that can be done now."""
        with suppress(StoreError):
            write_checkpoint(self.home, self)

    def close(self) -> None:
        """Lets go of the file. What was committed stays."""
        if not self._closed:
            self.anchor()
        with self._queue.last_turn():
            self._closed = True
            self._wal.finish()
            self._drop()

    def _ready(self) -> OpenFile:
        """Returns the open file, if it is still at its place."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        self._require_in_place()
        if self._file is None:
            self._file = open_file(self.home, create=False, now_ms=self._clock.now_ms())
        return self._file

    def _require_in_place(self) -> None:
        """Raises StoreError where the file is gone or another one: SQLite would continue to write to one that moved."""
        try:
            found = self._path.stat()
        except OSError:
            found = None
        if found is not None and (found.st_dev, found.st_ino) == self._identity:
            return
        self._drop()
        if found is not None and lacks_row(self._path, self._known):
            raise StoreCorrupt(
                f"`{DATABASE_NAME}` was moved, removed or replaced while guardian runs, by one without row "
                f"{self._known.seq} of the log",
                hint=RESTORE_HINT,
            )
        raise StoreUnavailable(
            f"`{DATABASE_NAME}` was moved, removed or replaced while guardian runs",
            hint="put it back where it was, or stop every guardian of this home and start again",
        )

    def _begin(self, file: OpenFile, until_s: float) -> Transaction:
        try:
            for _ in range(_TRIES):
                file.begin(until_s)
                self._require_in_place()  # opening it and BEGIN may have waited for whoever replaced it
                end = read_tail(file.connection, self._known)
                findings = (*file.findings, *end.findings)
                if findings:
                    self._record_break(file, end, findings)
                    continue
                tx = self._transaction(file, end, end.head)
                self._known = end.head
                if not self._halts_for_time(tx, end):
                    return tx
                tx.audit.append_state()
                file.commit()
                self._known = tx.head
            raise StoreCorrupt(f"{CHAIN_IS_BROKEN}, again and again", hint=RESTORE_HINT)
        except (sqlite3.Error, StoreError) as error:
            failure = translated(error)
            self._give_up(file, failure)
            raise failure from None

    def _transaction(self, file: OpenFile, end: LogTail, head: Head) -> Transaction:
        """Returns a transaction that continues the log after `head`, in the file's open one."""
        window_ms, clock_ms = self._time.read(end.window_ms)
        return Transaction(
            Unit(
                file.connection,
                now_ms=window_ms,
                clock_ms=clock_ms,
                head=head,
                mac_source=self.mac_source,
                free=self._free,
            )
        )

    def _halts_for_time(self, tx: Transaction, end: LogTail) -> bool:
        """Writes a halt for a log whose time is not the clock's; returns whether it did, so that it is to be committed.

        Raises StoreError.
        """
        if end.is_time_lost:
            tx.wrong_time.halt_for_lost()
            return True
        return tx.wrong_time.is_ahead(end.window_ms) and tx.wrong_time.halt_for_ahead(end.window_ms)

    def set_time_back(self) -> bool:
        """Sets the time of the log back to the clock, where it is further ahead than MAX_AHEAD_MS, for the owner.

        Returns whether it was. Raises StoreError.
        """
        with self.transaction() as tx:
            if not tx.wrong_time.is_ahead(tx.now_ms):
                return False
            tx.wrong_time.set_back()
        return True

    def _record_break(self, file: OpenFile, end: LogTail, findings: Sequence[Finding]) -> None:
        """Halts trading for a broken chain, in the open transaction, and continues from what is there.

        Raises StoreCorrupt: that could not be written. The chain is then found broken by the next transaction too.
        """
        tx = self._transaction(file, end, head_after(end.head, findings))
        try:
            is_new = tx.broken_chain.record(findings)
            tx.audit.append_state()
            file.commit()
        except (StoreError, sqlite3.Error) as error:
            why = f"{CHAIN_IS_BROKEN}: {findings[0].message}; that could not be written: {translated(error).message}"
            raise StoreCorrupt(why, hint=RESTORE_HINT) from None
        finally:
            tx.unit.end()
        self._known = tx.head if is_new else end.head
        file.findings = ()

    def _commit(self, file: OpenFile, tx: Transaction) -> None:
        if tx.unit.failed is not None:
            raise tx.unit.failed
        tx.audit.append_state()
        if tx.unit.wrote and not tx.unit.appended:  # otherwise the row itself keeps the window time
            tx.trading.keep_window()
        try:
            file.commit()
        except sqlite3.Error as error:
            raise translated(error) from None
        self._wal.after_commit()

    def made_room(self) -> bool:
        """Returns whether the disk was full since the last call of this, and the ballast made a little room."""
        made, self._made_room = self._made_room, False
        return made

    def _give_up(self, file: OpenFile, error: BaseException) -> None:
        """Rolls back; after a failure of the disk also lets go of the file, so that the next call opens it again."""
        with suppress(Exception):
            file.rollback()
        if isinstance(error, StoreUnavailable) and DISK_IS_FULL in error.message:
            self._made_room = give_up_ballast(self.home)
        if file.in_transaction or (isinstance(error, StoreError) and not isinstance(error, StoreConflict)):
            self._drop()

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(Exception):
                file.close()
