"""Accepts what a log has lost: a row, signed where the log is sealed, names it, and checkpoints continue after it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from guardian.domain.owner.proof import ProofGiven
from guardian.errors import GuardianError, KeyringUnavailable
from guardian.gate.base.journal import Journal
from guardian.gate.seal.log_evidence import evidence_of, seal_of_log
from guardian.gate.seal.log_signer import LogSigner
from guardian.gate.seal.sealing import begun_log_name, use_keys, write_key
from guardian.store.database import Transaction
from guardian.store.log.verify import verify
from guardian.store.log_findings import REPORTED_BY, Finding, FindingKind, Report
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import Checkpoint, Record
from guardian.store.seal.evidence import NO_EVIDENCE
from guardian.store.seal.seal_keys import SealKeys
from guardian.store.seal.seal_rows import LOSS_ROW, loss_text

if TYPE_CHECKING:
    from guardian.credentials.log.home_items import HomeItems

ACCEPTABLE: Final = frozenset(
    {
        FindingKind.CONTENT,
        FindingKind.COLUMN,
        FindingKind.GAP,
        FindingKind.CHAIN,
        FindingKind.TRUNCATED,
        FindingKind.REWRITTEN,
        FindingKind.CHECKPOINT,
        FindingKind.MAC,
        FindingKind.SEAL,
    }
)
"""What is wrong with rows and checkpoints cannot be mended, and so can be accepted; tables can be mended."""
MAX_REASON: Final = 500
"""Characters."""
LOST: Final = "LOST "
"""The identity of a finding begins so where rows are gone that a checkpoint knows of."""


def unaccepted_losses(tx: Transaction) -> list[str]:
    """Returns the identities of lost rows that halted trading and that are not accepted. Raises StoreError."""
    accepted = set(_marks(tx, LOSS_ROW))
    return [mark for mark in _marks(tx, REPORTED_BY) if mark.startswith(LOST) and mark not in accepted]


def require_no_loss(tx: Transaction) -> None:
    """Raises GuardianError where the log has lost rows and the owner has not accepted that. Raises StoreError."""
    if unaccepted_losses(tx):
        raise GuardianError(
            "rows of the log are gone that a checkpoint knows of; nothing was changed",
            hint="put the newest copy of `guardian.db` back, or `guardian audit accept-loss --reason TEXT`",
        )


def accept_loss(
    journal: Journal,
    items: HomeItems | None,
    findings: Iterable[Finding],
    reason: str,
    proof: ProofGiven,
    random_bytes: Callable[[int], bytes],
) -> Report:
    """Writes that the owner accepts these findings, and signs a checkpoint after that; returns what verifying finds.

    Without `items` the log is not sealed and the row has no signature.

    Raises:
        KeyringUnavailable: the log is sealed, and there is no keyring to sign with. Nothing was written.
        CredentialsError: the keyring failed.
        StoreError: the row could not be written.
    """
    name = begun_log_name(journal)
    if items is None and seal_of_log(journal.home).rows.keys:
        raise KeyringUnavailable("the log is sealed, and only its key can sign that a loss is accepted")
    identities, evidence = [one.identity for one in findings], NO_EVIDENCE
    signer: LogSigner | None = None
    if items is not None:
        has_no_key = items.root(name) is None
        signer = use_keys(journal, SealKeys(items.make_root(name, random_bytes).key_bytes, name), items)
        write_key(journal, signer.keys.verifier)
        evidence = evidence_of(items, name)
        if has_no_key:  # the key of before is lost, and its row is accepted with the rest
            found = verify(journal.home, evidence=evidence).findings
            identities += [one.identity for one in found if one.kind is FindingKind.SEAL]
    keys = None if signer is None else signer.keys
    _write_loss(journal, keys, name, identities, reason[:MAX_REASON], proof)
    report = verify(journal.home, evidence=evidence)
    is_whole = all(one.kind is FindingKind.CHECKPOINT for one in report.findings)
    if items is None or signer is None or not is_whole or report.head is None:
        return report
    signer.restart_at(Checkpoint(seq=report.last_seq, digest=report.head))
    items.mark_sealed(name)
    return verify(journal.home, evidence=evidence_of(items, name))


def _write_loss(
    journal: Journal, keys: SealKeys | None, name: str, identities: Iterable[str], reason: str, proof: ProofGiven
) -> None:
    with journal.transaction() as tx:
        marks, last = sorted({*identities, *unaccepted_losses(tx)}), tx.head.seq
        signature = b"" if keys is None else keys.sign(loss_text(name, last, reason, marks))
        body = {
            "kind": "loss_accepted",
            "by": "owner",
            "log": name,
            "last": last,
            "reason": reason,
            "marks": marks,
            "signature": base64.b64encode(signature).decode("ascii"),
            "proof": proof.as_record(),
        }
        tx.audit.append(Record.event(None, body, key=f"{LOSS_ROW}{last + 1}"))


def _marks(tx: Transaction, prefix: str) -> list[str]:
    """Returns the identities that the rows with such a key have; a row that cannot be read counts as empty."""
    high = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    marks: list[str] = []
    for row in tx.unit.rows(sql.BODIES_OF_KEYS, {"low": prefix, "high": high}):
        try:
            stored = json.loads(row["body"])["data"]["marks"]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if isinstance(stored, list):
            marks += [mark for mark in stored if isinstance(mark, str)]
    return marks
