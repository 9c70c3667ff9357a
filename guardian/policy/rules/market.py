"""Rules on the exchange's own filters and on prices: fresh, two-sided, and near the market."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from guardian.domain.codes import Code
from guardian.domain.instruments import FilterBreach, Instrument
from guardian.domain.market import BookTop
from guardian.domain.money import ONE, ZERO, absolute_difference, ceil_to, floor_to, minus, plain, plus, times
from guardian.domain.orders import BUY, SELL, STOP_LIMIT_TYPES, OrderSide, ResolvedOrder
from guardian.policy.case import Case, free_now
from guardian.policy.facts import Fact, Facts, Usage
from guardian.policy.prices import CLOCK_LIMIT_MS, PriceCheck, PriceFault, percent_text
from guardian.policy.verdict import Denial

_FILTER_CODES: Final = {
    "PRICE_FILTER": Code.FILTER_PRICE,
    "PERCENT_PRICE_BY_SIDE": Code.FILTER_PERCENT_PRICE,
    "LOT_SIZE": Code.FILTER_QUANTITY,
    "NOTIONAL": Code.FILTER_NOTIONAL,
}


def instrument_trading(case: Case) -> Denial | None:
    """The exchange lists the symbol, its rules are at hand, and it takes new orders of this type."""
    symbol = case.spec.symbol
    if symbol in case.facts.unlisted:
        return Denial(
            code=Code.SYMBOL_UNKNOWN,
            message="the exchange does not list this symbol",
            observed=symbol,
            hint="`get_available_assets` lists what it has",
        )
    if case.instrument is None:
        why = case.facts.why_missing(Fact.INSTRUMENT)
        return Denial(
            code=Code.INSTRUMENT_UNAVAILABLE,
            message=f"the symbol's trading rules are unavailable: {why}",
            hint="try again in a moment",
        )
    if not case.instrument.is_trading:
        return Denial(
            code=Code.SYMBOL_NOT_TRADING,
            message="the exchange takes no new orders for this symbol now",
            observed=case.instrument.status,
            limit="TRADING",
        )
    return None


def exchange_filters(case: Case) -> Iterator[Denial]:
    """Every filter of the exchange, exactly; nothing is rounded, the denial says the nearest valid value."""
    instrument, order = case.instrument, case.order
    if instrument is None or order is None:
        return
    if order.wire_type not in instrument.order_types:
        types = ", ".join(sorted(instrument.order_types))
        yield Denial(
            code=Code.FILTER_ORDER_TYPE,
            message="the exchange does not take this order type for the symbol",
            observed=order.wire_type.value,
            limit=types,
        )
    # Without an average price the percent filter is the exchange's to check: only an exit gets past `price_average`.
    average = order.price if case.average is None else case.average.price
    for breach in instrument.breaches(order, average):
        yield Denial(
            code=_FILTER_CODES[breach.filter],
            message=f"the exchange's filter {breach.filter} does not admit this {breach.field}",
            observed=breach.observed,
            limit=breach.limit,
            hint=_valid_value(case, instrument, order, breach),
        )
    if case.facts.usage is not None:
        yield from _order_counts(case, case.facts.usage, order, instrument)
        position = _greatest_position(case.facts, case.facts.usage, order, instrument)
        if position is not None:
            yield position


def _valid_value(case: Case, instrument: Instrument, order: ResolvedOrder, breach: FilterBreach) -> str:
    """A hint with a value that passes: of quantities the largest that is no more than requested, or than free.

    Only where that is too little is a larger one named, and of a SELL no more than the account has free.
    """
    nearest = breach.nearest
    if breach.field == "quantity":
        selling = order.side is SELL and case.facts.free is not None
        most = free_now(instrument.base_asset, case.facts) if selling else None
        wanted = order.quantity if most is None else min(order.quantity, most)
        below = instrument.largest_valid(wanted, order.price)
        if below is not None:
            nearest = plain(below)
        elif most is not None and nearest is not None and Decimal(nearest) > most:
            nearest = None
    if nearest is None:
        return f"no {breach.field} passes with the rest of the order as it is"
    return f"the nearest valid {breach.field} is {nearest}"


def _order_counts(case: Case, usage: Usage, order: ResolvedOrder, instrument: Instrument) -> Iterator[Denial]:
    """MAX_NUM_ORDERS and MAX_NUM_ALGO_ORDERS, on all that is open at the exchange, whoever placed it.

    An exit is held to what is known to be open: a list that cannot be read does not hold it back.
    """
    most_stops = instrument.max_stop_orders if order.wire_type in STOP_LIMIT_TYPES else None
    if instrument.max_orders is None and most_stops is None:
        return
    listed = case.facts.listed_orders
    if listed is None:
        if not case.is_exit:
            why = case.facts.why_missing(Fact.OPEN_ORDERS)
            yield Denial(
                code=Code.OPEN_ORDERS_UNKNOWN,
                message=f"the symbol's open orders could not be listed: {why}",
                hint="the exchange limits their number, so nothing was sent; try again in a moment",
            )
        return
    counts = (
        ("MAX_NUM_ORDERS", "open orders", listed.count + usage.open_orders_on_symbol, instrument.max_orders),
        ("MAX_NUM_ALGO_ORDERS", "open stop orders", listed.stops + usage.open_stop_orders_on_symbol, most_stops),
    )
    for name, what, seen, most in counts:
        if most is not None and seen >= most:
            yield Denial(
                code=Code.FILTER_ORDER_COUNT,
                message=f"the exchange's filter {name} is reached for this symbol: {seen} of {most} {what}, cancel one",
                observed=str(seen),
                limit=str(most),
                hint="`get_orders` lists them; the owner cancels at the exchange what guardian did not place",
            )


def _greatest_position(facts: Facts, usage: Usage, order: ResolvedOrder, instrument: Instrument) -> Denial | None:
    """MAX_POSITION: what the account holds, free and locked, and what open orders may add, this one included."""
    if instrument.max_position <= 0 or order.side is not BUY:
        return None
    if facts.held is None:
        why = facts.why_missing(Fact.BALANCES)
        return Denial(code=Code.BALANCE_UNAVAILABLE, message=f"the account's balances are unavailable: {why}")
    held = plus(facts.held.get(instrument.base_asset, ZERO), usage.bought_since)
    after = plus(plus(held, usage.open_buys), order.quantity)
    if after > instrument.max_position:
        return Denial(
            code=Code.FILTER_POSITION,
            message="the exchange's filter MAX_POSITION does not admit holding this much",
            observed=plain(after),
            limit=plain(instrument.max_position),
        )
    return None


def price_usable(case: Case) -> Iterator[Denial]:
    """There is a book with both sides that do not cross, fetched within `prices.max_age`."""
    for fault in case.faults:
        if fault.check is PriceCheck.BOOK:
            yield _unusable(Code.PRICE_UNAVAILABLE, fault, "try again in a moment")
        elif fault.check is PriceCheck.AGE:
            yield _unusable(Code.PRICE_STALE, fault, "try again")


def price_average(case: Case) -> Iterator[Denial]:
    """The exchange saw a trade within `prices.max_trade_age`, and its average agrees with the book's middle.

    Exits are for markets that fall fast or in which nobody trades, so these do not hold an exit back.
    """
    for fault in () if case.is_exit else case.faults:
        if fault.check is PriceCheck.AVERAGE:
            yield _unusable(Code.PRICE_UNAVAILABLE, fault, "try again")
        elif fault.check is PriceCheck.LAST_TRADE:
            yield _unusable(Code.TRADE_STALE, fault, "wait until the symbol is traded again")
        elif fault.check is PriceCheck.DIVERGENCE:
            yield _unusable(Code.PRICE_DIVERGES, fault, "wait until the market has calmed, or for the book to fill")


def _unusable(code: Code, fault: PriceFault, hint: str) -> Denial:
    return Denial(code=code, message=fault.message, observed=fault.observed, limit=fault.limit, hint=hint)


def collar(case: Case) -> Denial | None:
    """A BUY pays at most the ask plus the collar, a SELL takes at least the bid less it.

    The limit price of a stop order is held to its stop price instead of the market. An order that a person confirmed is
    held to the market that they saw, where the market has moved in their favour since.
    """
    order, book = case.order, case.book
    if order is None or book is None or not book.is_usable:
        return None
    buying = order.side is BUY
    *_, market = _markets(case, order.side, book)
    name = "the ask" if buying else "the bid"
    if order.stop_price is not None:
        market, name = order.stop_price, "the stop price"
    bound = _away(market, case.policy.prices.collar, up=buying)
    if order.price > bound if buying else order.price < bound:
        tick = ZERO if case.instrument is None else case.instrument.price.step
        named = plain(floor_to(bound, tick) if buying else ceil_to(bound, tick))
        return Denial(
            code=Code.PRICE_OUTSIDE_COLLAR,
            message=f"the price is more than {percent_text(case.policy.prices.collar)} past {name} {plain(market)}",
            observed=plain(order.price),
            limit=plain(bound),
            hint=f"the price must be {'at most' if buying else 'at least'} {named}",
        )
    return None


def stop_distance(case: Case) -> Denial | None:
    """A stop price is within `prices.stop_distance` of the market."""
    order, book = case.order, case.book
    if order is None or order.stop_price is None or book is None or not book.is_usable:
        return None
    markets, distance = _markets(case, order.side, book), case.policy.prices.stop_distance
    if all(absolute_difference(order.stop_price, market) > times(market, distance) for market in markets):
        low, high = _away(markets[0], distance, up=False), _away(markets[0], distance, up=True)
        return Denial(
            code=Code.STOP_PRICE_TOO_FAR,
            message=f"the stop price is more than {percent_text(distance)} from the market",
            observed=plain(order.stop_price),
            limit=f"{plain(low)} to {plain(high)}",
        )
    return None


def _markets(case: Case, side: OrderSide, book: BookTop) -> tuple[Decimal, ...]:
    """The best price of the other side of the book, then the price that a person saw if it was worse."""
    confirmed = case.facts.confirmed
    if side is BUY:
        shown = None if confirmed is None else confirmed.shown_ask
        return (book.ask,) if shown is None or shown <= book.ask else (book.ask, shown)
    shown = None if confirmed is None else confirmed.shown_bid
    return (book.bid,) if shown is None or shown >= book.bid else (book.bid, shown)


def clock(case: Case) -> Denial | None:
    """This machine's clock is within 1 s of the exchange's."""
    skew = case.facts.clock_skew_ms
    if skew is None:
        why = case.facts.why_missing(Fact.CLOCK)
        message = f"the exchange's clock is unavailable: {why}"
        return Denial(code=Code.CLOCK_UNKNOWN, message=message, hint="try again")
    if abs(skew) > CLOCK_LIMIT_MS:
        return Denial(
            code=Code.CLOCK_SKEWED,
            message="this machine's clock is too far from the exchange's",
            observed=f"{skew} ms",
            limit=f"{CLOCK_LIMIT_MS} ms",
            hint="set the system clock to synchronise itself with a time server",
        )
    return None


def _away(price: Decimal, fraction: Decimal, *, up: bool) -> Decimal:
    return times(price, plus(ONE, fraction) if up else minus(ONE, fraction))
