"""The replies for an order or a token that is not to be judged: it was sent before, or it cannot be redeemed now."""

from __future__ import annotations

from collections.abc import Mapping

from guardian.domain.codes import Code, Outcome
from guardian.domain.order_states import UNRESOLVED_STATES, VOID_STATES, OrderState
from guardian.gate.base.order_views import iso, note_on, note_on_row, view_of_row
from guardian.gate.base.replies import OrderPlaced, Reply, ReplyError, denied, done, refused
from guardian.gate.orders.proposal_views import proposal_state
from guardian.gate.orders.proposals import order_key
from guardian.gate.orders.stages import PendingOrder
from guardian.gate.recovery.fees import known_fees
from guardian.policy.verdict import Denial
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Proposal, ProposalState, Scope


def reply_if_just_sent(tx: Transaction, order: PendingOrder) -> Reply | None:
    """The reply for an order whose proposal was sent within `limits.duplicate_window`; else None. Raises StoreError.

    `guardian approve --submit`, for instance, sends one while the assistant still waits for it.
    """
    proposal = tx.proposals.newest_for(order.scope, order_key(order.spec))
    row = None if proposal is None else _order_of(tx, proposal)
    # One that never came to be is no duplicate: the same order may be placed again.
    if row is None or row.state in VOID_STATES:
        return None
    is_recent = tx.now_ms - row.reserved_ms < order.policy.limits.duplicate_window_ms
    return reply_for_sent_order(tx, row) if is_recent else None


def proposal_to_redeem(tx: Transaction, token: str, scope: Scope, stated: Mapping[str, str]) -> Proposal | Reply:
    """The proposal with a token, by the token's digest, or the reply where it cannot be redeemed. Raises StoreError.

    `stated` are the order's fields that the assistant gave beside the token.
    """
    proposal = tx.proposals.by_token(token)
    if proposal is None:
        return denied((_denial_for_unknown_token(),))
    return reply_instead_of_redeeming(tx, proposal, scope, stated) or proposal


def reply_instead_of_redeeming(
    tx: Transaction, proposal: Proposal, scope: Scope, stated: Mapping[str, str]
) -> Reply | None:
    """The reply where a proposal cannot be redeemed now or was sent before; else None. Raises StoreError.

    `stated` are the order's fields that the assistant gave beside the token.
    """
    denial = _denial_for_token(proposal, scope, tx.now_ms, _mismatched_fields(proposal, stated))
    if denial is not None:
        return denied((denial,))
    row = _order_of(tx, proposal)
    return None if row is None else reply_for_sent_order(tx, row)


def _order_of(tx: Transaction, proposal: Proposal) -> OrderRow | None:
    """The order that a proposal became, if it became one."""
    return None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)


def reply_for_sent_order(tx: Transaction, row: OrderRow) -> Reply:
    """The reply for an order that was placed before: nothing is sent now, which is the first thing that it says."""
    if row.state in UNRESOLVED_STATES:
        error = ReplyError(
            code=Code.ORDER_UNKNOWN,
            message="nothing was sent now: this order was sent before, and its fate is not known yet",
            hint="query it with get_orders and this client order id",
            client_order_id=row.client_order_id,
        )
        return Reply(outcome=Outcome.UNKNOWN, error=error)
    if row.given_up:
        error = ReplyError(
            code=Code.ORDER_UNKNOWN,
            message=f"nothing was sent now: this order was sent before, and {note_on_row(row)}",
            hint="look with get_orders and this client order id whether it is there after all; the same order is "
            "refused until `limits.duplicate_window` after it was sent",
            client_order_id=row.client_order_id,
        )
        return Reply(outcome=Outcome.UNKNOWN, error=error)
    if row.state in VOID_STATES:
        return _never_placed(row)
    view = view_of_row(row, known_fees(tx, row, row.executed_quantity))
    note = f"nothing was sent now: this order was placed already at {iso(row.sent_ms)}; {note_on(view)}"
    return done(OrderPlaced(order=view, already_placed=True, note=note))


def _never_placed(row: OrderRow) -> Reply:
    """The reply for an order that was rejected, or that certainly never left this machine."""
    if row.state is OrderState.REJECTED:
        code, what = Code.EXCHANGE_REJECTED, "the exchange rejected this order when it was sent"
    else:
        code, what = Code.ORDER_NOT_SENT, "this order never reached the exchange"
    hint = "request the order again, without a token, if it is still wanted"
    return refused(code, f"nothing was sent now: {what}", hint=hint)


def _mismatched_fields(proposal: Proposal, stated: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the fields beside a token that differ from the stored order."""
    return tuple(sorted(name for name, value in stated.items() if proposal.spec.get(name) != value))


def _denial_for_unknown_token() -> Denial:
    """The denial for a token that no proposal has."""
    return Denial(
        code=Code.CONFIRMATION_UNKNOWN,
        message="no proposal has this confirmation token",
        hint="look with get_orders whether the order is there: a newer token may have placed it. Only if it is not, "
        "request it without a token; a person then approves it",
    )


def _why_rejected(proposal: Proposal) -> str:
    if proposal.state is ProposalState.BURNT:
        return f"this order was denied when it was to be sent, which used up its approval: {proposal.reason}"
    return "this proposal was turned down by a person"


def _denial_for_token(proposal: Proposal, scope: Scope, now_ms: int, mismatch: tuple[str, ...]) -> Denial | None:
    """Why this proposal cannot be redeemed now; None where it can be, or has been."""
    if proposal.scope != scope:
        return Denial(
            code=Code.CONFIRMATION_ENVIRONMENT,
            message="this token was made in another environment or for another account",
            observed=scope.environment,
            limit=proposal.scope.environment,
        )
    if mismatch:
        return Denial(
            code=Code.CONFIRMATION_MISMATCH,
            message="these fields differ from the order that was confirmed: " + ", ".join(mismatch),
            hint="call create_order with `confirmation_token` alone",
        )
    state = proposal_state(proposal, now_ms)
    if state == "withdrawn":
        return Denial(
            code=Code.CONFIRMATION_REJECTED,
            message="this proposal was withdrawn by the assistant; nothing was sent",
            hint="request the order again if it is wanted after all",
        )
    if state == "rejected":
        return Denial(
            code=Code.CONFIRMATION_REJECTED,
            message=_why_rejected(proposal),
            # A person's words are never a part of guardian's own sentence.
            observed=proposal.reason if proposal.state is ProposalState.REJECTED else None,
            hint="request the order again only if the person agrees",
        )
    token_expired = proposal.token_expires_ms is not None and now_ms >= proposal.token_expires_ms
    if state != "sent" and (state == "expired" or token_expired):
        return Denial(
            code=Code.CONFIRMATION_EXPIRED,
            message="the token or its proposal has expired",
            hint="request the order again",
        )
    return None
