"""What is found out about an order after its call: the order moves on, and an `event` row says so."""

from __future__ import annotations

from collections.abc import Mapping

from guardian.domain.order_states import LIVE_STATES, OrderState
from guardian.domain.orders import OrderReport
from guardian.gate.base.auto_halt import halt_on_rejects
from guardian.gate.base.calls import plain_record
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Phase, Proposal, Record, Scope


def note_found(
    tx: Transaction,
    scope: Scope,
    row: OrderRow,
    state: OrderState,
    report: OrderReport | None,
    *,
    why: str | None = None,
    given_up: bool = False,
) -> bool:
    """The order's new state, and an `event` row where it is news; whether it was. Raises StoreError.

    With `given_up` the order ends for want of evidence alone.

    An order that was open and that the exchange calls rejected has ended, but it was entered: it becomes `expired`.
    """
    known = tx.orders.get(row.client_order_id)
    if state is OrderState.REJECTED and known is not None and known.state in LIVE_STATES:
        state, why = OrderState.EXPIRED, why or "the exchange had it open, and calls it rejected now"
    if not tx.orders.move(row.client_order_id, state, report=report, given_up=given_up):
        return False
    body = {"kind": "resolved", "client_order_id": row.client_order_id, "was": row.state, "is": state, "report": report}
    if why is not None:
        body["why"] = why
    _append(tx, scope, row.symbol, body, call_id=row.call_id)
    if state is OrderState.REJECTED:
        halt_on_rejects(tx, row.scope, row.call_id)
    return True


def tell_once(
    tx: Transaction, scope: Scope, key: str, symbol: str, body: Mapping[str, object], *, call_id: str | None = None
) -> bool:
    """An `event` row, for this key the only one; False where it was told before. Raises StoreError."""
    if tx.audit.has_key(key):
        return False
    _append(tx, scope, symbol, body, call_id=call_id, key=key)
    return True


def note_withdrawn(tx: Transaction, proposal: Proposal, *, call_id: str) -> None:
    """An `event` row for a proposal that the assistant took back. Raises StoreError."""
    body = {"kind": "withdrawn", "proposal": proposal.id, "by": "assistant", "order": dict(proposal.resolved)}
    _append(tx, proposal.scope, proposal.symbol, body, call_id=call_id)


def _append(
    tx: Transaction,
    scope: Scope,
    symbol: str,
    body: Mapping[str, object],
    *,
    call_id: str | None,
    key: str | None = None,
) -> None:
    tx.audit.append(
        Record(
            phase=Phase.EVENT,
            call_id=call_id,
            symbol=symbol,
            environment=scope.environment,
            account=scope.account,
            key=key,
            body=plain_record(body),
        )
    )
