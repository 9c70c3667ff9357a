"""Seals a log: makes its root secret, writes the row of its public key, and signs the first checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guardian.errors import CredentialsError, StoreCorrupt, StoreUnavailable
from guardian.gate.base.journal import Journal
from guardian.gate.seal.keeping import SealKeeper
from guardian.gate.seal.log_evidence import evidence_of, seal_of_log
from guardian.gate.seal.log_signer import LogSigner
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind
from guardian.store.schema.records import Checkpoint, Record
from guardian.store.schema.sqlite_errors import RESTORE_HINT
from guardian.store.seal.note import VerifierKey
from guardian.store.seal.seal_keys import SealKeys
from guardian.store.seal.seal_rows import FOLDER_ROW, KEY_ROW

if TYPE_CHECKING:
    from guardian.credentials.log.home_items import HomeItems


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A sealed log: its public key, whether it was sealed just now, and whether a checkpoint is signed."""

    verifier: VerifierKey
    is_new: bool
    is_signed: bool


def seal_log(journal: Journal, items: HomeItems, random_bytes: Callable[[int], bytes]) -> Sealed:
    """Seals the log of a home; one that is sealed already gets a new checkpoint. Doing it twice changes nothing.

    Raises:
        CredentialsError: the keyring is unavailable, lacks the secret of a sealed log, or did not keep a new one.
        StoreCorrupt: the log is not intact, so nothing of it is signed.
        StoreError: the log cannot be read or written.
    """
    name = begun_log_name(journal)
    evidence = evidence_of(items, name)
    if evidence.keys is None and seal_of_log(journal.home).rows.keys:
        raise CredentialsError(
            "the log is sealed with a secret that this keyring does not have",
            hint="on a new machine, or with a new keyring: `guardian audit accept-loss --reason TEXT` makes a new one",
        )
    report = verify(journal.home, evidence=evidence)
    # An earlier run that ended early may have left the key in the log, and no signed checkpoint yet.
    is_unfinished = evidence.keys is not None and not evidence.was_sealed
    findings = [one for one in report.findings if not (is_unfinished and one.kind is FindingKind.CHECKPOINT)]
    if findings:
        why = f"the log is not intact, so it is not sealed: {findings[0].message}"
        raise StoreCorrupt(why, hint="`guardian audit verify` shows all of it")
    root = items.make_root(name, random_bytes)
    signer = use_keys(journal, SealKeys(root.key_bytes, name), items)
    keys = signer.keys
    is_new = write_key(journal, keys.verifier)
    if report.head is not None and (is_new or is_unfinished):
        signer.begin_at(Checkpoint(seq=report.last_seq, digest=report.head))
    is_signed = signer.advance()
    if is_signed:
        items.mark_sealed(name)
    signer.close()
    _anchor_first(items, name, journal)
    return Sealed(verifier=keys.verifier, is_new=is_new, is_signed=is_signed)


def use_keys(journal: Journal, keys: SealKeys, items: HomeItems) -> LogSigner:
    """Has the journal write with the keys of its log from now on; returns the signer."""
    keeper = SealKeeper(journal)
    signer = LogSigner(journal.home, keys, items, seal_of_log(journal.home).rows.folder)
    keeper.adopt(signer)
    journal.use_seal(keeper)
    return signer


def name_folder(journal: Journal, folder: str | None) -> None:
    """Writes in the log where copies of its checkpoints are kept besides; None: nowhere. Raises StoreError."""
    with journal.transaction() as tx:
        body = {"kind": "checkpoint_folder", "by": "owner", "folder": folder}
        tx.audit.append(Record.event(None, body, key=f"{FOLDER_ROW}{tx.head.seq + 1}"))


def begun_log_name(journal: Journal) -> str:
    """Returns the name of the log, which gets its first row here if it is empty."""
    with journal.transaction() as tx:
        if tx.head.seq == 0:
            tx.audit.append(Record.event(None, {"kind": "log_begun", "by": "guardian"}))
        name = tx.audit.log_name()
    if name is None:
        raise StoreUnavailable("the log has lost its first row", hint=RESTORE_HINT)
    return name


def write_key(journal: Journal, verifier: VerifierKey) -> bool:
    """Writes the row of the public key, unless it is there; whether it was written."""
    key = f"{KEY_ROW}{verifier.key_id.hex()}"
    with journal.transaction() as tx:
        if tx.audit.has_key(key):
            return False
        body = {"kind": "log_sealed", "by": "owner", "public_key": verifier.text}
        tx.audit.append(Record.event(None, body, key=key))
    return True


def _anchor_first(items: HomeItems, name: str, journal: Journal) -> None:
    """Sets the first anchor also where no other follows, in macOS' Keychain: it names the log of this home."""
    from guardian.credentials.log.home_items import KeptAnchor

    if not items.keeps_anchors and not items.is_vault and items.anchor() is None:
        with journal.transaction() as tx:
            items.set_anchor(KeptAnchor(log=name, seq=tx.head.seq, digest=tx.head.digest.hex()))
