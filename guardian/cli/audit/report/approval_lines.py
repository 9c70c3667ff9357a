"""Proposals as the report lists them: the order, how it ended, by what proof, and how long the answer took."""

from __future__ import annotations

from typing import Final

from guardian.cli.audit.wording.order_words import order_fields, order_text
from guardian.domain.owner.proof import Proof
from guardian.report.report_figures import ApprovalLine
from guardian.store.schema.records import Proposal, ProposalState

_PROOFS: Final = {
    Proof.TERMINAL: "at the terminal",
    Proof.PIN: "with the PIN",
    Proof.PASSKEY: "with a passkey",
}
_ENDED: Final = {
    ProposalState.SENT: "placed",
    ProposalState.REJECTED: "rejected",
    ProposalState.BURNT: "denied when it was to be placed",
    ProposalState.WITHDRAWN: "withdrawn by the assistant",
}


def approval_line(proposal: Proposal, now_ms: int) -> ApprovalLine:
    """Returns a proposal as one line."""
    approved_ms = proposal.approved_ms
    return ApprovalLine(
        proposal_id=proposal.id,
        time_ms=proposal.created_ms,
        environment=proposal.scope.environment,
        order=order_text(order_fields(proposal.resolved, proposal.spec, {"symbol": proposal.symbol})),
        state=_state(proposal, now_ms),
        how=_how(proposal),
        took_ms=None if approved_ms is None else max(approved_ms - proposal.created_ms, 0),
        waits=proposal.is_outstanding(now_ms) and proposal.state is ProposalState.WAITING,
    )


def _state(proposal: Proposal, now_ms: int) -> str:
    ended = _ENDED.get(proposal.state)
    if ended is not None:
        return ended
    if proposal.is_outstanding(now_ms):
        return "waiting" if proposal.state is ProposalState.WAITING else "approved"
    return "expired" if proposal.state is ProposalState.WAITING else "approved, not placed in time"


def _how(proposal: Proposal) -> str:
    if proposal.proof is not None:
        return _PROOFS[proposal.proof]
    if proposal.approved_ms is not None:
        return "in the client"
    return "with a token in the chat" if proposal.state is ProposalState.SENT else ""
