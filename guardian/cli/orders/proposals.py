"""Finds a proposal of the owner's, and rejects one."""

from __future__ import annotations

from guardian.domain.text.escaping import clean
from guardian.gate.base.journal import Journal
from guardian.gate.orders.proposal_views import end_of_proposal
from guardian.gate.owner.tightening import BY_A_PERSON, reject_proposal
from guardian.store.schema.records import Proposal


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
    with journal.transaction() as tx:
        proposal = tx.proposals.get(proposal_id)
        if proposal is None:
            return _no_proposal(proposal_id)
        if proposal.state not in {"waiting", "approved"}:
            row = None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
            return f"{end_of_proposal(proposal, row, tx.now_ms)}; there is nothing to turn down"
        reject_proposal(tx, proposal, reason)
        return None


def _no_proposal(proposal_id: str) -> str:
    return f"no proposal `{clean(proposal_id)}`; `guardian approve` lists what waits"
