"""The reply for an order that was sent before: nothing is sent now."""

from __future__ import annotations

from guardian.domain.codes import Code, Outcome
from guardian.domain.order_states import UNRESOLVED_STATES, VOID_STATES, OrderState
from guardian.gate.base.order_views import note_on, note_on_row, view_of_row
from guardian.gate.base.replies import OrderPlaced, Reply, ReplyError, done, refused
from guardian.store.schema.records import OrderRow


def reply_for_sent_order(row: OrderRow) -> Reply:
    """The reply for an order that was placed before: nothing is sent now."""
    view = view_of_row(row)
    if row.state in UNRESOLVED_STATES:
        error = ReplyError(
            code=Code.ORDER_UNKNOWN,
            message="this order was sent before and its fate is not known yet; nothing was sent now",
            hint="query it with get_orders and this client order id",
            client_order_id=row.client_order_id,
        )
        return Reply(outcome=Outcome.UNKNOWN, error=error)
    if row.given_up:
        error = ReplyError(
            code=Code.ORDER_UNKNOWN,
            message=f"this order was sent before, and {note_on_row(row)}; nothing was sent now",
            hint="look with get_orders and this client order id whether it is there after all; the same order is "
            "refused until `limits.duplicate_window` after it was sent",
            client_order_id=row.client_order_id,
        )
        return Reply(outcome=Outcome.UNKNOWN, error=error)
    if row.state in VOID_STATES:
        return _never_placed(row)
    note = f"this order was placed before, nothing was sent now; {note_on(view)}"
    return done(OrderPlaced(order=view, already_placed=True, note=note))


def _never_placed(row: OrderRow) -> Reply:
    """The reply for an order that was rejected, or that certainly never left this machine."""
    if row.state is OrderState.REJECTED:
        code, what = Code.EXCHANGE_REJECTED, "the exchange rejected this order when it was sent"
    else:
        code, what = Code.ORDER_NOT_SENT, "this order never reached the exchange"
    hint = "request the order again, without a token, if it is still wanted"
    return refused(code, f"{what}; nothing was sent now", hint=hint)
