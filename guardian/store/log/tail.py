"""Reads the end of the log at the beginning of each transaction: does it continue from where this process saw it end?

One statement, and one indexed row more than the end itself needs. Of rows that others wrote only the newest is held
against its digest here; those between it and the last known one are verified at the next start, and by `verify`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from guardian.errors import StoreCorrupt, StoreError
from guardian.store.log.encoding import GENESIS, digest_of
from guardian.store.log.read_only import read_only, row_at
from guardian.store.log_findings import Finding, FindingKind, evidence_of, lost_row
from guardian.store.log_times import is_time, latest_time
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import Checkpoint, Head
from guardian.store.schema.sqlite_errors import RESTORE_HINT

MAX_SEQ: Final = 2**62
"""Behind it SQLite has no numbers left for rows."""
MAX_JUMP: Final = 1_000_000
"""Maximum number of lost rows after which the log continues; a checkpoint that says more is not believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTail:
    """The end of the log: its last row, the latest window time, and what is wrong with it."""

    head: Head
    window_ms: int
    findings: tuple[Finding, ...]
    is_time_lost: bool = False
    """Whether the stored window time is no time."""


def lacks_row(database: Path, known: Head) -> bool:
    """Whether a database is known not to have a row of the log; False where it cannot be read. Never raises."""
    try:
        with read_only(database) as connection:
            row = row_at(connection, known.seq)
    except (StoreError, sqlite3.Error):
        return False
    return known.seq > 0 and (row is None or row.digest != known.digest)


def read_tail(connection: sqlite3.Connection, known: Head) -> LogTail:
    """Reads the end, and compares it with the last row that is known (`seq` 0: none).

    Raises:
        sqlite3.Error: it cannot be read.
        StoreCorrupt: no row can follow there, or the row of the trading state is missing.
    """
    # There is one row of the trading state, which has the window time, and all of its rows are read.
    rows = connection.execute(sql.LOG_TAIL.sql, {"seq": known.seq, "digest": known.digest}).fetchall()
    if len(rows) != 1:
        raise StoreCorrupt("`guardian.db` has lost its trading state, the row of `control`", hint=RESTORE_HINT)
    window_ms, seq, digest, prev_hash, ts_ms, body, known_digest = rows[0]
    head = Head(seq or 0, GENESIS if seq is None else _blob(digest))
    if not 0 <= head.seq < MAX_SEQ:
        raise StoreCorrupt("`guardian.db` holds numbers that guardian did not write", hint=RESTORE_HINT)
    findings: list[Finding] = []
    if known.seq > 0 and known_digest != known.digest:
        lost = Checkpoint(seq=known.seq, digest=known.digest.hex())
        findings.append(lost_row(lost, is_there=known_digest is not None, last_seq=head.seq))
    elif head != known and seq is not None:
        findings += _of_newest(head, known, prev_hash, body)
    latest_ms, is_lost = latest_time(window_ms, ts_ms), not is_time(window_ms)
    return LogTail(head=head, window_ms=latest_ms, findings=tuple(findings), is_time_lost=is_lost)


def head_after(last: Head, findings: Iterable[Finding]) -> Head:
    """Returns the head that the log continues after, where it ends at `last` and rows after that may be lost.

    Rows that are gone keep their numbers: the log continues after the last of them and names its digest, so that the
    gap is seen for good, and what was acknowledged is not taken for a new damage.
    """
    head = last
    for lost in (finding.lost for finding in findings if finding.lost is not None):
        if head.seq < lost.seq <= last.seq + MAX_JUMP:
            head = Head(lost.seq, bytes.fromhex(lost.digest))
    return head


def _of_newest(head: Head, known: Head, prev_hash: object, body: object) -> list[Finding]:
    """Returns what is wrong with the newest row, which another process wrote."""
    whole = digest_of(prev_hash, head.seq, body) if isinstance(prev_hash, bytes) and isinstance(body, bytes) else None
    if whole != head.digest:
        message = f"row {head.seq} was changed: its digest is another one"
        evidence = evidence_of(prev_hash, head.digest, body)
        return [Finding(kind=FindingKind.CONTENT, seq=head.seq, message=message, evidence=evidence)]
    if head.seq == known.seq + 1 and prev_hash != known.digest:
        message = f"row {head.seq} does not follow on the row before it"
        return [Finding(kind=FindingKind.CHAIN, seq=head.seq, message=message, evidence=evidence_of(known.digest))]
    return []


def _blob(value: object) -> bytes:
    """Returns a digest as it is in the file; for a value that is no digest, bytes that no row has."""
    return value if isinstance(value, bytes) and len(value) == len(GENESIS) else sha256(repr(value).encode()).digest()
