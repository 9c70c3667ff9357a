"""Orders as the assistant sees them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from guardian.domain.milliseconds import LATEST_MS
from guardian.domain.money import ZERO, divided_up, plain, round_down
from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX, Fees, OrderReport, TimeInForce, fees_of
from guardian.gate.base.replies import OrderView
from guardian.store.schema.records import OrderRow
from guardian.system.local_times import no_time


def iso(milliseconds: int) -> str:
    """Milliseconds since the epoch as ISO 8601 in UTC, to the millisecond; a number that is no time as it is."""
    try:
        moment = datetime.fromtimestamp(milliseconds // 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):  # beyond the year 9999
        return no_time(milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def utc_clock(milliseconds: int) -> str:
    """The time of day in UTC, to the second: `16:20:30Z`."""
    return f"{iso(milliseconds)[11:19]}Z"


def known_moment(milliseconds: int | None) -> str | None:
    """As `iso`; None where there is no time, or one outside the years 1970 to 9999, as an exchange can send it."""
    return iso(milliseconds) if milliseconds is not None and 0 < milliseconds <= LATEST_MS else None


def average_price(quantity: Decimal, quote_quantity: Decimal | None) -> Decimal | None:
    """Quote per base over what was executed, cut at the eighth digit; None where nothing was, or it is not known."""
    if quantity <= 0 or quote_quantity is None:
        return None
    return round_down(divided_up(quote_quantity, quantity))


def view_of_report(
    report: OrderReport, row: OrderRow | None = None, known_fees: Mapping[str, Decimal] | None = None
) -> OrderView:
    """An order as the exchange reports it; `row` is what guardian's own store knows of it, if it is guardian's.

    `known_fees` are the fees of all that is executed, where the ledger has them.
    """
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
        commissions=_commissions(report.executed_quantity, fees_of(report.fills), known_fees),
        placed_by="guardian" if ours else "other",
        time=known_moment(report.created_ms if row is None else row.sent_ms),
        updated=known_moment(report.time),
        exchange_status=report.status,
        prevented_quantity=report.prevented_quantity,
        source="exchange",
    )


def view_of_row(row: OrderRow, known_fees: Mapping[str, Decimal] | None = None) -> OrderView:
    """An order as guardian's store knows it; `known_fees` as in `view_of_report`."""
    # The store has zero where the exchange did not say what was paid or brought.
    is_quote_known = row.executed_quantity == 0 or row.executed_quote_quantity > 0
    quote_quantity = row.executed_quote_quantity if is_quote_known else None
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
        executed_quote_quantity=quote_quantity,
        average_price=average_price(row.executed_quantity, quote_quantity),
        commissions=_commissions(row.executed_quantity, Fees(quantity=ZERO, by_asset={}), known_fees),
        placed_by="guardian",
        time=known_moment(row.sent_ms),
        updated=None,
        exchange_status=row.exchange_status,
        prevented_quantity=None,
        source="log",
    )


def _commissions(
    executed: Decimal, stated: Fees, known_fees: Mapping[str, Decimal] | None
) -> dict[str, Decimal] | None:
    """The fees of all that is executed, by asset; None where they are not known for all of it."""
    if stated.quantity >= executed:
        return dict(sorted(stated.by_asset.items()))
    return None if known_fees is None else dict(sorted(known_fees.items()))


def note_on(view: OrderView) -> str:
    """An order's state in one sentence for a person."""
    done, of = plain(view.executed_quantity), plain(view.quantity)
    at = f" at {plain(view.average_price)} on average" if view.average_price is not None else ""
    if view.state == "filled":
        return f"filled: {done}{at}{_prevented(view)}"
    if view.state in {"open", "part_filled"}:
        return f"open in the book: {done} of {of} filled{at}{_prevented(view)}"
    if view.state in {"cancelled", "expired"} and view.executed_quantity > ZERO:
        return f"{view.state}: {done} of {of} was filled{at}, the rest was not{_why_it_ended(view)}"
    if view.state in {"cancelled", "expired"}:
        return f"{view.state}: nothing was filled{_why_it_ended(view)}"
    if view.state == "rejected":
        return "the exchange rejected it: nothing was filled"
    if view.state == "not_placed":
        return "it never reached the exchange"
    return "whether it exists is not known yet; guardian keeps asking the exchange"


def note_on_row(row: OrderRow) -> str:
    """As `note_on`, for an order of the store; one that was given up is not described as never sent."""
    if row.given_up:
        return "it counts as never placed, because the exchange did not know it when guardian stopped asking"
    return note_on(view_of_row(row))


def _why_it_ended(view: OrderView) -> str:
    if view.exchange_status == "EXPIRED_IN_MATCH":
        return _prevented(view) or "; the exchange prevented a trade with another of the account's own orders"
    if view.exchange_status == "EXPIRED" and view.time_in_force == TimeInForce.IOC:
        return f"; what an IOC does not fill at once lapses{_prevented(view)}"
    if view.exchange_status == "EXPIRED" and view.time_in_force == TimeInForce.FOK:
        return f"; an FOK that cannot fill whole at once lapses{_prevented(view)}"
    if view.exchange_status == "EXPIRED":
        return f"; the exchange ended it by its own rules{_prevented(view)}"
    return _prevented(view)


def _prevented(view: OrderView) -> str:
    if not view.prevented_quantity:
        return ""
    return f"; the exchange prevented {plain(view.prevented_quantity)} from trading with the account's own orders"
