"""The exchange's filters, in exact decimals. A bound, a step or a factor of zero is disabled.

Source: Binance spot `filters.md`.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from guardian.domain.money import ZERO, divided_up, is_multiple, plus, times, total
from guardian.domain.orders import STOP_LIMIT_TYPES, STOP_TYPES
from guardian.paper.engine.orders import Order, PlaceOrder
from guardian.paper.engine.refusals import filter_failure, order_rejected
from guardian.paper.market.symbols import Listing


def check(
    order: PlaceOrder, listing: Listing, average: Decimal, open_orders: Iterable[Order], held: Decimal = ZERO
) -> None:
    """Whether the symbol's filters let the order through.

    `average` is the symbol's average price, `open_orders` are its open orders, `held` is what the account has of its
    base asset, free and locked.

    Raises:
        ExchangeRejected: -1013, naming the first filter that does not; -2010 for an iceberg larger than its order.
    """
    if order.price > 0:
        _check_prices(order, listing, average)
    elif order.stop_price > 0:
        _check_price(order.stop_price, listing)
    if order.quantity > 0:
        _check_lot(order.quantity, listing)
    if order.iceberg_quantity > 0:
        _check_iceberg(order, listing)
    if order.price == 0 and order.quantity > 0:
        _check_market_lot(order, listing)
    _check_notional(order, listing, average)
    _check_counts(order, listing, tuple(open_orders), held)


def _within(value: Decimal, least: Decimal, most: Decimal, step: Decimal) -> bool:
    return value >= least and (most == 0 or value <= most) and is_multiple(value, step)


def _check_price(price: Decimal, listing: Listing) -> None:
    if not _within(price, listing.min_price, listing.max_price, listing.tick):
        raise filter_failure("PRICE_FILTER")


def _check_prices(order: PlaceOrder, listing: Listing, average: Decimal) -> None:
    _check_price(order.price, listing)
    if order.order_type in STOP_LIMIT_TYPES:
        _check_price(order.stop_price, listing)
    buying = order.side == "BUY"
    up, down = (listing.bid_up, listing.bid_down) if buying else (listing.ask_up, listing.ask_down)
    if not _within(order.price, times(average, down), times(average, up), ZERO):
        raise filter_failure("PERCENT_PRICE_BY_SIDE")


def _check_lot(quantity: Decimal, listing: Listing) -> None:
    if not _within(quantity, listing.min_quantity, listing.max_quantity, listing.step):
        raise filter_failure("LOT_SIZE")


def _check_market_lot(order: PlaceOrder, listing: Listing) -> None:
    if not _within(order.quantity, listing.market_min_quantity, listing.market_max_quantity, listing.market_step):
        raise filter_failure("MARKET_LOT_SIZE")


def _check_iceberg(order: PlaceOrder, listing: Listing) -> None:
    if order.iceberg_quantity > order.quantity:
        raise order_rejected("IcebergQty exceeds QTY.")
    _check_lot(order.iceberg_quantity, listing)
    # More than `limit` whole parts: the last, smaller one counts as a part too.
    limit = Decimal(listing.max_iceberg_parts)
    if limit > 0 and divided_up(order.quantity, order.iceberg_quantity) > limit:
        raise filter_failure("ICEBERG_PARTS")


def _check_notional(order: PlaceOrder, listing: Listing, average: Decimal) -> None:
    if order.price > 0:
        notional, least, most = times(order.price, order.quantity), listing.min_notional, listing.max_notional
    else:
        notional = order.quote_quantity if order.quote_quantity > 0 else times(order.quantity, average)
        least = listing.min_notional if listing.min_notional_for_market else ZERO
        most = listing.max_notional if listing.max_notional_for_market else ZERO
    if not _within(notional, least, most, ZERO):
        raise filter_failure("NOTIONAL")


def _check_counts(order: PlaceOrder, listing: Listing, open_orders: tuple[Order, ...], held: Decimal) -> None:
    if order.side == "BUY" and listing.max_position > 0:
        wanted = total(other.remaining for other in open_orders if other.is_buy)
        if plus(plus(held, wanted), order.quantity) > listing.max_position:
            raise filter_failure("MAX_POSITION")
    if 0 < listing.max_orders <= len(open_orders):
        raise filter_failure("MAX_NUM_ORDERS")
    if order.order_type in STOP_TYPES and listing.max_stop_orders > 0:
        stops = sum(1 for other in open_orders if other.is_stop and other.working_since < 0)
        if stops >= listing.max_stop_orders:
            raise filter_failure("MAX_NUM_ALGO_ORDERS")
    if order.iceberg_quantity > 0 and listing.max_iceberg_orders > 0:
        icebergs = sum(1 for other in open_orders if other.iceberg_quantity > 0)
        if icebergs >= listing.max_iceberg_orders:
            raise filter_failure("MAX_NUM_ICEBERG_ORDERS")
