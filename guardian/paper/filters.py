"""The exchange's filters, in exact decimals. A bound or a step of zero would be disabled; none here is but as noted.

Source: Binance spot `filters.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from guardian.domain.money import is_multiple, times
from guardian.paper.listing import MAX_OPEN_ORDERS, MAX_STOP_ORDERS, STOP_TYPES, Listing
from guardian.paper.orders import Order, PlaceOrder
from guardian.paper.refusals import filter_failure


def check(order: PlaceOrder, listing: Listing, average: Decimal, open_orders: Sequence[Order]) -> None:
    """Whether the symbol's filters let the order through.

    Raises:
        ExchangeRejected: -1013, naming the first filter that does not.
    """
    if order.order_type == "MARKET":
        _check_market(order, listing, average)
    else:
        _check_priced(order, listing, average)
    same_symbol = [other for other in open_orders if other.symbol == order.symbol]
    if len(same_symbol) >= MAX_OPEN_ORDERS:
        raise filter_failure("MAX_NUM_ORDERS")
    if order.order_type in STOP_TYPES:
        stops = sum(1 for other in same_symbol if other.is_stop and other.working_since < 0)
        if stops >= MAX_STOP_ORDERS:
            raise filter_failure("MAX_NUM_ALGO_ORDERS")


def _check_priced(order: PlaceOrder, listing: Listing, average: Decimal) -> None:
    prices = [order.price, order.stop_price] if order.order_type in STOP_TYPES else [order.price]
    for price in prices:
        if not listing.min_price <= price <= listing.max_price or not is_multiple(price, listing.tick):
            raise filter_failure("PRICE_FILTER")
    buying = order.side == "BUY"
    up, down = (listing.bid_up, listing.bid_down) if buying else (listing.ask_up, listing.ask_down)
    if not times(average, down) <= order.price <= times(average, up):
        raise filter_failure("PERCENT_PRICE_BY_SIDE")
    _check_lot(order.quantity, listing)
    if not listing.min_notional <= times(order.price, order.quantity) <= listing.max_notional:
        raise filter_failure("NOTIONAL")


def _check_market(order: PlaceOrder, listing: Listing, average: Decimal) -> None:
    if order.quote_quantity > 0:
        notional = order.quote_quantity
    else:
        _check_lot(order.quantity, listing)
        # MARKET_LOT_SIZE has neither a least quantity nor a step (both zero), on Binance too.
        if order.quantity > listing.market_max_quantity:
            raise filter_failure("MARKET_LOT_SIZE")
        notional = times(order.quantity, average)
    if notional < listing.min_notional:  # applyMaxToMarket is false
        raise filter_failure("NOTIONAL")


def _check_lot(quantity: Decimal, listing: Listing) -> None:
    if not listing.min_quantity <= quantity <= listing.max_quantity or not is_multiple(quantity, listing.step):
        raise filter_failure("LOT_SIZE")
