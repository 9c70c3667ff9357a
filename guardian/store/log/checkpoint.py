"""The checkpoint: a file outside the database that says how far the log once went.

A sealed log has a signed note there, see `guardian.store.seal.note`. Any other has one line without a signature, which
whoever writes the folder can write too:

    guardian/audit/chain/v1 <seq> <digest in hex>

It is written only after the row was committed with `synchronous=FULL`, and never goes back, so the log always has the
row that it names; a log that has not was cut off or rewritten. A note is never replaced by a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from filelock import FileLock, Timeout

from guardian.errors import NotPrivate, StoreCorrupt
from guardian.store.schema.files import CHECKPOINT_LOCK_NAME, CHECKPOINT_NAME, DATABASE_NAME
from guardian.store.schema.records import CHECKPOINT_ORIGIN, Checkpoint, Entry
from guardian.store.seal.checks import KeptCheckpoint
from guardian.store.seal.note import MAX_NOTE_BYTES, Note, is_note, parse_note
from guardian.system.private_files import open_without_waiting, read_private, replace_file

_LOCK_TIMEOUT_S: Final = 1.0
_LINE: Final = re.compile(CHECKPOINT_ORIGIN + r" ([1-9][0-9]{0,17}) ([0-9a-f]{64})\n?", re.ASCII)
_SHORT: Final = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", re.ASCII)


class Log(Protocol):
    """What a checkpoint is taken of."""

    def head(self) -> Entry | None:
        """Returns the last committed row."""


def parse_checkpoint(text: str) -> Checkpoint:
    """Returns a checkpoint from a signed note, a file's line, or `SEQ:DIGEST`. Raises ValueError.

    The signatures of a note are not verified here.
    """
    if is_note(text):
        note = parse_note(text)
        return Checkpoint(seq=note.seq, digest=note.digest)
    found = _LINE.fullmatch(text) or _SHORT.fullmatch(text)
    if found is None:
        raise ValueError(f"not a checkpoint: a signed note, a line `{CHECKPOINT_ORIGIN} SEQ DIGEST`, or `SEQ:DIGEST`")
    return Checkpoint(seq=int(found[1]), digest=found[2])


def read_checkpoint(home: Path) -> Checkpoint | None:
    """Returns the checkpoint of a home; None where none was written yet.

    Raises:
        StoreCorrupt: the file is there and is not a checkpoint.
        OSError: it cannot be read.
    """
    found = read_checkpoint_text(home)
    return None if found is None else _parsed(found)


def read_checkpoint_text(home: Path) -> str | None:
    """Returns what the checkpoint's file holds; None where there is no file. Raises OSError."""
    try:
        return read_private(home / CHECKPOINT_NAME)[:MAX_NOTE_BYTES].decode("utf-8", "replace")
    except FileNotFoundError:
        return None


def _parsed(text: str) -> Checkpoint:
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
    """Writes a checkpoint of committed rows unless there is a later or a signed one; False where it failed."""

    def is_later(before: str | None) -> bool:
        return before is None or (not is_note(before) and _parsed(before).seq < checkpoint.seq)

    return _keep(home, checkpoint.line, is_later)


def keep_note(home: Path, note: Note, *, replaces: bool = False) -> bool:
    """Writes a signed checkpoint of committed rows unless there is a later one; False where it failed.

    With `replaces` it is written whatever is there: the owner has accepted what was lost.
    """

    def is_later(before: str | None) -> bool:
        return before is None or replaces or not is_note(before) or _parsed(before).seq < note.seq

    return _keep(home, note.text, is_later)


def _keep(home: Path, text: str, is_later: Callable[[str | None], bool]) -> bool:
    try:
        with FileLock(home / CHECKPOINT_LOCK_NAME, timeout=_LOCK_TIMEOUT_S, mode=0o600):
            if is_later(read_checkpoint_text(home)):
                replace_file(home / CHECKPOINT_NAME, text.encode())
    except (OSError, Timeout, StoreCorrupt, NotPrivate):
        return False
    return True


def copy_name(log: str) -> str:
    """Returns the name of a log's checkpoint in the second folder, which homes may share."""
    return f"guardian-{log}.checkpoint"


def kept_copy(folder: str, log: str) -> KeptCheckpoint:
    """Returns the signed checkpoint in the second folder. Raises OSError and ValueError."""
    with open_without_waiting(Path(folder) / copy_name(log)) as file:
        note = parse_note(file.read(MAX_NOTE_BYTES).decode("utf-8", "replace"))
    return KeptCheckpoint(source=folder, seq=note.seq, digest=note.digest, note=note)


def note_in_log(text: object) -> KeptCheckpoint:
    """Returns the signed checkpoint that the database has. Raises StoreCorrupt where it is not one."""
    try:
        note = parse_note(str(text))
    except ValueError:
        raise StoreCorrupt("the checkpoint in the database is damaged") from None
    return KeptCheckpoint(source=DATABASE_NAME, seq=note.seq, digest=note.digest, note=note)


def kept_checkpoint(home: Path) -> KeptCheckpoint | None:
    """Returns the checkpoint in the home; None where it is missing. Raises as `read_checkpoint`."""
    text = read_checkpoint_text(home)
    if text is None:
        return None
    found = _parsed(text)
    note = parse_note(text) if is_note(text) else None
    return KeptCheckpoint(source=CHECKPOINT_NAME, seq=found.seq, digest=found.digest, note=note)


def keep_copy(folder: str, note: Note) -> bool:
    """Writes a signed checkpoint to the second folder, which is not made here; False where it failed."""
    place = Path(folder)
    try:
        if not place.is_dir():
            return False
        replace_file(place / copy_name(note.log), note.text.encode())
    except (OSError, NotPrivate):
        return False
    return True
