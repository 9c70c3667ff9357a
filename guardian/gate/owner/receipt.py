"""A receipt: one file that shows who approved an order, what exactly, and at which price; checked on any machine.

It holds rows of the log as they were written. The passkey's signature is over the statement in the row of the approval,
and the order's client order id is made of the digest of its intent row, so neither can be changed without notice. What
a receipt cannot show is said: an approval by PIN or at a terminal has no signature, and the outcome is what this log
says of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from guardian.domain.owner.proof import Proof, ProofGiven, proof_from
from guardian.domain.owner.statement import Statement, StatementKind, statement_from
from guardian.gate.owner.order_approval import APPROVED, why_not_proven
from guardian.gate.owner.session_mandate import ARMED
from guardian.store.log.encoding import client_order_id, digest_of
from guardian.store.log.order_rows import OrderRows
from guardian.store.log.read_only import LogRow

FORMAT: Final = "guardian/receipt/v1"
MAX_BYTES: Final = 1_000_000
_ROWS: Final = ("approval", "intent", "outcome", "registration")
_FIELDS: Final = frozenset({"format", "sha256", *_ROWS})


class NotAReceipt(Exception):
    """The file is not a receipt as guardian writes it, or it was changed. `why` is a sentence for a person."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedReceipt:
    """What a receipt shows, once nothing contradicts it."""

    statement: Statement
    proof: ProofGiven
    fingerprint: str | None
    """Of the passkey's public key; None where there is no signature."""
    approved_ms: int
    order: Mapping[str, Any]
    """As it was sent."""
    environment: str
    client_order_id: str
    outcome: str | None
    """By the log that the receipt is from; None where it had none yet."""
    is_registered: bool
    """Whether the row is there in which the passkey was registered under its name."""


def write_receipt(rows: OrderRows) -> bytes:
    """Returns the file of a receipt, which ends with a line end. Raises NotAReceipt: nobody approved the order."""
    if rows.approval is None:
        raise NotAReceipt("nobody was asked about this order: the policy let it pass without a person's yes")
    document = {"format": FORMAT} | {name: _as_data(getattr(rows, name)) for name in _ROWS}
    return _text(document | {"sha256": _digest(document)})


def check_receipt(file: bytes) -> CheckedReceipt:
    """Returns what a receipt shows. Every byte of the file counts. Raises NotAReceipt."""
    document = _parsed(file)
    rows = {name: _row(name, document[name]) for name in _ROWS}
    approval, intent = rows["approval"], rows["intent"]
    if approval is None or intent is None:
        raise NotAReceipt("the row of the approval or of the intent is missing")
    statement, proof = _agreed(approval)
    why = why_not_proven(proof, statement)
    if why is not None:
        raise NotAReceipt(f"the approval does not verify: {why}")
    _compare(statement, approval, intent)
    outcome = rows["outcome"]
    if outcome is not None and (outcome.call_id != intent.call_id or outcome.seq <= intent.seq):
        raise NotAReceipt("the outcome is that of another call")
    return CheckedReceipt(
        statement=statement,
        proof=proof,
        fingerprint=_fingerprint(proof),
        approved_ms=approval.ts_ms,
        order=_mapping(intent.data.get("order")),
        environment=str(intent.environment),
        client_order_id=client_order_id(intent.digest),
        outcome=None if outcome is None else outcome.outcome,
        is_registered=_is_registration(rows["registration"], approval, proof),
    )


def _agreed(approval: LogRow) -> tuple[Statement, ProofGiven]:
    data = approval.data
    try:
        statement, proof = statement_from(data.get("statement")), proof_from(data.get("proof"))
    except ValueError as error:
        raise NotAReceipt(f"the row of the approval cannot be read: {error}") from None
    kinds = {APPROVED: StatementKind.ORDER, ARMED: StatementKind.MANDATE}
    if kinds.get(str(data.get("kind"))) is not statement.kind:
        raise NotAReceipt("the row is not of an approval")
    return statement, proof


def _compare(statement: Statement, approval: LogRow, intent: LogRow) -> None:
    """Raises NotAReceipt unless what was sent is what was agreed to."""
    fields, sent = statement.fields, intent.data
    order = _mapping(sent.get("order"))
    same: dict[str, tuple[object, object]] = {
        "environment": (fields.get("environment"), intent.environment),
        "account": (fields.get("account"), intent.account),
    }
    if statement.kind is StatementKind.ORDER:
        same |= {
            "proposal": (fields.get("proposal"), sent.get("proposal")),
            "policy": (fields.get("policy"), sent.get("policy")),
            "order": (fields.get("order"), order),
            "asked": (fields.get("asked"), sent.get("asked")),
        }
    elif order.get("symbol") not in (_list(fields.get("symbols"))):
        raise NotAReceipt("the mandate does not name the order's symbol")
    for name, (agreed, done) in same.items():
        if agreed != done:
            raise NotAReceipt(f"the {name} that was agreed to is not the one of the order that was sent")
    if approval.seq >= intent.seq:
        raise NotAReceipt("the approval came after the order")


def _is_registration(row: LogRow | None, approval: LogRow, proof: ProofGiven) -> bool:
    if row is None:
        return False
    statement, data = _mapping(row.data.get("statement")), row.data
    is_same = (
        data.get("kind") == "owner_change"
        and data.get("change") == "passkey_add"
        and proof.assertion is not None
        and data.get("credential") == proof.assertion.credential_id
        and data.get("public_key") == proof.public_key
        and _mapping(statement.get("fields")).get("name") == proof.passkey_name
        and row.seq < approval.seq
    )
    if not is_same:
        raise NotAReceipt("the passkey was registered under another name, with another key, or later")
    return True


def _fingerprint(proof: ProofGiven) -> str | None:
    if proof.kind is not Proof.PASSKEY or proof.public_key is None:
        return None
    from guardian.proofs.passkeys import fingerprint

    return fingerprint(proof.public_key)


def _as_data(row: LogRow | None) -> dict[str, object] | None:
    if row is None:
        return None
    return {
        "seq": row.seq,
        "prev_hash": row.prev_hash.hex(),
        "digest": row.digest.hex(),
        "body": row.body.decode("utf-8"),
    }


def _row(name: str, data: object) -> LogRow | None:
    """A row as it was written; its columns are those that its body repeats."""
    if data is None:
        return None
    try:
        found = _mapping(data)
        seq, body = found["seq"], found["body"].encode("utf-8")
        previous, digest = bytes.fromhex(found["prev_hash"]), bytes.fromhex(found["digest"])
        if set(found) != {"seq", "prev_hash", "digest", "body"} or digest_of(previous, seq, body) != digest:
            raise NotAReceipt(f"the row of the {name} was changed")
        columns = json.loads(body)
        names = ("call_id", "phase", "ts_ms", "tool", "symbol", "outcome", "environment", "account", "key")
        repeated = {column: columns[column] for column in names}
        return LogRow(seq=seq, prev_hash=previous, digest=digest, body=body, **repeated)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise NotAReceipt(f"the row of the {name} cannot be read") from None


def _parsed(file: bytes) -> dict[str, Any]:
    if len(file) > MAX_BYTES:
        raise NotAReceipt("it is larger than any receipt")
    try:
        document = json.loads(file.decode("utf-8"))
    except (ValueError, RecursionError):
        raise NotAReceipt("it is not JSON") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotAReceipt(f"it is not of the format {FORMAT}")
    rest = {name: value for name, value in document.items() if name != "sha256"}
    # The file has one form, so that a changed blank is found as well as a changed price.
    if set(document) != _FIELDS or document["sha256"] != _digest(rest) or _text(document) != file:
        raise NotAReceipt("it was changed since it was written")
    return document


def _text(document: Mapping[str, object]) -> bytes:
    return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def _digest(document: Mapping[str, object]) -> str:
    return sha256(b"guardian/receipt\0" + _text(document)).hexdigest()


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
