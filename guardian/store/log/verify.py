"""Verifying the log: what can be proven of it, from the file alone and with a checkpoint kept elsewhere.

The kinds of damage are in `guardian.store.log_findings`. The end of the log is verified each time that the store is
opened, see `verify_tail`. What is found halts trading, see `guardian.store.transaction.broken_chain`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final

from guardian.domain.milliseconds import DAY_MS
from guardian.errors import GuardianError, StoreCorrupt
from guardian.store.log.checkpoint import kept_checkpoint, kept_copy, note_in_log
from guardian.store.log.encoding import GENESIS, STATE, count_intact
from guardian.store.log.proposal_reader import logged_ms
from guardian.store.log.read_only import BATCH, LogRow, database_path, read_only
from guardian.store.log.statements import (
    BEGIN_READING,
    DIGEST_AT,
    END_READING,
    FIRST_AND_LAST_SEQ,
    FIRST_DIGEST,
    INTENTS_WITHOUT_ORDER,
    KEPT_CHECKPOINT,
    LAST_ROWS,
    MACS_AFTER,
    ORDERS_WITHOUT_ROW,
    ROW_COLUMNS,
    ROWS_BETWEEN,
    ROWS_OF_SEAL,
)
from guardian.store.log.verify_helper import Helper, helper_for
from guardian.store.log.verify_tables import imbalances, owner_differences
from guardian.store.log_findings import REPORTED_BY, Anchor, Finding, FindingKind, Report, evidence_of, lost_row
from guardian.store.log_times import MAX_AHEAD_MS
from guardian.store.schema.cells import strange_cells
from guardian.store.schema.files import CHECKPOINT_NAME
from guardian.store.schema.parts import schema_differences
from guardian.store.schema.records import Checkpoint
from guardian.store.schema.sqlite_dialect import damages
from guardian.store.seal.checks import KeptCheckpoint, SealCheck
from guardian.store.seal.evidence import NO_EVIDENCE, SealEvidence
from guardian.store.seal.macs import MacCheck, MacRow
from guardian.store.seal.seal_rows import seal_rows
from guardian.store.state.table_differences import history_differences, image_differences, table_differences
from guardian.store.state.table_state import TableState

GIVEN: Final = "given"
KEYRING: Final = "keyring"
"""Sources of checkpoints, besides the names of files and folders."""
MAX_FINDINGS: Final = 1000
TAIL: Final = 256
"""Rows at the end of the log that are verified when it is opened: a few milliseconds."""

_SEQ, _DIGEST, _TIME = (ROW_COLUMNS.index(name) for name in ("seq", "digest", "ts_ms"))
_BEFORE_ALL, _AFTER_ALL = -(2**62), 2**63 - 1
"""Around the numbers of all rows, of one that was moved before the first or behind the last as well."""
Progress = Callable[[int, int], None]
"""Is called with the number of rows that were verified, and of all that there were at the beginning, both about."""


def verify(
    place: Path,
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    evidence: SealEvidence = NO_EVIDENCE,
    *,
    now_ms: int | None = None,
) -> Report:
    """Verifies the log of a home folder (or a copy of `guardian.db`) against every checkpoint that is known of it.

    These are its own, that in the second folder, the one given and what `evidence` has, which has to be read before.
    `progress` is called after each batch of rows. With `now_ms`, the wall clock, a log far ahead of it is found.

    Raises:
        StoreUnavailable: there is no database, or it cannot be read now; nothing is said about the log then.
    """
    path = database_path(place)
    verification = Verification()
    # Anchors first: the log only grows, so whatever they name must be in what is read after them.
    seal = _seal_of(path, evidence, verification)
    anchors = {one.source: Checkpoint(seq=one.seq, digest=one.digest) for one in seal.trusted}
    if evidence.anchor is not None:
        anchors[KEYRING] = Checkpoint(seq=evidence.anchor.seq, digest=evidence.anchor.digest)
    if checkpoint is not None:
        anchors[GIVEN] = checkpoint
    if not path.exists() and anchors:
        most = max(anchors.values(), key=lambda anchor: anchor.seq)
        message = f"`{path.name}` is gone, but a checkpoint knows of {most.seq} rows"
        verification.add(Finding(kind=FindingKind.TRUNCATED, message=message, lost=most))
        return verification.report(path, anchors, seal)
    try:
        with read_only(path) as connection:
            verification.check_rows(path, connection, anchors, progress)
            verification.check_tables(connection, anchors, progress)
            verification.check_macs(connection, seal)
            verification.check_schema(connection)
            verification.check_cells(connection)
            verification.check_time(connection, now_ms)
            verification.check_orders(connection)
            verification.check_ledger(connection)
            verification.check_owner(connection)
            verification.check_file(connection)
    except StoreCorrupt as error:
        verification.found(FindingKind.DAMAGED, None, error.message)
    verification.check_anchors(anchors)
    verification.check_seal(seal, is_home=place.is_dir())
    return verification.report(path, anchors, seal)


def verify_tail(connection: sqlite3.Connection, checkpoint: Checkpoint | None) -> tuple[Finding, ...]:
    """Verifies the last TAIL rows, and that the log has the row of the checkpoint. Raises sqlite3.Error.

    Gaps that the row after them reports itself are left out.
    """
    rows = connection.execute(LAST_ROWS, {"limit": TAIL}).fetchall()
    tail = rows[::-1]
    verification = Verification()
    verification.check_tail(tail)
    if checkpoint is not None:
        at = connection.execute(DIGEST_AT, {"seq": checkpoint.seq}).fetchone()
        if at is None or at[0] != bytes.fromhex(checkpoint.digest):
            last_seq = tail[-1][_SEQ] if tail else 0
            verification.add(lost_row(checkpoint, is_there=at is not None, last_seq=last_seq, source=CHECKPOINT_NAME))
    return tuple(finding for finding in verification.findings if not finding.is_reported)


def _seal_of(path: Path, evidence: SealEvidence, verification: Verification) -> SealCheck:
    """Returns the seal of the log with its checkpoints: first those that are written after the home's own."""
    name, rows, in_log = None, seal_rows(()), list[object]()
    with suppress(GuardianError), read_only(path) as connection:
        rows = seal_rows(connection.execute(ROWS_OF_SEAL).fetchall())
        first = connection.execute(FIRST_DIGEST).fetchone()
        name = None if first is None else _hex(first[0])[:32]
        in_log = [row[1] for row in connection.execute(KEPT_CHECKPOINT).fetchall()]
    kept, unread = list[KeptCheckpoint](), tuple[str, ...]()
    try:
        kept += map(note_in_log, in_log)
    except StoreCorrupt as error:
        verification.found(FindingKind.DAMAGED, None, error.message)
    if rows.folder is not None and name is not None:
        try:
            kept.append(kept_copy(rows.folder, name))
        except (OSError, ValueError):
            unread = (f"the second folder `{rows.folder}` is not there, or has no checkpoint of this log",)
    try:
        own = kept_checkpoint(path.parent)
    except StoreCorrupt as error:
        verification.found(FindingKind.DAMAGED, None, error.message)
    except OSError:
        verification.found(FindingKind.DAMAGED, None, f"`{CHECKPOINT_NAME}` cannot be read")
    else:
        kept += [] if own is None else [own]
    return SealCheck(name, rows, evidence, kept, unread=unread)


class Verification:
    """One pass over the log, from its first row to the last that is there when it is read."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._rows = 0
        self._read = _BEFORE_ALL
        self._seq = 0
        self._digest = GENESIS
        self._first_ts: int | None = None
        self._last_ts: int | None = None
        self._at_anchor: dict[int, str] = {}
        self._without_mac = 0
        self._missing: tuple[Finding, ...] = ()
        self._state = TableState()

    def found(self, kind: FindingKind, seq: int | None, message: str) -> None:
        """Adds a finding whose message says everything."""
        self.add(Finding(kind=kind, seq=seq, message=message))

    def add(self, finding: Finding) -> None:
        """Adds a finding, up to MAX_FINDINGS."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding)

    def check_tail(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Compares the rows of the tail with one another; a log that is no longer than it begins with row 1."""
        if len(rows) >= TAIL:
            first = LogRow(*rows[0])
            self._seq, self._digest = first.seq - 1, first.prev_hash
        self.check(rows)

    def check_rows(
        self, path: Path, connection: sqlite3.Connection, anchors: dict[str, Checkpoint], progress: Progress | None
    ) -> None:
        """Compares every row with the one before it; of a long log another process does so with the second half."""
        wanted = {anchor.seq for anchor in anchors.values()}
        with helper_for(path, connection) as helper:
            if helper is not None:
                self._check_up_to(helper.after, connection, wanted, progress, workers=2)
                self._take_over(helper, connection, wanted)
        self._check_up_to(_AFTER_ALL, connection, wanted, progress)

    def _check_up_to(
        self,
        last: int,
        connection: sqlite3.Connection,
        wanted: set[int],
        progress: Progress | None,
        *,
        workers: int = 1,
    ) -> None:
        """Compares the rows that were not read yet, BATCH at a time; no read is open in between."""
        least, most = connection.execute(FIRST_AND_LAST_SEQ).fetchone()
        rows: list[tuple[Any, ...]] = [()] * BATCH
        while len(rows) == BATCH:
            rows = connection.execute(ROWS_BETWEEN, {"after": self._read, "last": last, "limit": BATCH}).fetchall()
            self.check(rows)
            self._at_anchor.update({row[_SEQ]: _hex(row[_DIGEST]) for row in rows if row[_SEQ] in wanted})
            self._read = rows[-1][_SEQ] if rows else self._read
            if progress is not None and rows:
                progress(self._rows * workers, most - least + 1)

    def _take_over(self, helper: Helper, connection: sqlite3.Connection, wanted: set[int]) -> None:
        """Takes over what the helper has proven of the rows that follow; nothing where it has proven nothing."""
        found = helper.result()
        if found is None or self._first_ts is None or (self._seq, self._digest) != (helper.after, helper.digest):
            return
        try:
            state = TableState.unpacked(found.state)
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        for seq in wanted:
            at = connection.execute(DIGEST_AT, {"seq": seq}).fetchone()
            if at is not None and helper.after < seq <= found.seq:
                self._at_anchor[seq] = _hex(at[0])
        self._state.take_over(state)
        self._rows += found.count
        self._read, self._seq, self._digest = found.seq, found.seq, bytes.fromhex(found.digest)
        self._last_ts = found.ts_ms

    def check(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Verifies the rows that follow, oldest first, each with ROW_COLUMNS."""
        at = 0
        while at < len(rows):
            intact = rows[at : at + count_intact(rows, at, self._seq, self._digest, self._state.apply)]
            if intact:
                self._seq, self._digest, self._last_ts = (intact[-1][index] for index in (_SEQ, _DIGEST, _TIME))
                self._rows += len(intact)
                if self._first_ts is None:
                    self._first_ts = next((row[_TIME] for row in intact if row[_TIME] is not None), None)
            at += len(intact)
            if at < len(rows):
                self._row(LogRow(*rows[at]))
                at += 1

    def _row(self, row: LogRow) -> None:
        self._rows += 1
        if row.seq != self._seq + 1:
            missing = (
                f"row {self._seq + 1} is" if row.seq == self._seq + 2 else f"rows {self._seq + 1} to {row.seq - 1} are"
            )
            self._at(row, FindingKind.GAP, f"{missing} missing before row {row.seq}", (self._digest, row.prev_hash))
        elif row.prev_hash != self._digest:
            self._at(row, FindingKind.CHAIN, f"row {row.seq} does not follow on the row before it", (self._digest,))
        if row.seq != self._seq + 1 or row.prev_hash != self._digest or not row.has_its_digest:
            self._state.lose_track(row.seq)
        if row.phase == STATE:
            self._state.apply(row.seq, row.data)
        if not row.has_its_digest:
            what = (row.prev_hash, row.digest, row.body)
            self._at(row, FindingKind.CONTENT, f"row {row.seq} was changed: its digest is another one", what)
        elif changed := row.changed_columns:
            names = ", ".join(f"`{name}`" for name in changed)
            values = tuple(getattr(row, name) for name in changed)
            self._at(
                row, FindingKind.COLUMN, f"row {row.seq}: {names} was changed: the body says something else", values
            )
        self._seq, self._digest = row.seq, row.digest
        self._first_ts = row.ts_ms if self._first_ts is None else self._first_ts
        self._last_ts = row.ts_ms

    def _at(self, row: LogRow, kind: FindingKind, message: str, what: tuple[object, ...]) -> None:
        # A row that reports a broken chain may itself be the one after the gap.
        is_link = kind in {FindingKind.GAP, FindingKind.CHAIN}
        is_reported = is_link and isinstance(row.key, str) and row.key.startswith(REPORTED_BY)
        self.add(Finding(kind=kind, seq=row.seq, message=message, evidence=evidence_of(*what), is_reported=is_reported))

    def check_tables(
        self, connection: sqlite3.Connection, anchors: dict[str, Checkpoint], progress: Progress | None
    ) -> None:
        """Compares the other tables with what the log says of them, both of one moment, whatever others write."""
        connection.execute(BEGIN_READING)
        try:
            self._check_up_to(_AFTER_ALL, connection, {anchor.seq for anchor in anchors.values()}, progress)
            for differences in (history_differences, image_differences, table_differences):
                for seq, sentence in islice(differences(connection, self._state), MAX_FINDINGS):
                    self.found(FindingKind.STATE, seq, sentence)
        finally:
            connection.execute(END_READING)

    def check_orders(self, connection: sqlite3.Connection) -> None:
        """Checks that every order has its intent row, or the row of its being found, and every intent row its order."""
        for name, seq in connection.execute(ORDERS_WITHOUT_ROW, {"last": self._seq}).fetchall():
            self.found(FindingKind.ORDER, seq, f"order `{name}` has no intent row")
        for name, seq in connection.execute(INTENTS_WITHOUT_ORDER, {"last": self._seq}).fetchall():
            self.found(FindingKind.ORDER, seq, f"the intent row of order `{name}` has no order")

    def check_ledger(self, connection: sqlite3.Connection) -> None:
        """Checks that the flows add up."""
        for seq, message in imbalances(connection):
            self.found(FindingKind.LEDGER, seq, message)

    def check_owner(self, connection: sqlite3.Connection) -> None:
        """Checks that passkeys and the floor of proof are those of the log."""
        for message in owner_differences(connection):
            self.found(FindingKind.OWNER, None, message)

    def check_schema(self, connection: sqlite3.Connection) -> None:
        """Compares every table, index and trigger with those that guardian makes."""
        for difference in schema_differences(connection):
            self.found(FindingKind.SCHEMA, None, difference.message)

    def check_cells(self, connection: sqlite3.Connection) -> None:
        """Checks that each cell of the other tables has the type and the form that guardian writes."""
        for sentence in strange_cells(connection):
            self.found(FindingKind.CELL, None, sentence)

    def check_time(self, connection: sqlite3.Connection, now_ms: int | None) -> None:
        """Checks that the log's time is not further ahead of the clock than MAX_AHEAD_MS."""
        with suppress(StoreCorrupt):  # where there is no time, that is a finding already
            if now_ms is not None and (ahead_ms := logged_ms(connection) - now_ms) > MAX_AHEAD_MS:
                days = ahead_ms // DAY_MS
                message = f"the log's time is {days} day{'' if days == 1 else 's'} ahead of this machine's clock"
                self.found(FindingKind.TIME, None, message)

    def check_file(self, connection: sqlite3.Connection) -> None:
        """Runs SQLite's own check: a damaged page can be where the chain does not look."""
        for line in damages(connection, 5):
            self.found(FindingKind.DAMAGED, None, f"SQLite says: {line}")

    def check_anchors(self, anchors: dict[str, Checkpoint]) -> None:
        """Checks that the log has the row of every checkpoint."""
        for source, anchor in anchors.items():
            if self._holds(anchor):
                continue
            is_there = anchor.seq in self._at_anchor
            self.add(lost_row(anchor, is_there=is_there, last_seq=self._seq, source=source))

    def check_macs(self, connection: sqlite3.Connection, seal: SealCheck) -> None:
        """Checks the MAC of every row that has one, and that none lacks one that needs it; only with the log's key."""
        keys, after = seal.mac_keys, _BEFORE_ALL
        if keys is None:
            return
        check = MacCheck(keys, seal.sealed_at)
        rows: list[MacRow] = []
        while after == _BEFORE_ALL or len(rows) == BATCH:
            rows = connection.execute(MACS_AFTER, {"after": after, "limit": BATCH}).fetchall()
            for problem in check.problems(rows):
                self.found(FindingKind(problem.kind), problem.seq, problem.message)
            after = rows[-1][0] if rows else _AFTER_ALL
        self._without_mac = check.without

    def check_seal(self, seal: SealCheck, *, is_home: bool) -> None:
        """Checks the public key of the log, and the signatures and the age of its checkpoints."""
        for problem in seal.problems(self._seq, is_home=is_home):
            self.found(FindingKind(problem.kind), problem.seq, problem.message)
        if not self.findings:  # what is damaged or unreadable is no missing checkpoint
            self._missing = tuple(
                Finding(kind=FindingKind(one.kind), seq=one.seq, message=one.message)
                for one in seal.missing(self._seq, is_home=is_home)
            )

    def _holds(self, anchor: Checkpoint) -> bool:
        return self._at_anchor.get(anchor.seq) == anchor.digest

    def report(self, path: Path, anchors: dict[str, Checkpoint], seal: SealCheck) -> Report:
        """Returns what was found."""
        given = anchors.get(GIVEN)
        is_given = given is not None and self._holds(given)
        return Report(
            path=path,
            rows=self._rows,
            last_seq=self._seq,
            head=_hex(self._digest) if self._rows else None,
            first_ts_ms=_time(self._first_ts),
            last_ts_ms=_time(self._last_ts),
            anchors=tuple(
                Anchor(source=source, seq=anchor.seq, holds=self._holds(anchor)) for source, anchor in anchors.items()
            ),
            findings=tuple(finding for finding in self.findings if finding.identity not in seal.accepted),
            accepted=tuple(finding for finding in self.findings if finding.identity in seal.accepted),
            proven_by=seal.proven_by() or ("the checkpoint that was given" if is_given else None),
            unchecked=tuple(seal.unchecked()),
            tables_proven_from=1 if self._state.proven_from is None else self._state.proven_from,
            missing=self._missing,
            without_mac=self._without_mac,
        )


def _time(value: object) -> int | None:
    """Returns a time as it is in the file; None for a value that is no number."""
    return value if isinstance(value, int) else None


def _hex(digest: object) -> str:
    """Returns a digest in hex; an empty text for a value that is no digest."""
    return digest.hex() if isinstance(digest, bytes) else ""
