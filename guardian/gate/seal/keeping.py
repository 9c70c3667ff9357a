"""The seal of one home's log in one process: its key, once the keyring gave it, MACs and signed checkpoints.

A server looks at the keyring when it begins, in a worker thread, and asks nothing of a person then; the first order
waits for that. A command asks it when it writes a row that needs a MAC. Whoever writes no such row imports nothing of
it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardian.errors import CredentialsError, GuardianError, StoreUnavailable
from guardian.gate.base.journal import Journal
from guardian.gate.seal.log_evidence import LogSeal, evidence_of, keyring_items, seal_of_log
from guardian.gate.seal.log_signer import LogSigner
from guardian.store.log.read_only import database_path, last_seq, read_only
from guardian.store.log.statements import DIGEST_AT
from guardian.store.log.verify import KEYRING
from guardian.store.log_findings import Finding, lost_row
from guardian.store.schema.records import Checkpoint
from guardian.store.seal.evidence import LogAnchor, SealEvidence

if TYPE_CHECKING:
    from guardian.credentials.log.home_items import HomeItems

LOOK_S: Final = 5.0
"""How often a server looks at the end of the log."""
ASK_AGAIN_S: Final = 30.0
"""How long a keyring that gave no key is left alone."""
NO_KEY: Final = "the log is sealed, and the keyring does not give its key"
LOST_HINT: Final = "put the newest copy of `guardian.db` back, or `guardian audit accept-loss --reason TEXT`"
NO_KEY_HINT: Final = "unlock the keyring or vault, and try again; `guardian doctor` says what is wrong with it"

Items = Callable[[Path], "HomeItems"]


class SealKeeper:
    """The seal of the log of one journal; see `HomeSeal` of the journal. Thread-safe."""

    def __init__(
        self,
        journal: Journal,
        *,
        items: Items | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        signs_at_end: bool = True,
    ) -> None:
        self._journal = journal
        self._home = journal.home
        self._items = items
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._signs_at_end = signs_at_end
        self._signer: LogSigner | None = None
        self._is_sealed: bool | None = None
        self._asked_at: float | None = None
        self._looked_at: float | None = None
        self._lost: Finding | None = None
        self._wrote = False
        self.has_begun = False

    def adopt(self, signer: LogSigner) -> None:
        """Uses a signer from now on."""
        self._signer, self._is_sealed = signer, True

    def begin(self) -> None:
        """Halts trading where the keyring knows of rows that the log has lost; else signs the log as it is now.

        Nothing is asked of a person, and nothing is raised: without a keyring the log continues without signatures.
        A keyring that is locked, or did not answer, is asked again by the next `begin` after ASK_AGAIN_S.
        """
        lost = self._looked()
        if lost is not None:
            with suppress(GuardianError):  # where the halt cannot be written, no order can be either
                self._journal.halt_on_broken_chain([lost])
        elif self._signer is not None:
            self._signer.advance()
            self._keep_in_log()

    def _looked(self) -> Finding | None:
        """Asks the keyring for key and anchor; returns the finding that rows are lost, if they are."""
        with self._lock:
            if self._signer is not None:
                self.has_begun = True
                return None
            if self._is_recent(self._looked_at):
                return None
            seal = seal_of_log(self._home)
            self._is_sealed = bool(seal.rows.keys)
            try:
                kept = (self._items or keyring_items)(self._home)
            except CredentialsError:
                self.has_begun = True
                return None
            found = evidence_of(kept, seal.name, asks_nothing=True)
            self.has_begun = not found.unchecked
            self._looked_at = self._monotonic() if found.unchecked else None
            return self._adopt_unless_lost(found, kept, seal)

    def _adopt_unless_lost(self, found: SealEvidence, kept: HomeItems, seal: LogSeal) -> Finding | None:
        """Uses the key that the keyring has, unless its anchor shows that rows are lost; returns that finding."""
        self._lost = None if found.anchor is None else loss_since(self._home, found.anchor)
        if self._lost is None and found.keys is not None:
            self.adopt(LogSigner(self._home, found.keys, kept, seal.rows.folder))
        return self._lost

    def mac_of(self, digest: bytes) -> bytes | None:
        """Returns the MAC of a row; None where this process does not have the key."""
        self._wrote = True
        return None if self._signer is None else self._signer.keys.mac_of(digest)

    def required_mac_of(self, digest: bytes) -> bytes | None:
        """Returns the MAC of a row; None where the log is not sealed.

        Raises StoreUnavailable where it is and the keyring does not give its key.
        """
        if self._signer is None and self._is_sealed is not False:
            self._ask()
        if self._signer is None and self._is_sealed:
            if self._lost is not None:
                raise StoreUnavailable(self._lost.message, hint=LOST_HINT)
            raise StoreUnavailable(NO_KEY, hint=NO_KEY_HINT)
        return self.mac_of(digest)

    def _ask(self) -> None:
        """Asks the keyring for the key of a sealed log, also where that may open a window."""
        with self._lock:
            seal = seal_of_log(self._home)
            self._is_sealed = bool(seal.rows.keys)
            if self._signer is not None or not self._is_sealed or self._is_recent(self._asked_at):
                return
            self._asked_at = self._monotonic()
            with suppress(CredentialsError):
                kept = (self._items or keyring_items)(self._home)
                self._adopt_unless_lost(evidence_of(kept, seal.name), kept, seal)

    def _is_recent(self, at: float | None) -> bool:
        return at is not None and self._monotonic() - at < ASK_AGAIN_S

    def advance(self) -> bool:
        """Signs the last row, if everything up to it is as it was written; False where nothing was signed."""
        return self._signer is not None and self._signer.advance()

    def look(self) -> None:
        """Signs where enough was written or the last signature is old; notices that the log was sealed meanwhile."""
        if self._signer is None:
            if not self.has_begun or (not self._is_sealed and seal_of_log(self._home).rows.keys):
                self.begin()
        elif self._signer.advance_if_due():
            self._keep_in_log()

    def close(self) -> None:
        """Signs the last row, and waits for the keyring for a moment.

        A command that wrote rows without the key asks for it here, where the log is sealed and no window opens.
        """
        if self._signs_at_end and self._wrote and self._signer is None and seal_of_log(self._home).rows.keys:
            self.begin()
        if self._signer is not None:
            self._signer.advance()
            self._keep_in_log()
            self._signer.close()

    def _keep_in_log(self) -> None:
        note = None if self._signer is None else self._signer.newest
        if note is not None:
            with suppress(GuardianError), self._journal.transaction() as tx:
                tx.audit.keep_checkpoint(note.seq, note.text)


async def keep_seal(journal: Journal) -> None:
    """Looks at the keyring once, and signs the log of a server as it grows, until it is cancelled."""
    # Here and not at the top: commands that keep no seal have no use for it.
    import anyio

    seal = journal.seal
    if seal is None:
        return
    await journal.run(journal.begin_seal)
    while True:
        await anyio.sleep(LOOK_S)
        await journal.run(seal.look)


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
        is_gone = not database_path(home).exists()
        return lost_row(row, is_there=False, last_seq=0, source=KEYRING) if is_gone else None
