"""Keeps the seal of a serving home: looks for a loss at the start, and then signs checkpoints as the log grows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from guardian.errors import CredentialsError, GuardianError
from guardian.gate.base.journal import Journal
from guardian.gate.seal.log_evidence import evidence_of, keyring_items, seal_of_log
from guardian.gate.seal.log_signer import LogSigner
from guardian.store.log.read_only import database_path, last_seq, read_only
from guardian.store.log.statements import DIGEST_AT
from guardian.store.log.verify import KEYRING
from guardian.store.log_findings import Finding, lost_row
from guardian.store.schema.records import Checkpoint
from guardian.store.seal.evidence import LogAnchor

if TYPE_CHECKING:
    from guardian.credentials.log.home_items import HomeItems

LOOK_S: Final = 5.0
"""How often the end of the log is looked at."""


async def keep_seal(journal: Journal, *, items: Callable[[Path], HomeItems] | None = None) -> None:
    """Begins to sign, if the keyring has the key of the log and opens no window; then signs until it is cancelled."""
    await journal.run(lambda: begin_seal(journal, items=items))
    while journal.signer is not None:
        await anyio.sleep(LOOK_S)
        await journal.run(journal.signer.advance_if_due)


def begin_seal(journal: Journal, *, items: Callable[[Path], HomeItems] | None = None) -> None:
    """Gives the journal the signer of its log, where there is one, and halts trading where the log has lost rows.

    Nothing is asked of a person, and nothing is raised: without a keyring the log continues without signatures.
    """
    seal = seal_of_log(journal.home)
    try:
        kept = (items or keyring_items)(journal.home)
    except CredentialsError:
        return
    found = evidence_of(kept, seal.name, asks_nothing=True)
    lost = None if found.anchor is None else loss_since(journal.home, found.anchor)
    try:
        if lost is not None:
            journal.halt_on_broken_chain([lost])
            return
    except GuardianError:
        return  # the halt could not be written anywhere; nothing of this log is signed
    if found.keys is not None and seal.name is not None:
        journal.signer = LogSigner(journal.home, found.keys, kept, seal.rows.folder)
        journal.signer.advance()


def loss_since(home: Path, anchor: LogAnchor) -> Finding | None:
    """Returns the finding that the log lacks the row of an anchor; None where it has it, or cannot be read now."""
    row = Checkpoint(seq=anchor.seq, digest=anchor.digest)
    try:
        with read_only(database_path(home)) as connection:
            at = connection.execute(DIGEST_AT, {"seq": row.seq}).fetchone()
            if at is not None and at[0] == bytes.fromhex(row.digest):
                return None
            return lost_row(row, is_there=at is not None, last_seq=last_seq(connection), source=KEYRING)
    except (GuardianError, sqlite3.Error):
        return None
