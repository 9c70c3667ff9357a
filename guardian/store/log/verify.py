"""Verifying the log: what can be proven of it, from the file alone and with a checkpoint kept elsewhere.

| finding   | what was done to the log                                                        |
|-----------|---------------------------------------------------------------------------------|
| CONTENT   | a body, a digest or a link was changed: the digest is not that of the row       |
| COLUMN    | a column says something else than the body                                       |
| GAP       | rows are missing before this one                                                |
| CHAIN     | a row does not follow on the one before it: rows were rewritten or moved        |
| TRUNCATED | the row of a checkpoint is gone: the log was cut off, or an older copy was put back |
| REWRITTEN | the row of a checkpoint is another one than it was                              |
| ORDER     | an order without its intent row, or an intent row without its order             |
| LEDGER    | flows do not add up to what an order executed, or to what is held              |
| OWNER     | a passkey, or the weakest proof that is accepted, is not what the log has      |
| SCHEMA    | a table, index or trigger of the store is missing                               |
| DAMAGED   | SQLite's own check of the file failed                                           |

The end of the log is verified each time that the store is opened, see `verify_tail`. What is found halts trading, see
`guardian.store.transaction.broken_chain`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from guardian.errors import StoreCorrupt
from guardian.store.log.checkpoint import Checkpoint, read_checkpoint
from guardian.store.log.encoding import GENESIS, count_intact
from guardian.store.log.read_only import BATCH, LogRow, database_path, read_only
from guardian.store.log.statements import (
    DIGEST_AT,
    FIRST_AND_LAST_SEQ,
    INTENTS_WITHOUT_ORDER,
    LAST_ROWS,
    ORDERS_WITHOUT_ROW,
    ROW_COLUMNS,
    ROWS_BETWEEN,
)
from guardian.store.log.verify_helper import Helper, helper_for
from guardian.store.log.verify_tables import imbalances, owner_differences
from guardian.store.schema.files import CHECKPOINT_NAME
from guardian.store.schema.sqlite_dialect import TRIGGER_NAMES, damages, part_names

MAX_FINDINGS: Final = 1000
TAIL: Final = 256
"""Rows at the end of the log that are verified when it is opened: a few milliseconds."""
BROKEN_CHAIN: Final = "broken_chain"
"""The cause of a halt, and the kind of an emergency record, that is about the log itself."""
CHAIN_IS_BROKEN: Final = "the chain of the log is broken"
REPORTED_BY: Final = f"{BROKEN_CHAIN}:"
"""The prefix of the key of a row that reports a broken chain. See `guardian.store.transaction.broken_chain`."""

_SEQ, _DIGEST, _TIME = (ROW_COLUMNS.index(name) for name in ("seq", "digest", "ts_ms"))
_BEFORE_ALL, _AFTER_ALL = -(2**62), 2**63 - 1
"""Around the numbers of all rows, of one that was moved before the first or behind the last as well."""
Progress = Callable[[int, int], None]
"""Is called with the number of rows that were verified, and of all that there were at the beginning, both about."""


class FindingKind(StrEnum):
    """What is wrong; see the table above."""

    CONTENT = "CONTENT"
    COLUMN = "COLUMN"
    GAP = "GAP"
    CHAIN = "CHAIN"
    TRUNCATED = "TRUNCATED"
    REWRITTEN = "REWRITTEN"
    ORDER = "ORDER"
    LEDGER = "LEDGER"
    OWNER = "OWNER"
    SCHEMA = "SCHEMA"
    DAMAGED = "DAMAGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, and the row where it shows."""

    kind: FindingKind
    message: str
    seq: int | None = None
    lost: Checkpoint | None = None
    """The row that was there once, for TRUNCATED and REWRITTEN."""
    evidence: str = ""
    """What distinguishes this damage from another at the same row."""
    is_reported: bool = False
    """Whether the row where it shows is the one that reports it."""

    @property
    def identity(self) -> str:
        """The same damage has the same identity, whoever finds it and however often."""
        if self.lost is not None:
            return f"LOST {self.lost.seq} {self.lost.digest[:16]}"
        known = sha256(f"{self.message}\0{self.evidence}".encode("utf-8", "backslashreplace")).hexdigest()
        return f"{self.kind.value} {self.seq or 0} {known[:16]}"


def evidence_of(*what: object) -> str:
    """Returns a short digest of what is in the file in place of what was written."""
    return sha256(repr(what).encode("utf-8", "backslashreplace")).hexdigest()


def lost_row(row: Checkpoint, *, is_there: bool, last_seq: int, source: str | None = None) -> Finding:
    """Returns the finding that a row which was there once is gone, or is another one now."""
    where = "" if source is None else f" of the checkpoint ({source})"
    if is_there:
        message = f"row {row.seq} is not the one{where or ' that was written'}"
        return Finding(kind=FindingKind.REWRITTEN, seq=row.seq, message=message, lost=row)
    message = f"the log ends at row {last_seq}, and row {row.seq}{where} is gone"
    if last_seq > row.seq:
        message = f"row {row.seq}{where} is gone"
    return Finding(kind=FindingKind.TRUNCATED, seq=min(last_seq, row.seq), message=message, lost=row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A checkpoint that the log was held against: where it came from, and whether the log has its row."""

    source: str
    seq: int
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was looked at and what was found. Rows that were cut off after the last anchor cannot be seen."""

    path: Path
    rows: int
    last_seq: int
    head: str | None
    """The digest of the last row, in hex."""
    first_ts_ms: int | None
    last_ts_ms: int | None
    anchors: tuple[Anchor, ...]
    findings: tuple[Finding, ...]

    @property
    def is_intact(self) -> bool:
        """Nothing was found."""
        return not self.findings

    @property
    def unanchored(self) -> int:
        """Rows after the last checkpoint: chained, but whether some were cut off after them cannot be seen."""
        return max(0, self.last_seq - max((anchor.seq for anchor in self.anchors), default=0))


def verify(place: Path, checkpoint: Checkpoint | None = None, progress: Progress | None = None) -> Report:
    """Verifies the log of a home folder (or a copy of `guardian.db`) against its own checkpoint and the one given.

    `progress` is called after each batch of rows.

    Raises:
        StoreUnavailable: there is no database, or it cannot be read now; nothing is said about the log then.
    """
    path = database_path(place)
    verification = Verification()
    # Anchors first: the log only grows, so whatever they name must be in what is read after them.
    anchors = _anchors(path, checkpoint, verification)
    if not path.exists() and anchors:
        most = max(anchors.values(), key=lambda anchor: anchor.seq)
        message = f"`{path.name}` is gone, but a checkpoint knows of {most.seq} rows"
        verification.add(Finding(kind=FindingKind.TRUNCATED, message=message, lost=most))
        return verification.report(path, anchors)
    try:
        with read_only(path) as connection:
            verification.check_rows(path, connection, anchors, progress)
            verification.check_schema(connection)
            verification.check_orders(connection)
            verification.check_ledger(connection)
            verification.check_owner(connection)
            verification.check_file(connection)
    except StoreCorrupt as error:
        verification.found(FindingKind.DAMAGED, None, error.message)
    verification.check_anchors(anchors)
    return verification.report(path, anchors)


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


def _anchors(path: Path, given: Checkpoint | None, verification: Verification) -> dict[str, Checkpoint]:
    anchors = {} if given is None else {"given": given}
    try:
        own = read_checkpoint(path.parent)
    except StoreCorrupt as error:
        verification.found(FindingKind.DAMAGED, None, error.message)
    except OSError:
        own = None
    else:
        if own is not None:
            anchors[CHECKPOINT_NAME] = own
    return anchors


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
        for seq in wanted:
            at = connection.execute(DIGEST_AT, {"seq": seq}).fetchone()
            if at is not None and helper.after < seq <= found.seq:
                self._at_anchor[seq] = _hex(at[0])
        self._rows += found.count
        self._read, self._seq, self._digest = found.seq, found.seq, bytes.fromhex(found.digest)
        self._last_ts = found.ts_ms

    def check(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Verifies the rows that follow, oldest first, each with ROW_COLUMNS."""
        at = 0
        while at < len(rows):
            intact = rows[at : at + count_intact(rows, at, self._seq, self._digest)]
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
        """Checks that the triggers are there, which keep the log append-only."""
        for name in sorted(TRIGGER_NAMES - part_names(connection, "trigger")):
            self.found(FindingKind.SCHEMA, None, f"the trigger `{name}` was removed")

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

    def _holds(self, anchor: Checkpoint) -> bool:
        return self._at_anchor.get(anchor.seq) == anchor.digest

    def report(self, path: Path, anchors: dict[str, Checkpoint]) -> Report:
        """Returns what was found."""
        return Report(
            path=path,
            rows=self._rows,
            last_seq=self._seq,
            head=_hex(self._digest) if self._rows else None,
            first_ts_ms=self._first_ts,
            last_ts_ms=self._last_ts,
            anchors=tuple(
                Anchor(source=source, seq=anchor.seq, holds=self._holds(anchor)) for source, anchor in anchors.items()
            ),
            findings=tuple(self.findings),
        )


def _hex(digest: object) -> str:
    """Returns a digest in hex; an empty text for a value that is no digest."""
    return digest.hex() if isinstance(digest, bytes) else ""
