"""Rules on the exchange's own filters and on prices: fresh, two-sided, and near the market."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from guardian.domain.codes import Code
from guardian.domain.instruments import Instrument
from guardian.domain.money import ZERO, absolute_difference, ceil_to, floor_to, minus, plain, plus, times
from guardian.domain.orders import STOP_LIMIT_TYPES, OrderSide, ResolvedOrder
from guardian.policy.case import Case, is_fresh
from guardian.policy.facts import Fact, Facts, Usage
from guardian.policy.notional import ONE
from guardian.policy.verdict import Denial

CLOCK_LIMIT_MS: Final = 1000
"""Binance refuses requests from more than 1 s ahead; windows and ages mean nothing on a clock that is off by more."""

_FILTER_CODES: Final = {
    "PRICE_FILTER": Code.FILTER_PRICE,
    "PERCENT_PRICE_BY_SIDE": Code.FILTER_PERCENT_PRICE,
    "LOT_SIZE": Code.FILTER_QUANTITY,
    "NOTIONAL": Code.FILTER_NOTIONAL,
}


def instrument_trading(case: Case) -> Iterator[Denial]:
    """The exchange lists the symbol, its rules are at hand, and it takes new orders of this type."""
    symbol = case.spec.symbol
    if symbol in case.facts.unlisted:
        yield Denial(
            code=Code.SYMBOL_UNKNOWN,
            message="the exchange does not list this symbol",
            observed=symbol,
            hint="`get_available_assets` lists what it has",
        )
    elif case.instrument is None:
        why = case.facts.missing.get(Fact.INSTRUMENT, "the exchange did not answer")
        yield Denial(
            code=Code.INSTRUMENT_UNAVAILABLE,
            message=f"the symbol's trading rules could not be had: {why}",
            hint="try again in a moment",
        )
    elif not case.instrument.is_trading:
        yield Denial(
            code=Code.SYMBOL_NOT_TRADING,
            message="the exchange takes no new orders for this symbol now",
            observed=case.instrument.status,
            limit="TRADING",
        )


def exchange_filters(case: Case) -> Iterator[Denial]:
    """Every filter of the exchange, exactly; nothing is rounded, the denial says the nearest valid value."""
    instrument, order = case.instrument, case.order
    if instrument is None or order is None:
        return
    if order.wire_type.value not in instrument.order_types:
        types = ", ".join(sorted(instrument.order_types))
        yield Denial(
            code=Code.FILTER_ORDER_TYPE,
            message="the exchange does not take this order type for the symbol",
            observed=order.wire_type.value,
            limit=types,
        )
    # Without an average price the percent filter cannot be told; `price_average` denies for that by itself.
    average = order.price if case.facts.average is None else case.facts.average.price
    for breach in instrument.breaches(order, average):
        yield Denial(
            code=_FILTER_CODES[breach.filter],
            message=f"the exchange's filter {breach.filter} does not admit this {breach.field}",
            observed=breach.observed,
            limit=breach.limit,
            hint=f"no {breach.field} passes as the rest of the order stands"
            if breach.nearest is None
            else f"the nearest valid {breach.field} is {breach.nearest}",
        )
    if case.facts.usage is not None:
        yield from _order_counts(case.facts.usage, order, instrument)
        yield from _greatest_position(case.facts, case.facts.usage, order, instrument)


def _order_counts(usage: Usage, order: ResolvedOrder, instrument: Instrument) -> Iterator[Denial]:
    """MAX_NUM_ORDERS and MAX_NUM_ALGO_ORDERS, on what guardian has open."""
    counts = [("MAX_NUM_ORDERS", usage.open_orders_on_symbol, instrument.max_orders)]
    if order.wire_type in STOP_LIMIT_TYPES:
        counts.append(("MAX_NUM_ALGO_ORDERS", usage.open_stop_orders_on_symbol, instrument.max_stop_orders))
    for name, seen, most in counts:
        if most is not None and seen >= most:
            yield Denial(
                code=Code.FILTER_ORDER_COUNT,
                message=f"the exchange's filter {name} is reached for this symbol",
                observed=str(seen),
                limit=str(most),
                hint="cancel an open order first",
            )


def _greatest_position(facts: Facts, usage: Usage, order: ResolvedOrder, instrument: Instrument) -> Iterator[Denial]:
    """MAX_POSITION: what the account holds, free and locked, and what open BUYs would add, this one included."""
    if instrument.max_position <= 0 or order.side is not OrderSide.BUY:
        return
    if facts.held is None:
        why = facts.missing.get(Fact.BALANCES, "the exchange did not answer")
        yield Denial(code=Code.BALANCE_UNAVAILABLE, message=f"what the account holds could not be had: {why}")
        return
    after = plus(facts.held.get(instrument.base_asset, ZERO), usage.open_buys, order.quantity)
    if after > instrument.max_position:
        yield Denial(
            code=Code.FILTER_POSITION,
            message="the exchange's filter MAX_POSITION does not admit holding this much",
            observed=plain(after),
            limit=plain(instrument.max_position),
        )


def price_usable(case: Case) -> Iterator[Denial]:
    """There is a book with both sides that do not cross, fetched within `prices.max_age`."""
    book = case.book
    if book is None or not book.is_usable:
        why = "one side of the book is empty, or its sides cross"
        if book is None:
            why = case.facts.missing.get(Fact.BOOK, "the exchange did not answer")
        yield Denial(
            code=Code.PRICE_UNAVAILABLE,
            message=f"no usable price of {case.spec.symbol}: {why}",
            hint="try again in a moment",
        )
    elif not is_fresh(book, case.facts, case.policy):
        yield Denial(
            code=Code.PRICE_STALE,
            message="the price is too old to judge by",
            observed=f"{case.facts.clock_ms - book.fetched_ms} ms",
            limit=f"{case.policy.prices.max_age_ms} ms",
            hint="try again",
        )


def price_average(case: Case) -> Iterator[Denial]:
    """The exchange saw a trade within `prices.max_trade_age`, and its average agrees with the book's middle."""
    average, book, prices = case.facts.average, case.book, case.policy.prices
    if average is None or average.price <= 0:
        why = case.facts.missing.get(Fact.AVERAGE, "the exchange did not answer")
        yield Denial(
            code=Code.PRICE_UNAVAILABLE, message=f"no average price of {case.spec.symbol}: {why}", hint="try again"
        )
        return
    age = case.facts.clock_ms - average.traded_ms
    # The exchange's clock may be ahead by what the clock rule admits; a trade beyond that is no fact.
    if not -CLOCK_LIMIT_MS <= age <= prices.max_trade_age_ms:
        yield Denial(
            code=Code.TRADE_STALE,
            message="the exchange has seen no trade of this symbol for too long, or says it saw one in the future",
            observed=f"{age} ms",
            limit=f"{prices.max_trade_age_ms} ms",
        )
    if book is None or not book.is_usable:
        return
    twice_middle, twice_average = plus(book.bid, book.ask), times(average.price, Decimal(2))
    if absolute_difference(twice_middle, twice_average) > times(twice_average, prices.max_divergence):
        yield Denial(
            code=Code.PRICE_DIVERGES,
            message="the book's middle and the average price are too far apart to trust either",
            observed=f"middle {plain(times(twice_middle, Decimal('0.5')))}, average {plain(average.price)}",
            limit=percent(prices.max_divergence),
            hint="wait until the market has calmed, or for the book to fill",
        )


def collar(case: Case) -> Iterator[Denial]:
    """A BUY pays at most the ask plus the collar, a SELL takes at least the bid less it.

    The limit price of a stop order is held to its stop price instead of the market.
    """
    order, book = case.order, case.book
    if order is None or book is None or not book.is_usable:
        return
    buying = order.side is OrderSide.BUY
    market = book.ask if buying else book.bid
    name = "the ask" if buying else "the bid"
    if order.stop_price is not None:
        market, name = order.stop_price, "the stop price"
    bound = _away(market, case.policy.prices.collar, up=buying)
    if order.price > bound if buying else order.price < bound:
        tick = ZERO if case.instrument is None else case.instrument.price.step
        named = plain(floor_to(bound, tick) if buying else ceil_to(bound, tick))
        yield Denial(
            code=Code.PRICE_OUTSIDE_COLLAR,
            message=f"the price is more than {percent(case.policy.prices.collar)} past {name} {plain(market)}",
            observed=plain(order.price),
            limit=plain(bound),
            hint=f"the price must be {'at most' if buying else 'at least'} {named}",
        )


def stop_distance(case: Case) -> Iterator[Denial]:
    """A stop price is within `prices.stop_distance` of the market."""
    order, book = case.order, case.book
    if order is None or order.stop_price is None or book is None or not book.is_usable:
        return
    market = book.ask if order.side is OrderSide.BUY else book.bid
    distance = case.policy.prices.stop_distance
    if absolute_difference(order.stop_price, market) > times(market, distance):
        low, high = _away(market, distance, up=False), _away(market, distance, up=True)
        yield Denial(
            code=Code.STOP_PRICE_TOO_FAR,
            message=f"the stop price is more than {percent(distance)} from the market",
            observed=plain(order.stop_price),
            limit=f"{plain(low)} to {plain(high)}",
        )


def clock(case: Case) -> Iterator[Denial]:
    """This machine's clock is within 1 s of the exchange's."""
    skew = case.facts.clock_skew_ms
    if skew is None:
        why = case.facts.missing.get(Fact.CLOCK, "the exchange did not answer")
        message = f"the exchange's clock could not be asked: {why}"
        yield Denial(code=Code.CLOCK_UNKNOWN, message=message, hint="try again")
    elif abs(skew) > CLOCK_LIMIT_MS:
        yield Denial(
            code=Code.CLOCK_SKEWED,
            message="this machine's clock is too far from the exchange's",
            observed=f"{skew} ms",
            limit=f"{CLOCK_LIMIT_MS} ms",
            hint="set the system clock to synchronise itself with a time server",
        )


def _away(price: Decimal, fraction: Decimal, *, up: bool) -> Decimal:
    return times(price, plus(ONE, fraction) if up else minus(ONE, fraction))


def percent(fraction: Decimal) -> str:
    """A fraction as people write it: 0.03 is `3%`."""
    return f"{plain(times(fraction, Decimal(100)))}%"
