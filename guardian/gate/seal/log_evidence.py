"""Gathers what the keyring knows of a home's log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardian.errors import CredentialsError, GuardianError
from guardian.store.log.read_only import database_path, read_only
from guardian.store.log.statements import FIRST_DIGEST, ROWS_OF_SEAL
from guardian.store.seal.evidence import LogAnchor, SealEvidence
from guardian.store.seal.note import VerifierKey
from guardian.store.seal.seal_keys import SealKeys
from guardian.store.seal.seal_rows import SealRows, seal_rows

if TYPE_CHECKING:
    from guardian.credentials.log.home_items import HomeItems

TIMEOUT_S: Final = 3.0
NOT_ASKED: Final = "the keyring was not asked: that might open a window"


@dataclass(frozen=True, slots=True)
class LogSeal:
    """The name of a log, None while it is empty, and its rows about its seal."""

    name: str | None
    rows: SealRows


def seal_of_log(home: Path) -> LogSeal:
    """Returns what the log of a home says of its seal; nothing where it cannot be read."""
    name, rows = None, seal_rows(())
    with suppress(GuardianError, sqlite3.Error), read_only(database_path(home)) as connection:
        rows = seal_rows(connection.execute(ROWS_OF_SEAL).fetchall())
        first = connection.execute(FIRST_DIGEST).fetchone()
        name = first[0].hex()[:32] if first is not None and isinstance(first[0], bytes) else None
    return LogSeal(name, rows)


def keyring_items(home: Path) -> HomeItems:
    """Returns the items of a home. Raises KeyringUnavailable."""
    # Nothing of the keyring is imported by what writes no signature.
    from guardian.credentials.log.home_items import open_home_items

    return open_home_items(home, timeout_s=TIMEOUT_S)


def evidence_of(items: HomeItems, name: str | None, *, asks_nothing: bool = False) -> SealEvidence:
    """Returns what the keyring has of the log with this name, and of the home. With `asks_nothing` no window opens.

    Whatever the keyring does not answer is said in `unchecked`.
    """
    try:
        if asks_nothing and not items.asks_nothing():
            return SealEvidence(unchecked=(NOT_ASKED,))
        kept = items.anchor()
        root = None if name is None else items.root(name)
    except CredentialsError as error:
        return SealEvidence(unchecked=(error.message,))
    anchor = None if kept is None else LogAnchor(log=kept.log, seq=kept.seq, digest=kept.digest)
    if root is None or name is None:
        return SealEvidence(anchor=anchor)
    return SealEvidence(keys=SealKeys(root.key_bytes, name), anchor=anchor, was_sealed=root.is_sealed)


def gather_evidence(
    home: Path,
    given: VerifierKey | None = None,
    *,
    asks_nothing: bool = False,
    items: Callable[[Path], HomeItems] | None = None,
) -> SealEvidence:
    """Returns what the keyring has of a home's log, with the public key that the owner gave.

    With `asks_nothing` no window opens.
    """
    name = seal_of_log(home).name
    try:
        found = evidence_of((items or keyring_items)(home), name, asks_nothing=asks_nothing)
    except CredentialsError as error:
        found = SealEvidence(unchecked=(error.message,))
    return replace(found, given=given)
