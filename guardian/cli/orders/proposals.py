"""Finds a proposal of the owner's, and rejects one."""

from __future__ import annotations

from typing import Final

from guardian.cli.support.acts import note_act
from guardian.domain.text.escaping import clean
from guardian.gate.base.journal import Journal
from guardian.gate.orders.proposal_views import end_of_proposal
from guardian.store.database import Transaction
from guardian.store.schema.records import Proposal

BY_A_PERSON: Final = "turned down by a person"
"""The reason of a rejection that was given none."""


def waiting_proposal(journal: Journal, proposal_id: str) -> Proposal | str:
    """The proposal, where it still waits to be approved or sent; else its state, in words."""
    with journal.transaction() as tx:
        proposal = tx.proposals.get(proposal_id)
        if proposal is None:
            return _no_proposal(proposal_id)
        if proposal.is_outstanding(tx.now_ms):
            return proposal
        row = None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
        ended = end_of_proposal(proposal, row, tx.now_ms)
        return ended if row is not None else f"{ended}; nothing was sent"


def reject(journal: Journal, proposal_id: str, reason: str = BY_A_PERSON) -> str | None:
    """Turn it down and write that down, with the reason; returns why it could not be."""
    reason = clean(reason)
    with journal.transaction() as tx:
        proposal = tx.proposals.get(proposal_id)
        if proposal is None:
            return _no_proposal(proposal_id)
        if proposal.state not in {"waiting", "approved"}:
            row = None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
            return f"{end_of_proposal(proposal, row, tx.now_ms)}; there is nothing to turn down"
        tx.proposals.reject(proposal.id, reason)
        note_on_proposal(tx, "rejected", proposal, reason=reason)
        return None


def _no_proposal(proposal_id: str) -> str:
    return f"no proposal `{clean(proposal_id)}`; `guardian approve` lists what waits"


def note_on_proposal(tx: Transaction, kind: str, proposal: Proposal, *, reason: str | None = None) -> None:
    """Append the row of what the owner did with a proposal, with the reason where they gave one."""
    scope = proposal.scope
    why = {} if reason is None else {"reason": reason}
    fields = {"proposal": proposal.id, "symbol": proposal.symbol, "environment": scope.environment}
    note_act(tx, kind, {**fields, **why, "account": scope.account})
