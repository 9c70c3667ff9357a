"""Approves a proposal with a person's proof, and finds out whether an approved one is proven when its token is used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from guardian.domain.codes import Code
from guardian.domain.money import plain
from guardian.domain.owner.proof import Proof, ProofGiven, proof_from
from guardian.domain.owner.statement import Statement, StatementKind, statement_from
from guardian.errors import ProofRefused, StoreConflict
from guardian.gate.base.calls import new_token, token_digest
from guardian.gate.owner.demand import demanded_proof
from guardian.policy.verdict import Denial
from guardian.store.schema.records import Proposal, Record

if TYPE_CHECKING:
    from guardian.domain.market import BookTop
    from guardian.gate.base.journal import Journal
    from guardian.store.database import Transaction

APPROVED: Final = "approved"
_MARKET: Final = "market"
"""The one field of an order's statement that is not in the proposal: the market as it was shown with the question."""


def order_statement(proposal: Proposal, market: BookTop | None) -> Statement:
    """Returns what a person agrees to when they approve a proposal; `market` is the book that they were shown now."""
    shown = None
    if market is not None:
        shown = {"bid": plain(market.bid), "ask": plain(market.ask), "fetched_ms": str(market.fetched_ms)}
    return Statement(
        kind=StatementKind.ORDER,
        fields={
            "decision": "approve",
            "proposal": proposal.id,
            "environment": proposal.scope.environment,
            "account": proposal.scope.account,
            "policy": proposal.policy_digest,
            "asked": dict(proposal.spec),
            "order": dict(proposal.resolved),
            "counts_as": plain(proposal.notional),
            "currency": proposal.currency,
            "quote_notional": plain(proposal.quote_notional),
            "quote_asset": proposal.quote_asset,
            "shown_bid": plain(proposal.shown_bid),
            "shown_ask": plain(proposal.shown_ask),
            "proposed_ms": str(proposal.created_ms),
            _MARKET: shown,
        },
    )


def approve_order(
    journal: Journal,
    proposal_id: str,
    statement: Statement,
    proof: ProofGiven,
    *,
    policy_proof: Proof,
    random_bytes: Callable[[int], bytes],
    shown: Proposal | None = None,
    channel: str | None = None,
) -> str:
    """Issues the token and notes that a person acted, in one transaction; returns the token, which exists nowhere else.

    `statement` is what was agreed to, and `proof` what was given for it. `shown` is the proposal as the person was
    shown it: where it was approved elsewhere since, this yes approves nothing. `channel` is where the answer came from
    if not from the owner's own terminal or page.

    Raises:
        StoreConflict: the proposal was used, turned down, withdrawn or has expired in the meantime.
        ProofRefused: the proof is weaker than what is demanded, or is for something else.
    """
    token = new_token(random_bytes)
    with journal.transaction() as tx:
        proposal = tx.proposals.get(proposal_id)
        if shown is not None and proposal is not None and proposal.approved_ms != shown.approved_ms:
            raise StoreConflict(f"proposal `{proposal_id}` was approved elsewhere")
        why = None if proposal is None else _why_refused(tx, proposal, statement, proof, policy_proof)
        if why is None:
            _issue(tx, proposal_id, proposal, statement, proof, token, channel)
        else:
            _note_refusal(tx, statement, proof, why)
    if why is not None:
        raise ProofRefused(why, hint="nothing was approved")
    return token


def _why_refused(
    tx: Transaction, proposal: Proposal, statement: Statement, proof: ProofGiven, policy_proof: Proof
) -> str | None:
    if _without_market(statement) != _without_market(order_statement(proposal, None)):
        return "the yes is for another order than this proposal"
    demanded = demanded_proof(tx, policy_proof)
    if not proof.kind.meets(demanded):
        return f"a {demanded.value} is demanded, and a {proof.kind.value} was given"
    return why_not_proven(proof, statement)


def _issue(
    tx: Transaction,
    proposal_id: str,
    proposal: Proposal | None,
    statement: Statement,
    proof: ProofGiven,
    token: str,
    channel: str | None,
) -> None:
    entry = None
    if proposal is not None:
        tx.acts.record(proposal.scope, f"approved {proposal_id}" + ("" if channel is None else f" by {channel}"))
        tx.slicing.clear(proposal.scope, proposal.symbol, proposal.side)
        body = {
            "kind": APPROVED,
            "proposal": proposal.id,
            "symbol": proposal.symbol,
            "environment": proposal.scope.environment,
            "account": proposal.scope.account,
            "statement": statement.as_dict(),
            "proof": proof.as_record(),
            **({} if channel is None else {"channel": channel}),
        }
        entry = tx.audit.append(Record.event(proposal.scope, body, symbol=proposal.symbol))
    tx.proposals.issue_token(
        proposal_id,
        token_digest=token_digest(token),
        expires_ms=tx.now_ms + (0 if proposal is None else proposal.token_ttl_ms),
        by_person=True,
        proof=proof.kind,
        approval_seq=None if entry is None else entry.seq,
    )


def _note_refusal(tx: Transaction, statement: Statement, proof: ProofGiven, why: str) -> None:
    body = {"kind": "proof_refused", "proof": proof.kind.value, "reason": why, "statement": statement.as_dict()}
    tx.audit.append(Record.event(None, body))


def why_not_proven(proof: ProofGiven, statement: Statement) -> str | None:
    """Returns why a proof does not prove a statement, in a sentence; None where it does. A PIN's has no signature."""
    if proof.kind is not Proof.PASSKEY:
        return None
    # It takes 50 ms to import: not where nobody signs.
    from guardian.proofs.passkeys import NotProven, verify_given

    try:
        verify_given(proof, statement)
    except NotProven as error:
        return error.why
    return None


def unproven_denial(tx: Transaction, proposal: Proposal, demanded: Proof) -> Denial | None:
    """Returns the denial for a token whose approval lacks the proof that is demanded now; None where it has it.

    The signature is verified again, with the key of the log's row, so that a changed database approves nothing.
    """
    if demanded is Proof.TERMINAL:
        return None
    why = _why_unproven(tx, proposal, demanded)
    if why is None:
        return None
    return Denial(
        code=Code.CONFIRMATION_UNPROVEN,
        message=f"this home demands a {demanded.value}, and {why}",
        hint="request the order again; the person approves it with `guardian approve`",
    )


def _why_unproven(tx: Transaction, proposal: Proposal, demanded: Proof) -> str | None:
    if proposal.approved_ms is None or proposal.approval_seq is None or proposal.proof is None:
        return "nobody proved that they agree to this order"
    body = tx.audit.body_at(proposal.approval_seq)
    try:
        data = _data_of(body)
        statement, proof = statement_from(data.get("statement")), proof_from(data.get("proof"))
    except ValueError:
        return "the log's row of the approval cannot be read"
    if not proof.kind.meets(demanded):
        return f"it was approved with a {proof.kind.value}"
    if data.get("kind") != APPROVED or _without_market(statement) != _without_market(order_statement(proposal, None)):
        return "what was approved is another order"
    if proof.kind is Proof.PASSKEY and not _is_registered(tx, proof):
        return "the passkey that approved it is not registered any more"
    why = why_not_proven(proof, statement)
    return None if why is None else f"its approval does not verify: {why}"


def _is_registered(tx: Transaction, proof: ProofGiven) -> bool:
    given = proof.assertion
    return given is not None and any(
        one.credential_id == given.credential_id and one.public_key == proof.public_key
        for one in tx.approvers.passkeys()
    )


def _data_of(body: bytes | None) -> Mapping[str, object]:
    found = None if body is None else json.loads(body)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict):
        raise ValueError("there is no such row")  # noqa: TRY004 - the one error of what is read
    return data


def _without_market(statement: Statement) -> dict[str, object]:
    return {name: value for name, value in statement.fields.items() if name != _MARKET} | {"": statement.kind.value}
