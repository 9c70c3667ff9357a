"""The checkpoint: one line outside the database that says how far the log once went.

    guardian/audit/chain/v1 <seq> <digest in hex>

It is written only after the row was committed with `synchronous=FULL`, and never goes back, so the log always has the
row that it names; a log that has not was cut off or rewritten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from filelock import FileLock, Timeout

from guardian.errors import NotPrivate, StoreCorrupt
from guardian.store.schema.files import CHECKPOINT_LOCK_NAME, CHECKPOINT_NAME
from guardian.store.schema.records import Entry
from guardian.system.private_files import read_private, replace_file

_LOCK_TIMEOUT_S: Final = 1.0
ORIGIN: Final = "guardian/audit/chain/v1"
_LINE: Final = re.compile(ORIGIN + r" ([1-9][0-9]{0,17}) ([0-9a-f]{64})\n?", re.ASCII)
_SHORT: Final = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", re.ASCII)


class Log(Protocol):
    """What a checkpoint is taken of."""

    def head(self) -> Entry | None:
        """Returns the last committed row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far the log went: a row's number and its digest in hex."""

    seq: int
    digest: str

    @property
    def line(self) -> str:
        """The text of a checkpoint file."""
        return f"{ORIGIN} {self.seq} {self.digest}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Returns a checkpoint from a file's line or from `SEQ:DIGEST`. Raises ValueError."""
    found = _LINE.fullmatch(text) or _SHORT.fullmatch(text)
    if found is None:
        raise ValueError(f"not a checkpoint: a line `{ORIGIN} SEQ DIGEST`, or `SEQ:DIGEST`")
    return Checkpoint(seq=int(found[1]), digest=found[2])


def read_checkpoint(home: Path) -> Checkpoint | None:
    """Returns the checkpoint of a home; None where none was written yet.

    Raises:
        StoreCorrupt: the file is there and is not a checkpoint.
        OSError: it cannot be read.
    """
    try:
        text = read_private(home / CHECKPOINT_NAME).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    try:
        return parse_checkpoint(text)
    except ValueError:
        raise StoreCorrupt(
            f"`{CHECKPOINT_NAME}` is damaged",
            hint="run `guardian audit verify` with a checkpoint that you kept; if the log is intact, remove this file",
        ) from None


def write_checkpoint(home: Path, store: Log) -> bool:
    """Brings the home's checkpoint up to the last committed row; False where it could not be: it is older then.

    Raises StoreError where the store cannot be read.
    """
    head = store.head()
    return head is None or keep_checkpoint(home, Checkpoint(seq=head.seq, digest=head.digest))


def keep_checkpoint(home: Path, checkpoint: Checkpoint) -> bool:
    """Writes a checkpoint of committed rows unless there is a later one; False where it could not be written."""
    try:
        with FileLock(home / CHECKPOINT_LOCK_NAME, timeout=_LOCK_TIMEOUT_S, mode=0o600):
            before = read_checkpoint(home)
            if before is None or before.seq < checkpoint.seq:
                replace_file(home / CHECKPOINT_NAME, checkpoint.line.encode())
    except (OSError, Timeout, StoreCorrupt, NotPrivate):
        return False
    return True
