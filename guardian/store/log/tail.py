"""Reads the end of the log at the beginning of each transaction: does it continue from where this process saw it end?

One statement, and one indexed row more than the end itself needs. Of rows that others wrote only the newest is held
against its digest here; those between it and the last known one are verified at the next start, and by `verify`. The
one module of the log that needs SQLAlchemy: it runs on the connection that writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, null, select, true, type_coerce
from sqlalchemy.types import NullType

from guardian.errors import StoreCorrupt
from guardian.store.log.checkpoint import Checkpoint
from guardian.store.log.encoding import GENESIS, digest_of
from guardian.store.log.verify import Finding, FindingKind, evidence_of, lost_row
from guardian.store.schema.records import Head
from guardian.store.schema.sqlite_errors import RESTORE_HINT
from guardian.store.schema.tables import AUDIT, CONTROL

MAX_SEQ: Final = 2**62
"""Behind it SQLite has no numbers left for rows."""


def _as_stored(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns a column without its type: one that somebody changed may hold a value of another."""
    return type_coerce(column, NullType())


_KNOWN: Final = AUDIT.alias("known")
_LAST: Final = (
    select(*(_as_stored(AUDIT.c[name]).label(name) for name in ("seq", "digest", "prev_hash", "ts_ms", "body")))
    .order_by(AUDIT.c.seq.desc())
    .limit(1)
    .subquery("last")
)
_IS_KNOWN: Final = and_(_LAST.c.seq == bindparam("seq"), _LAST.c.digest == bindparam("digest"))
_TAIL: Final = (
    select(
        _as_stored(CONTROL.c.window_ms).label("window_ms"),
        _LAST.c.seq, _LAST.c.digest, _LAST.c.prev_hash, _LAST.c.ts_ms,
        # The body of the newest row is read only where another process wrote it.
        case((_IS_KNOWN, null()), else_=_LAST.c.body).label("body"),
        _as_stored(_KNOWN.c.digest).label("known"),
    )
    .select_from(CONTROL.outerjoin(_LAST, true()).outerjoin(_KNOWN, _KNOWN.c.seq == bindparam("seq")))
    .where(CONTROL.c.id == 1)
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTail:
    """The end of the log: its last row, the latest window time, and what is wrong with it."""

    head: Head
    window_ms: int
    findings: tuple[Finding, ...]


def read_tail(connection: Connection, known: Head) -> LogTail:
    """Reads the end, and compares it with the last row that is known (`seq` 0: none).

    Raises:
        SQLAlchemyError: it cannot be read.
        StoreCorrupt: no row can follow there, or the time is not a number.
    """
    row = connection.execute(_TAIL, {"seq": known.seq, "digest": known.digest}).one()
    head = Head(row.seq or 0, GENESIS if row.seq is None else _blob(row.digest))
    if not 0 <= head.seq < MAX_SEQ or not isinstance(row.window_ms, int):
        raise StoreCorrupt("`guardian.db` holds numbers that guardian did not write", hint=RESTORE_HINT)
    window_ms = max(row.window_ms, row.ts_ms if isinstance(row.ts_ms, int) else 0)
    findings: list[Finding] = []
    if known.seq > 0 and row.known != known.digest:
        lost = Checkpoint(seq=known.seq, digest=known.digest.hex())
        findings.append(lost_row(lost, is_there=row.known is not None, last_seq=head.seq))
    elif head != known and row.seq is not None:
        findings += _of_newest(head, known, row.prev_hash, row.body)
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
