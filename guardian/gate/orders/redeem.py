"""The replies for an order or a token that is not to be judged: it was sent before, or it cannot be redeemed now."""

from __future__ import annotations

from collections.abc import Mapping

from guardian.domain.order_states import VOID_STATES
from guardian.gate.base.replies import Reply, denied
from guardian.gate.orders.placed_before import reply_for_sent_order
from guardian.gate.orders.proposals import denial_for_token, mismatched_fields, order_key
from guardian.gate.orders.reserve import PendingOrder
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Proposal, Scope


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
    return reply_for_sent_order(row) if is_recent else None


def reply_instead_of_redeeming(
    tx: Transaction, proposal: Proposal, scope: Scope, stated: Mapping[str, str]
) -> Reply | None:
    """The reply where a proposal cannot be redeemed now or was sent before; else None. Raises StoreError.

    `stated` are the order's fields that the assistant gave beside the token.
    """
    denial = denial_for_token(proposal, scope, tx.now_ms, mismatched_fields(proposal, stated))
    if denial is not None:
        return denied((denial,))
    row = _order_of(tx, proposal)
    return None if row is None else reply_for_sent_order(row)


def _order_of(tx: Transaction, proposal: Proposal) -> OrderRow | None:
    """The order that a proposal became, if it became one."""
    return None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
