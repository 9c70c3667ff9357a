"""Orders as the assistant sees them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from guardian.domain.money import ZERO, divided_up, plain, total
from guardian.domain.orders import OrderReport, unknown_word
from guardian.domain.trading import CLIENT_ORDER_ID_PREFIX
from guardian.gate.replies import OrderView
from guardian.store.records import OrderRow


def iso(milliseconds: int) -> str:
    """Milliseconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(milliseconds // 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def utc_clock(milliseconds: int) -> str:
    """The time of day in UTC, to the second: `16:20:30Z`."""
    return f"{iso(milliseconds)[11:19]}Z"


def average_price(quantity: Decimal, quote_quantity: Decimal) -> Decimal | None:
    """Quote per base over what was executed, cut at the eighth digit; None where nothing was."""
    if quantity <= 0:
        return None
    return divided_up(quote_quantity, quantity).quantize(Decimal("0.00000001"))


def view_of_report(report: OrderReport, row: OrderRow | None = None) -> OrderView:
    """An order as the exchange reports it; `row` is what guardian's own store knows of it, if it is guardian's."""
    assets = sorted({fill.commission_asset for fill in report.fills})
    ours = row is not None or report.client_order_id.startswith(CLIENT_ORDER_ID_PREFIX)
    return OrderView(
        # The owner may have amended it, which gives it another one at the exchange.
        client_order_id=report.client_order_id if row is None else row.client_order_id,
        order_id=report.order_id,
        symbol=report.symbol,
        side=report.side,
        order_type=report.order_type if row is None else row.order_type,
        sent_as=report.order_type,
        time_in_force=report.time_in_force,
        quantity=report.quantity,
        price=report.price,
        stop_price=report.stop_price,
        state=report.state.value,
        executed_quantity=report.executed_quantity,
        executed_quote_quantity=report.executed_quote_quantity,
        average_price=average_price(report.executed_quantity, report.executed_quote_quantity),
        commissions={
            asset: total(fill.commission for fill in report.fills if fill.commission_asset == asset) for asset in assets
        },
        placed_by="guardian" if ours else "other",
        time=None if report.time is None else iso(report.time),
        exchange_status=unknown_word(report.status),
    )


def view_of_row(row: OrderRow) -> OrderView:
    """An order as guardian's store knows it."""
    return OrderView(
        client_order_id=row.client_order_id,
        order_id=row.order_id,
        symbol=row.symbol,
        side=row.side,
        order_type=row.order_type,
        sent_as=row.wire_type,
        time_in_force=row.time_in_force,
        quantity=row.quantity if row.amended_quantity is None else row.amended_quantity,
        price=row.price,
        stop_price=row.stop_price,
        state=row.state.value,
        executed_quantity=row.executed_quantity,
        executed_quote_quantity=row.executed_quote_quantity,
        average_price=average_price(row.executed_quantity, row.executed_quote_quantity),
        commissions={},
        placed_by="guardian",
        time=iso(row.reserved_ms),
        exchange_status=None if row.exchange_status is None else unknown_word(row.exchange_status),
    )


def note_on(view: OrderView) -> str:
    """What became of an order, in one sentence that answers what a person would ask."""
    done, of = plain(view.executed_quantity), plain(view.quantity)
    at = f" at {plain(view.average_price)} on average" if view.average_price is not None else ""
    if view.state == "filled":
        return f"filled: {done}{at}"
    if view.state in {"open", "part_filled"}:
        return f"open in the book: {done} of {of} filled{at}"
    if view.state in {"cancelled", "expired"} and view.executed_quantity > ZERO:
        return f"{view.state}: {done} of {of} was filled{at}, the rest was not"
    if view.state in {"cancelled", "expired"}:
        return f"{view.state}: nothing was filled"
    if view.state == "rejected":
        return "the exchange rejected it: nothing was filled"
    if view.state == "not_placed":
        return "it never reached the exchange"
    return "whether it exists is not known yet; guardian keeps asking the exchange"
