"""What verifying a log finds.

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
| STATE     | a row of another table is not the one that the log has, or one of them is missing; or it was edited, |
|           | and the log has it with the edit since guardian wrote it again; or an order was reserved during a halt |
| OWNER     | a passkey, or the weakest proof that is accepted, is not what the log has      |
| CHECKPOINT | a checkpoint of a sealed log is missing, unsigned, of another log, or older than one elsewhere |
| SEAL      | the row of a sealed log's public key is gone, or names another key             |
| CELL      | a cell has a type or a form that guardian never writes there                   |
| MAC       | a row of a sealed log was not written with its key                             |
| TIME      | the log's time is more than a day ahead of this machine's clock                |
| SCHEMA    | a table, index or trigger is missing, another one than guardian's, or foreign   |
| DAMAGED   | SQLite's own check of the file failed                                           |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

from guardian.store.schema.records import Checkpoint

BROKEN_CHAIN: Final = "broken_chain"
"""The cause of a halt, and the kind of an emergency record, that is about the log itself."""
CHAIN_IS_BROKEN: Final = "the chain of the log is broken"
REPORTED_BY: Final = f"{BROKEN_CHAIN}:"
"""The prefix of the key of a row that reports a broken chain. See `guardian.store.transaction.broken_chain`."""


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
    STATE = "STATE"
    OWNER = "OWNER"
    CHECKPOINT = "CHECKPOINT"
    SEAL = "SEAL"
    MAC = "MAC"
    CELL = "CELL"
    TIME = "TIME"
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
    accepted: tuple[Finding, ...] = ()
    """Damage that the owner has accepted, and that is no finding any more."""
    proven_by: str | None = None
    """What vouches for the log from outside its folder; None where nothing does."""
    unchecked: tuple[str, ...] = ()
    """What could not be verified, each in a sentence for people."""
    tables_proven_from: int = 1
    """The row of the log from which on it has the rows of the other tables: not 1 where an older guardian began it."""
    missing: tuple[Finding, ...] = ()
    """What such a log should have and lacks, where nothing shows that it was ever there: no damage, and no proof."""
    without_mac: int = 0
    """Rows that a process without the key wrote after the log was sealed, of kinds that let no money move."""

    @property
    def is_intact(self) -> bool:
        """Nothing was found that the owner has not accepted."""
        return not self.findings

    @property
    def is_proven(self) -> bool:
        """Nothing was found or is missing, and something from outside the folder says that it is the log itself."""
        return self.is_intact and not self.missing and self.proven_by is not None

    @property
    def unanchored(self) -> int:
        """Rows after the last checkpoint: chained, but whether some were cut off after them cannot be seen."""
        return max(0, self.last_seq - max((anchor.seq for anchor in self.anchors), default=0))
