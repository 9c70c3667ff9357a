"""What is found out about an order after its call: the order moves on, and an `event` row says so."""

from __future__ import annotations

from guardian.domain.orders import OrderReport, OrderState
from guardian.gate.calls import plain_record
from guardian.store.database import Transaction
from guardian.store.records import OrderRow, Phase, Record, Scope


def note_found(
    tx: Transaction,
    scope: Scope,
    row: OrderRow,
    state: OrderState,
    report: OrderReport | None,
    *,
    why: str | None = None,
) -> bool:
    """The order's new state, and an `event` row where it is news; whether it was. Raises StoreError."""
    if not tx.move_order(row.client_order_id, state, report=report):
        return False
    body = {"kind": "resolved", "client_order_id": row.client_order_id, "was": row.state, "is": state, "report": report}
    if why is not None:
        body["why"] = why
    tx.append(
        Record(
            phase=Phase.EVENT,
            call_id=row.call_id,
            symbol=row.symbol,
            environment=scope.environment,
            account=scope.account,
            body=plain_record(body),
        )
    )
    return True
