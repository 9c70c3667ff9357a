"""What SQLite and the disk say, in guardian's words."""

from __future__ import annotations

import sqlite3
from typing import Final

from guardian.errors import StoreConflict, StoreCorrupt, StoreError, StoreUnavailable
from guardian.store.schema.any_text import is_undecodable

_PRIMARY: Final = 0xFF
"""SQLite's extended error codes keep the plain one in their last byte."""

DISK_IS_FULL: Final = "the disk is full"

_REASONS: Final[dict[int, tuple[str, str]]] = {
    sqlite3.SQLITE_FULL: (DISK_IS_FULL, "free some space; guardian continues by itself"),
    sqlite3.SQLITE_READONLY: (
        "its folder or file is read-only",
        "make guardian's home writable for you; guardian continues by itself",
    ),
    sqlite3.SQLITE_IOERR: (
        "the disk could not be read or written",
        "look at the disk; guardian tries again at each call",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "it could not be opened",
        "look whether guardian's home is there, writable for you, and not full",
    ),
    sqlite3.SQLITE_BUSY: ("another process holds it", "try again in a moment; `guardian status` shows what runs"),
    sqlite3.SQLITE_LOCKED: ("another process holds it", "try again in a moment"),
    sqlite3.SQLITE_PERM: ("the system does not permit it", "make guardian's home writable for you"),
    sqlite3.SQLITE_AUTH: ("the system does not permit it", "make guardian's home writable for you"),
    sqlite3.SQLITE_NOMEM: ("there is not enough memory", "close something; guardian tries again at each call"),
}
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})

UNWRITTEN: Final = (sqlite3.Error, ValueError, OverflowError)
"""What `sqlite3` raises: besides its own errors, those about integers over 64 bits and text that UTF-8 cannot have."""

RESTORE_HINT: Final = "`guardian audit verify` shows more; restore `guardian.db` from a backup"

LEAST_SQLITE: Final = (3, 35, 0)
"""The first version of SQLite that has `RETURNING`, by which each transaction writes its rows into the log."""
NEWER_SQLITE_HINT: Final = (
    "install guardian with a Python that has a newer SQLite, as those of uv and python.org do: "
    "`uv tool install --python 3.13 --python-preference only-managed --reinstall .`"
)


def why_too_old() -> str | None:
    """Returns a sentence where the SQLite of this Python is older than LEAST_SQLITE; else None."""
    if sqlite3.sqlite_version_info >= LEAST_SQLITE:
        return None
    least = ".".join(map(str, LEAST_SQLITE[:2]))
    return f"this Python has SQLite {sqlite3.sqlite_version}, and guardian needs {least} or newer"


def require_sqlite() -> None:
    """Raises StoreUnavailable where the SQLite of this Python is older than LEAST_SQLITE."""
    why = why_too_old()
    if why is not None:
        raise StoreUnavailable(f"the log cannot be opened: {why}", hint=NEWER_SQLITE_HINT)


def translated(error: Exception) -> StoreError:
    """Returns the StoreError for what sqlite3 or the system raised."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, sqlite3.IntegrityError):
        return StoreConflict("this was done already, or it would break an interlock of the store")
    if is_undecodable(error):
        return StoreCorrupt("`guardian.db` has text that is not UTF-8, which guardian never writes", hint=RESTORE_HINT)
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None) or 0
        if code & _PRIMARY in _DAMAGED:
            return StoreCorrupt("`guardian.db` is damaged, or is not a guardian store", hint=RESTORE_HINT)
        reason, hint = _REASONS.get(code & _PRIMARY, ("SQLite failed", "`guardian audit verify` shows more"))
        return StoreUnavailable(f"the log cannot be written: {reason}", hint=hint)
    if isinstance(error, OSError):
        return StoreUnavailable(
            f"the log cannot be opened: {error.strerror or type(error).__name__}",
            hint="look whether guardian's home is there, writable for you, and not full",
        )
    return StoreUnavailable("the log cannot be written: it cannot hold such a value")


def damaged_cell(sentence: str) -> StoreCorrupt:
    """Returns the error for a cell that guardian never wrote so; `sentence` names it, see `cells`."""
    return StoreCorrupt(f"`guardian.db` was changed: {sentence}", hint=RESTORE_HINT)
