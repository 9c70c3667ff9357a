"""`cancel_order` with a `proposal_id`: the assistant withdraws an order that was not sent. Nothing is sent.

It only reduces risk, so it needs no policy, trading state or key.
"""

from __future__ import annotations

from guardian.domain.codes import Code
from guardian.domain.order_states import FINAL_STATES
from guardian.domain.requests import WithdrawProposal
from guardian.gate.base.calls import CallInfo
from guardian.gate.base.context import GateContext
from guardian.gate.base.journal import CANCEL_PATIENCE_S
from guardian.gate.base.order_events import note_withdrawn
from guardian.gate.base.replies import ProposalWithdrawn, Reply, ReplyError, denied, done
from guardian.gate.orders.proposal_views import end_of_proposal, proposed_order
from guardian.policy.verdict import Denial
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Proposal, ProposalState


class ProposalWithdrawer:
    """Withdraws proposals of the gate's environment that wait, or that are approved and not sent."""

    def __init__(self, context: GateContext) -> None:
        self._context = context

    async def withdraw(self, call: CallInfo, request: WithdrawProposal) -> Reply:
        """One `cancel_order` with a `proposal_id`. Raises StoreError: nothing was withdrawn."""
        return await self._context.journal.transact(
            lambda tx: self._withdraw(tx, call, request.proposal_id), patience_s=CANCEL_PATIENCE_S
        )

    def _withdraw(self, tx: Transaction, call: CallInfo, proposal_id: str) -> Reply:
        proposal = tx.proposals.get(proposal_id)
        if proposal is None or proposal.scope.environment != self._context.environment.value:
            message = f"there is no proposal {proposal_id} here"
            hint = "`data.proposal_id` of create_order and guardian://status have the ids"
            return denied((Denial(code=Code.PROPOSAL_UNKNOWN, message=message, hint=hint),))
        if not proposal.is_outstanding(tx.now_ms):
            row = None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
            return _nothing_left(proposal, row, tx.now_ms)
        tx.proposals.withdraw(proposal_id)
        note_withdrawn(tx, proposal, call_id=call.call_id)
        return done(
            ProposalWithdrawn(
                proposal_id=proposal_id,
                state=ProposalState.WITHDRAWN.value,
                order=proposed_order(proposal),
                note="the proposal is withdrawn: it can no longer be approved or sent, and nothing was sent",
            )
        )


def _nothing_left(proposal: Proposal, row: OrderRow | None, now_ms: int) -> Reply:
    """The reply for a proposal that has ended; where it was sent, it has the id of its order."""
    is_open = row is not None and row.state not in FINAL_STATES
    denial = Denial(
        code=Code.PROPOSAL_ENDED,
        message=f"there is nothing to withdraw: {end_of_proposal(proposal, row, now_ms)}",
        hint="cancel_order with its symbol and client_order_id takes it out of the book" if is_open else None,
    )
    error = ReplyError(
        code=denial.code,
        message=denial.message,
        hint=denial.hint,
        denials=(denial,),
        client_order_id=proposal.client_order_id,
    )
    return Reply(outcome=denial.code.outcome, error=error)
