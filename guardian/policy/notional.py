"""What an order is at worst: its protected price, its notional, and that notional in the accounting currency.

The formulas are DESIGN's table: `P` the price sent, `S` the stop price, `Q` the base quantity. BUY counts `P*Q`, SELL
counts `max(P, bid)*Q`, a stop-limit SELL `max(P, S, bid)*Q`; rounded up at the eighth digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.instruments import Instrument, largest_quantity
from guardian.domain.money import (
    EIGHTH_DIGIT,
    ZERO,
    ceil_to,
    divided_down,
    divided_up,
    floor_to,
    minus,
    plus,
    round_down,
    round_up,
    times,
)
from guardian.domain.orders import STOP_LIMIT_TYPES, OrderSide, OrderSpec, OrderType, ResolvedOrder, TimeInForce
from guardian.policy.facts import BookTop
from guardian.policy.model import Accounting, Policy

ONE = Decimal(1)


def resolve(
    spec: OrderSpec, instrument: Instrument, book: BookTop | None, market_buffer: Decimal, fixed_price: Decimal | None
) -> ResolvedOrder | None:
    """The exact order to send, or None where a MARKET order has no usable book to protect it or a price is missing.

    `fixed_price` is the protected price that a proposal fixed; it is never worked out again.
    """
    if spec.order_type is not OrderType.MARKET:
        return _as_asked(spec)
    if fixed_price is not None:
        price = fixed_price
    elif book is not None and book.is_usable:
        price = _protected_price(spec.side, instrument, book, market_buffer)
    else:
        return None
    quantity = spec.quantity
    if quantity is None:
        quantity = largest_quantity(spec.quote_quantity or ZERO, price, instrument.lot.step)
    return ResolvedOrder(
        spec=spec, wire_type=OrderType.LIMIT, quantity=quantity, price=price, time_in_force=TimeInForce.IOC
    )


def _as_asked(spec: OrderSpec) -> ResolvedOrder | None:
    """The order as it stands, or None where it is not whole; stop-limit orders need a stop price, no other has one."""
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


def _protected_price(side: OrderSide, instrument: Instrument, book: BookTop, buffer: Decimal) -> Decimal:
    """The ask plus the buffer or the bid less it, rounded to the tick inward, so never worse than the buffer."""
    tick = instrument.price.step or EIGHTH_DIGIT
    if side is OrderSide.BUY:
        return floor_to(times(book.ask, plus(ONE, buffer)), tick)
    return ceil_to(times(book.bid, minus(ONE, buffer)), tick)


def worst_price(order: ResolvedOrder, book: BookTop | None) -> Decimal | None:
    """The price that the order is counted at; None where a SELL has no bid to be compared with."""
    if order.side is OrderSide.BUY:
        return order.price
    if book is None or not book.is_usable:
        return None
    return max(order.price, order.stop_price or ZERO, book.bid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One step of a conversion: through `symbol`, from its base asset or from its quote asset."""

    symbol: str
    from_base: bool


def conversion_path(asset: str, accounting: Accounting, instruments: Mapping[str, Instrument]) -> tuple[Leg, ...] | str:
    """The declared way from an asset to the accounting currency, or why there is none.

    Base and quote come from the exchange's listing, never from how a symbol is spelt.
    """
    legs: list[Leg] = []
    seen = {asset}
    while asset != accounting.currency:
        symbol = accounting.conversions.get(asset)
        if symbol is None:
            return f"`accounting.conversions` has no symbol for {asset}"
        instrument = instruments.get(symbol)
        if instrument is None:
            return f"the exchange's rules for {symbol} could not be had"
        if asset not in {instrument.base_asset, instrument.quote_asset}:
            return f"{symbol} does not trade {asset}"
        from_base = asset == instrument.base_asset
        legs.append(Leg(symbol=symbol, from_base=from_base))
        asset = instrument.quote_asset if from_base else instrument.base_asset
        if asset in seen:
            return f"the path through {symbol} goes in a circle"
        seen.add(asset)
    return tuple(legs)


def _rate(legs: tuple[Leg, ...], books: Mapping[str, BookTop]) -> tuple[Decimal, Decimal]:
    """What a path multiplies by and divides by, both exact: the ask of a base asset, the bid of a quote asset."""
    dividend = divisor = ONE
    for leg in legs:
        if leg.from_base:
            dividend = times(dividend, books[leg.symbol].ask)
        else:
            divisor = times(divisor, books[leg.symbol].bid)
    return dividend, divisor


def convert(amount: Decimal, legs: tuple[Leg, ...], books: Mapping[str, BookTop]) -> Decimal:
    """The amount in the accounting currency, at the dearer side of each book, rounded up once, at the eighth digit."""
    dividend, divisor = _rate(legs, books)
    return round_up(divided_up(times(amount, dividend), divisor))


def convert_down(amount: Decimal, legs: tuple[Leg, ...], books: Mapping[str, BookTop]) -> Decimal:
    """The amount in the accounting currency at the cheaper side of each book, rounded down: what it brings at least."""
    dividend = divisor = ONE
    for leg in legs:
        if leg.from_base:
            dividend = times(dividend, books[leg.symbol].bid)
        else:
            divisor = times(divisor, books[leg.symbol].ask)
    return round_down(divided_down(times(amount, dividend), divisor))


def largest_passing(
    unit_price: Decimal, legs: tuple[Leg, ...], books: Mapping[str, BookTop], step: Decimal, maximum: Decimal
) -> Decimal:
    """The largest quantity in whole steps whose converted notional is not above `maximum`."""
    dividend, divisor = _rate(legs, books)
    # Notionals are rounded up at the eighth digit, in the quote asset and in the accounting currency, so the budgets
    # that they must fit are rounded down there.
    budget = divided_down(times(round_down(maximum), divisor), dividend)
    return largest_quantity(round_down(budget), unit_price, step)


def market_symbols(symbol: str, policy: Policy, instruments: Mapping[str, Instrument]) -> tuple[str, ...]:
    """The symbols whose books a judgement of an order on `symbol` needs: itself, then the conversion path."""
    instrument = instruments.get(symbol)
    if instrument is None:
        return (symbol,)
    path = path_symbols(instrument.quote_asset, policy.accounting, instruments)
    return tuple(dict.fromkeys((symbol, *path)))


def path_symbols(asset: str, accounting: Accounting, instruments: Mapping[str, Instrument]) -> tuple[str, ...]:
    """The symbols on the way from an asset to the accounting currency; none where there is no way."""
    path = conversion_path(asset, accounting, instruments)
    return () if isinstance(path, str) else tuple(leg.symbol for leg in path)


def next_on_path(asset: str, accounting: Accounting, instruments: Mapping[str, Instrument]) -> str | None:
    """The first symbol on the way to the accounting currency whose rules are not at hand; None where none is."""
    for _ in (asset, *accounting.conversions):
        symbol = None if asset == accounting.currency else accounting.conversions.get(asset)
        instrument = None if symbol is None else instruments.get(symbol)
        if instrument is None or asset not in {instrument.base_asset, instrument.quote_asset}:
            return symbol if instrument is None else None
        asset = instrument.quote_asset if asset == instrument.base_asset else instrument.base_asset
    return None
