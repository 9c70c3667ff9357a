"""What an order is at worst: its protected price, and what a unit of it counts for in the quote asset.

`P` is the price sent, `S` the stop price, `Q` the base quantity. BUY counts `P*Q`, SELL counts
`max(P, bid)*Q`, a stop-limit SELL `max(P, S, bid)*Q`; rounded up at the eighth digit.
"""

from __future__ import annotations

from decimal import Decimal

from guardian.domain.instruments import Instrument, largest_quantity
from guardian.domain.market import BookTop
from guardian.domain.money import EIGHTH_DIGIT, ONE, ZERO, ceil_to, floor_to, minus, plus, times
from guardian.domain.orders import (
    BUY,
    MARKET,
    STOP_LIMIT_TYPES,
    OrderSide,
    OrderSpec,
    OrderType,
    ResolvedOrder,
    TimeInForce,
)


def resolve(
    spec: OrderSpec, instrument: Instrument, book: BookTop | None, market_buffer: Decimal, fixed_price: Decimal | None
) -> ResolvedOrder | None:
    """Returns the exact order to send; None where a price is missing, or the book that protects a MARKET order.

    `fixed_price` is the protected price that a proposal fixed; it is not worked out again, and the quantity of an order
    by `quote_quantity` follows from it.
    """
    if spec.order_type is not MARKET:
        return _as_requested(spec)
    if fixed_price is not None:
        price = fixed_price
    elif book is not None and book.is_usable:
        price = protected_price(spec.side, instrument, book, market_buffer)
    else:
        return None
    quantity = spec.quantity
    if quantity is None:
        quantity = largest_quantity(spec.quote_quantity or ZERO, price, instrument.lot.step)
    return ResolvedOrder(
        spec=spec, wire_type=OrderType.LIMIT, quantity=quantity, price=price, time_in_force=TimeInForce.IOC
    )


def _as_requested(spec: OrderSpec) -> ResolvedOrder | None:
    """Returns the order as requested, or None where it is incomplete.

    Stop-limit orders need a stop price, no other has one.
    """
    if spec.price is None or spec.quantity is None:
        return None
    if (spec.stop_price is not None) != (spec.order_type in STOP_LIMIT_TYPES):
        return None
    return ResolvedOrder(
        spec=spec,
        wire_type=spec.order_type,
        quantity=spec.quantity,
        price=spec.price,
        stop_price=spec.stop_price,
        time_in_force=spec.time_in_force,
    )


def protected_price(side: OrderSide, instrument: Instrument, book: BookTop, buffer: Decimal) -> Decimal:
    """Returns the ask plus the buffer, or the bid less it, rounded to the tick that is not worse."""
    tick = instrument.price.step or EIGHTH_DIGIT
    if side is BUY:
        return floor_to(times(book.ask, plus(ONE, buffer)), tick)
    return ceil_to(times(book.bid, minus(ONE, buffer)), tick)


def no_worse_price(
    order: ResolvedOrder, instrument: Instrument, book: BookTop | None, average: Decimal | None, collar: Decimal
) -> Decimal:
    """Returns the price to send for a MARKET order that a person confirmed at `order.price`: that or a better one.

    It is a better one where the market has moved in the person's favour, so that the agreed price is outside the collar
    or the exchange's filters now: the admitted price that is nearest to the agreed one. Where no better price is
    admitted it is the agreed one, and the filters say what is wrong with it.
    """
    agreed, valid = order.price, instrument.valid_prices(order.side, order.quantity, average)
    if order.side is BUY:
        highest = agreed if book is None else min(agreed, times(book.ask, plus(ONE, collar)))
        if valid.maximum > 0:
            highest = min(highest, valid.maximum)
        price = max(floor_to(highest, valid.step), ceil_to(valid.minimum, valid.step))
        return price if price <= agreed and valid.admits(price) else agreed
    lowest = agreed if book is None else max(agreed, times(book.bid, minus(ONE, collar)))
    price = ceil_to(max(lowest, valid.minimum), valid.step)
    if valid.maximum > 0:
        price = min(price, floor_to(valid.maximum, valid.step))
    return price if price >= agreed and valid.admits(price) else agreed


def worst_price(order: ResolvedOrder, book: BookTop | None) -> Decimal | None:
    """Returns the price that the order is counted at; None where a SELL has no bid to be compared with."""
    if order.side is BUY:
        return order.price
    if book is None or not book.is_usable:
        return None
    return max(order.price, order.stop_price or ZERO, book.bid)
