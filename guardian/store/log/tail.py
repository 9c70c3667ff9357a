"""Reads the end of the log at the beginning of each transaction: does it continue from where this process saw it end?

One statement, and one indexed row more than the end itself needs. Of rows that others wrote only the newest is held
against its digest here; those between it and the last known one are verified at the next start, and by `verify`.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from guardian.errors import StoreCorrupt
from guardian.store.log.checkpoint import Checkpoint
from guardian.store.log.encoding import GENESIS, digest_of
from guardian.store.log.verify import Finding, FindingKind, evidence_of, lost_row
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import Head
from guardian.store.schema.sqlite_errors import RESTORE_HINT

MAX_SEQ: Final = 2**62
"""Behind it SQLite has no numbers left for rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTail:
    """The end of the log: its last row, the latest window time, and what is wrong with it."""

    head: Head
    window_ms: int
    findings: tuple[Finding, ...]


def read_tail(connection: sqlite3.Connection, known: Head) -> LogTail:
    """Reads the end, and compares it with the last row that is known (`seq` 0: none).

    Raises:
        sqlite3.Error: it cannot be read.
        StoreCorrupt: no row can follow there, or the time is missing or not a number.
    """
    # There is one row of the trading state, which has the window time, and all of its rows are read.
    rows = connection.execute(sql.LOG_TAIL.sql, {"seq": known.seq, "digest": known.digest}).fetchall()
    if len(rows) != 1:
        raise StoreCorrupt("`guardian.db` has lost its trading state", hint=RESTORE_HINT)
    window_ms, seq, digest, prev_hash, ts_ms, body, known_digest = rows[0]
    head = Head(seq or 0, GENESIS if seq is None else _blob(digest))
    if not 0 <= head.seq < MAX_SEQ or not isinstance(window_ms, int):
        raise StoreCorrupt("`guardian.db` holds numbers that guardian did not write", hint=RESTORE_HINT)
    findings: list[Finding] = []
    if known.seq > 0 and known_digest != known.digest:
        lost = Checkpoint(seq=known.seq, digest=known.digest.hex())
        findings.append(lost_row(lost, is_there=known_digest is not None, last_seq=head.seq))
    elif head != known and seq is not None:
        findings += _of_newest(head, known, prev_hash, body)
    window_ms = max(window_ms, ts_ms if isinstance(ts_ms, int) else 0)
    return LogTail(head=head, window_ms=window_ms, findings=tuple(findings))


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
