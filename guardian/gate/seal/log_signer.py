"""Signs checkpoints of a log as it grows, and keeps its anchor in the keyring.

Nothing is signed that was not verified: of the rows after the last signed checkpoint each is held against the one
before it, and the row of that checkpoint has to be there. What does not follow is not signed, so that `guardian audit
verify` sees an old checkpoint and not a new one over forged rows.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardian.errors import GuardianError
from guardian.store.log.checkpoint import keep_copy, keep_note, kept_checkpoint
from guardian.store.log.encoding import count_intact
from guardian.store.log.read_only import BATCH, database_path, last_seq, read_only
from guardian.store.log.statements import DIGEST_AT, MACS_AFTER, ROW_COLUMNS, ROWS_BETWEEN, ROWS_OF_SEAL
from guardian.store.schema.records import Checkpoint
from guardian.store.seal.macs import MacCheck
from guardian.store.seal.note import Note
from guardian.store.seal.seal_keys import SealKeys
from guardian.store.seal.seal_rows import seal_rows

if TYPE_CHECKING:
    from guardian.credentials.log.home_items import HomeItems

EVERY_ROWS: Final = 64
EVERY_S: Final = 60.0
RESTART_WAIT_S: Final = 60.0
LAST_WAIT_S: Final = 2.0
"""How long leaving waits for the keyring."""
_SEQ, _DIGEST = (ROW_COLUMNS.index(name) for name in ("seq", "digest"))


class LogSigner:
    """The signer of one log in this process. Thread-safe; what it does is logged by nobody and stops nothing."""

    def __init__(
        self,
        home: Path,
        keys: SealKeys,
        items: HomeItems | None,
        folder: str | None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keys = keys
        self._home = home
        self._folder = folder
        self._items = items if items is not None and items.keeps_anchors else None
        self._anchors = AnchorKeeper(keys.log, self._items)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._signed: Checkpoint | None = None
        self.newest: Note | None = None
        """The newest checkpoint that this process signed."""
        self._signed_at = monotonic()

    def begin_at(self, verified: Checkpoint) -> bool:
        """Signs a row up to which the whole log was verified; False where that could not be written."""
        with self._lock:
            return self._sign(verified)

    def restart_at(self, verified: Checkpoint) -> bool:
        """As `begin_at`, in place of every checkpoint and anchor that there is: the owner has accepted a loss."""
        with self._lock:
            is_signed = self._sign(verified, replaces=True)
        self._anchors.close(RESTART_WAIT_S)
        return is_signed

    def advance(self) -> bool:
        """Signs the last row of the log, if all rows up to it follow on the last signed checkpoint; else False."""
        with self._lock:
            try:
                return self._advance()
            except (GuardianError, OSError, sqlite3.Error, ValueError):
                return False  # the checkpoint is only older then

    def advance_if_due(self) -> bool:
        """As `advance`, where EVERY_ROWS were written, or any for EVERY_S; else False."""
        signed = 0 if self._signed is None else self._signed.seq
        try:
            with read_only(database_path(self._home)) as connection:
                new = last_seq(connection) - signed
        except (GuardianError, sqlite3.Error):
            return False
        is_due = new >= EVERY_ROWS or (new > 0 and self._monotonic() - self._signed_at >= EVERY_S)
        return is_due and self.advance()

    def close(self) -> None:
        """Waits for the keyring, LAST_WAIT_S at most."""
        self._anchors.close(LAST_WAIT_S)

    def _advance(self) -> bool:
        base = self._base()
        if base is None:
            return False
        with read_only(database_path(self._home)) as connection:
            verified = verified_after(connection, base, self.keys)
        if verified is None:
            return False
        return self._sign(verified)

    def _base(self) -> Checkpoint | None:
        """Returns the last signed checkpoint: this process's, or that of the home; None where it is missing."""
        found, latest = kept_checkpoint(self._home), self._signed
        if found is None or found.note is None or (latest is not None and found.seq <= latest.seq):
            return latest
        is_own = found.note.is_signed_by(self.keys.verifier)
        return Checkpoint(seq=found.seq, digest=found.digest) if is_own else latest

    def _sign(self, checkpoint: Checkpoint, *, replaces: bool = False) -> bool:
        self._signed_at = self._monotonic()
        note = self.keys.note(checkpoint.seq, checkpoint.digest)
        # The home's own first: no other may be later than it.
        if not keep_note(self._home, note, replaces=replaces):
            return False
        self._signed, self.newest = checkpoint, note
        if self._folder is not None:
            keep_copy(self._folder, note)
        self._anchors.keep(checkpoint, replaces=replaces)
        return True


def verified_after(connection: sqlite3.Connection, base: Checkpoint, keys: SealKeys) -> Checkpoint | None:
    """Returns the last row of the log, if its row `base` is there and every row after it is intact; else None.

    Intact: it follows on the one before it, and has the right MAC, or needs none.
    """
    at = connection.execute(DIGEST_AT, {"seq": base.seq}).fetchone()
    if at is None or at[0] != bytes.fromhex(base.digest):
        return None
    seq, digest = base.seq, at[0]
    sealed_at = seal_rows(connection.execute(ROWS_OF_SEAL).fetchall()).sealed_at(keys.verifier.text)
    check = MacCheck(keys, sealed_at)
    while True:
        rows = connection.execute(ROWS_BETWEEN, {"after": seq, "last": 2**63 - 1, "limit": BATCH}).fetchall()
        if count_intact(rows, 0, seq, digest) < len(rows):
            return None
        macs = connection.execute(MACS_AFTER, {"after": seq, "limit": len(rows)}).fetchall()
        if any(check.problems(macs)):
            return None
        if not rows:
            return Checkpoint(seq=seq, digest=digest.hex())
        seq, digest = rows[-1][_SEQ], rows[-1][_DIGEST]


class AnchorKeeper:
    """Keeps the latest checkpoint in the keyring, from a thread of its own: a keyring may take long, or hang."""

    def __init__(self, log: str, items: HomeItems | None) -> None:
        self._log = log
        self._items = items
        self._changed = threading.Condition()
        self._wanted: tuple[Checkpoint, bool] | None = None
        self._is_working = False

    def keep(self, checkpoint: Checkpoint, *, replaces: bool = False) -> None:
        """Has a checkpoint kept soon; one that waits already is left out."""
        if self._items is None:
            return
        with self._changed:
            self._wanted = (checkpoint, replaces or (self._wanted is not None and self._wanted[1]))
            if not self._is_working:
                self._is_working = True
                threading.Thread(target=self._work, name="guardian-anchor", daemon=True).start()

    def close(self, timeout_s: float) -> None:
        """Waits until nothing is to be kept, for that long at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_working, timeout_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                wanted, self._wanted = self._wanted, None
                if wanted is None:
                    self._is_working = False
                    self._changed.notify_all()
                    return
            self._keep(*wanted)

    def _keep(self, checkpoint: Checkpoint, replaces: bool) -> None:
        from guardian.credentials.log.home_items import KeptAnchor

        assert self._items is not None
        try:
            before = self._items.anchor()
            # Two processes may read before either writes: the anchor is a few rows older then, and never too new.
            if replaces or before is None or (before.log == self._log and before.seq < checkpoint.seq):
                self._items.set_anchor(KeptAnchor(log=self._log, seq=checkpoint.seq, digest=checkpoint.digest))
        except GuardianError:
            return
