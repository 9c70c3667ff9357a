"""Records changes of an order after its call, each with an `event` row."""

from __future__ import annotations

from collections.abc import Mapping

from guardian.domain.order_states import LIVE_STATES, OrderState
from guardian.domain.orders import OrderReport
from guardian.gate.base.auto_halt import halt_on_rejects
from guardian.gate.base.calls import plain_record
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Proposal, Record, Scope


def record_new_state(
    tx: Transaction,
    row: OrderRow,
    state: OrderState,
    report: OrderReport | None,
    *,
    why: str | None = None,
    given_up: bool = False,
) -> bool:
    """Store an order's new state, with an `event` row if it differs; returns whether it did. Raises StoreError.

    `given_up` marks an order that ends only because the exchange showed no evidence of it.

    An open order that the exchange now reports as rejected was in the book, so that it becomes `expired`.
    """
    known = tx.orders.get(row.client_order_id)
    if state is OrderState.REJECTED and known is not None and known.state in LIVE_STATES:
        state, why = OrderState.EXPIRED, why or "the exchange had it open, and reports it as rejected now"
    if not tx.orders.move(row.client_order_id, state, report=report, given_up=given_up):
        return False
    body = {"kind": "resolved", "client_order_id": row.client_order_id, "was": row.state, "is": state, "report": report}
    if why is not None:
        body["why"] = why
    tx.audit.append(Record.event(row.scope, plain_record(body), call_id=row.call_id, symbol=row.symbol))
    if state is OrderState.REJECTED:
        halt_on_rejects(tx, row.scope, row.call_id)
    return True


def append_event_once(
    tx: Transaction, scope: Scope, key: str, symbol: str, body: Mapping[str, object], *, call_id: str | None = None
) -> bool:
    """Append an `event` row, once for each key; False where the key exists. Raises StoreError."""
    if tx.audit.has_key(key):
        return False
    tx.audit.append(Record.event(scope, plain_record(body), call_id=call_id, symbol=symbol, key=key))
    return True


def note_withdrawn(tx: Transaction, proposal: Proposal, *, call_id: str) -> None:
    """Append an `event` row for a proposal that the assistant withdrew. Raises StoreError."""
    body = {"kind": "withdrawn", "proposal": proposal.id, "by": "assistant", "order": dict(proposal.resolved)}
    tx.audit.append(Record.event(proposal.scope, plain_record(body), call_id=call_id, symbol=proposal.symbol))
