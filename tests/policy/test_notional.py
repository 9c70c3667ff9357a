"""What an order is at worst: its protected price, its notional, and that in the accounting currency."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from guardian.domain.codes import Code
from guardian.domain.instruments import Instrument, Range
from guardian.domain.money import is_multiple, round_up, times
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.policy.conversion import (
    Leg,
    PricedLeg,
    conversion_path,
    convert,
    dearer_rate,
    largest_passing,
    market_symbols,
)
from guardian.policy.notional import resolve, worst_price
from guardian.policy.prices import UsablePrice
from tests.policy.builders import (
    ETHBTC,
    a_book,
    a_market,
    a_policy,
    a_sell,
    a_stop,
    an_instrument,
    an_order,
    codes,
    confirmed,
    facts,
    judged,
)

calm = settings(deadline=None)
"""A busy machine is no fault of what is tested."""

D = Decimal
BUY, SELL = OrderSide.BUY, OrderSide.SELL
MAKER, TAKE = OrderType.LIMIT_MAKER, OrderType.TAKE_PROFIT_LIMIT


@pytest.mark.parametrize(
    ("spec", "unit"),
    [
        (an_order(price="60000"), "60000"),  # P
        (an_order(price="1000"), "1000"),  # P, however far below
        (an_order(order_type=MAKER, price="59000"), "59000"),
        (a_sell(price="61000"), "61000"),  # max(P, bid) = P
        (a_sell(price="6000"), "60000"),  # max(P, bid) = bid: a SELL far below the market hides no value
        (a_sell(order_type=MAKER, price="61000"), "61000"),
        (a_stop(BUY, stop_price="61000", price="61500"), "61500"),  # P
        (a_stop(BUY, stop_price="61000", price="60500"), "60500"),  # P, not S
        (a_stop(BUY, order_type=TAKE, stop_price="59000", price="59500"), "59500"),
        (a_stop(SELL, stop_price="59000", price="58000"), "60000"),  # max(P, S, bid) = bid
        (a_stop(SELL, stop_price="62000", price="61000"), "62000"),  # S
        (a_stop(SELL, order_type=TAKE, stop_price="62000", price="63000"), "63000"),  # P
        (a_market(BUY), "60601.01"),  # ask + 1 %, inward to the tick
        (a_market(SELL), "60000"),  # sent at 59400, counted at the bid
    ],
)
def test_the_worst_case_is_the_table_of_the_contract(spec: OrderSpec, unit: str) -> None:
    """BUY counts `P*Q`, SELL `max(P, bid)*Q`, a stop-limit SELL `max(P, S, bid)*Q`."""
    verdict = judged(spec)
    assert verdict.quote_notional == verdict.notional == times(D(unit), D("0.001"))


def test_a_sell_without_a_bid_has_no_worst_case() -> None:
    """Where there is no usable book, a SELL is not counted at its own low price."""
    order = resolve(a_sell(price="1"), an_instrument(), None, D("0.01"), None)
    assert order is not None
    assert worst_price(order, None) is None
    assert worst_price(order, a_book("0", "1")) is None
    assert judged(a_sell(price="1"), facts(books={})).notional is None


@pytest.mark.parametrize(("side", "price"), [(BUY, "60601.01"), (SELL, "59400")])
def test_market_is_sent_as_a_limit_ioc_at_its_protected_price(side: OrderSide, price: str) -> None:
    """The ask plus the buffer, the bid less it, rounded to the tick inward."""
    order = judged(a_market(side)).order
    assert order is not None
    assert (order.wire_type, order.time_in_force) == (OrderType.LIMIT, TimeInForce.IOC)
    assert (order.price, order.quantity) == (D(price), D("0.001"))
    assert order.spec.order_type is OrderType.MARKET


def test_a_confirmed_market_price_is_not_worked_out_again() -> None:
    """The price that the proposal fixed is sent, whatever the market is now, and the quantity follows from it."""
    market = facts(confirmed=confirmed(protected_price=D("60500")))
    order = judged(a_market(quote_quantity="60.5"), market).order
    assert order is not None
    assert (order.price, order.quantity) == (D("60500"), D("0.001"))
    fixed = resolve(a_market(), an_instrument(), None, D("0.01"), D("123"))
    assert fixed is not None
    assert fixed.price == D("123")


def test_a_confirmed_price_is_for_market_orders_only() -> None:
    """A LIMIT order is sent at the price that was asked."""
    order = judged(an_order(), facts(confirmed=confirmed(protected_price=D("1")))).order
    assert order is not None
    assert order.price == D("60000")


def test_market_without_a_quantity_of_either_kind_is_no_order() -> None:
    """Nothing is bought for nothing."""
    verdict = judged(a_market(quantity=None))
    assert verdict.order is not None
    assert verdict.order.quantity == 0
    assert verdict.denied_by(Code.FILTER_QUANTITY)


cents = st.integers(1, 10**9).map(lambda n: D(n) / 100)
spreads = st.integers(0, 10**6).map(lambda n: D(n) / 100)
ticks = st.sampled_from(["0", "0.01", "0.05", "0.5", "1", "0.00000001", "7"]).map(D)
lots = st.sampled_from(["0", "0.00001", "0.001", "0.3", "1"]).map(D)
buffers = st.integers(0, 999).map(lambda n: D(n) / 1000)


@calm
@given(bid=cents, spread=spreads, tick=ticks, buffer=buffers, quantity=cents, side=st.sampled_from(OrderSide))
def test_a_protected_price_is_never_past_the_buffer_and_always_on_the_tick(
    bid: Decimal, spread: Decimal, tick: Decimal, buffer: Decimal, quantity: Decimal, side: OrderSide
) -> None:
    """BUY at most the ask plus the buffer, SELL at least the bid less it, and the count is what is sent at worst."""
    book = a_book(bid, bid + spread)
    order = resolve(a_market(side, quantity=quantity), an_instrument(price=Range(step=tick)), book, buffer, None)
    assert order is not None
    assert is_multiple(order.price, tick or D("0.00000001"))
    grid = tick or D("0.00000001")
    unit = worst_price(order, book)
    assert unit is not None
    if side is BUY:
        bound = times(book.ask, 1 + buffer)
        assert order.price <= bound < order.price + grid
        assert unit == order.price
    else:
        bound = times(book.bid, 1 - buffer)
        assert order.price - grid < bound <= order.price
        assert unit == max(order.price, book.bid)
    assert order.quantity == quantity


@calm
@given(ask=cents, tick=ticks, step=lots, quote=cents, side=st.sampled_from(OrderSide))
def test_by_quote_no_more_is_bought_than_the_price_buys(
    ask: Decimal, tick: Decimal, step: Decimal, quote: Decimal, side: OrderSide
) -> None:
    """quantity * price <= quote_quantity, in whole steps, and one step more would cost more."""
    instrument = an_instrument(price=Range(step=tick), lot=Range(step=step))
    order = resolve(a_market(side, quote_quantity=quote), instrument, a_book(ask, ask), D("0.01"), None)
    assert order is not None
    grid = step or D("0.00000001")
    assert is_multiple(order.quantity, grid)
    if order.price == 0:
        assert order.quantity == 0
        return
    assert times(order.quantity, order.price) <= quote < times(order.quantity + grid, order.price)


# -- conversion


def paths(*rows: tuple[str, str, str]) -> dict[str, Instrument]:
    return {symbol: an_instrument(symbol, base, quote) for symbol, base, quote in rows}


ACCOUNTING = a_policy(conversions={"BTC": "BTCUSDT", "ETH": "ETHBTC", "TRY": "USDTTRY", "EUR": "BTCEUR"}).accounting
INSTRUMENTS = paths(
    ("BTCUSDT", "BTC", "USDT"), ("ETHBTC", "ETH", "BTC"), ("USDTTRY", "USDT", "TRY"), ("BTCEUR", "BTC", "EUR")
)


@pytest.mark.parametrize(
    ("asset", "legs"),
    [
        ("USDT", []),
        ("BTC", [("BTCUSDT", True)]),
        ("ETH", [("ETHBTC", True), ("BTCUSDT", True)]),
        ("TRY", [("USDTTRY", False)]),
        ("EUR", [("BTCEUR", False), ("BTCUSDT", True)]),
    ],
)
def test_a_path_follows_the_declared_symbols_from_either_side(asset: str, legs: list[tuple[str, bool]]) -> None:
    """From the base asset a leg multiplies, from the quote asset it divides; the currency itself needs none."""
    found = conversion_path(asset, ACCOUNTING, INSTRUMENTS)
    assert found == tuple(Leg(symbol=symbol, from_base=from_base) for symbol, from_base in legs)


def usable(symbol: str, bid: Decimal | str, ask: Decimal | str) -> UsablePrice:
    """A price as if it had passed every check."""
    return UsablePrice(symbol=symbol, bid=D(bid), ask=D(ask))


PRICES = {
    "BTCUSDT": usable("BTCUSDT", "60000", "60001"),
    "ETHBTC": usable("ETHBTC", "0.05", "0.06"),
    "USDTTRY": usable("USDTTRY", "30", "33"),
    "BTCEUR": usable("BTCEUR", "54000", "54001"),
}


@pytest.mark.parametrize(
    ("asset", "amount", "expected"),
    [
        ("USDT", "1.000000001", "1.00000001"),
        ("BTC", "2", "120002"),
        ("ETH", "1", "3600.06"),
        ("TRY", "30", "1"),
        ("TRY", "1", "0.03333334"),
        ("EUR", "54000", "60001"),
        ("EUR", "1", "1.11112963"),
    ],
)
def test_an_amount_is_converted_at_the_dearer_side_and_rounded_up(asset: str, amount: str, expected: str) -> None:
    """Times the ask of what is the base, divided by the bid of what is the quote, rounded up at the eighth digit."""
    legs = conversion_path(asset, ACCOUNTING, INSTRUMENTS)
    assert not isinstance(legs, str)
    path = tuple(PricedLeg(price=PRICES[leg.symbol], from_base=leg.from_base) for leg in legs)
    assert convert(D(amount), path) == D(expected)


prices = st.integers(1, 10**12).map(lambda n: D(n) / 10**6)
paths_with_prices = st.lists(st.tuples(st.booleans(), prices, spreads), max_size=3).map(
    lambda rows: tuple(
        PricedLeg(price=usable(f"S{n}", row[1], row[1] + row[2]), from_base=row[0]) for n, row in enumerate(rows)
    )
)


@calm
@given(path=paths_with_prices, amount=prices)
def test_conversion_is_exact_over_any_path_and_never_too_small(path: tuple[PricedLeg, ...], amount: Decimal) -> None:
    """Whatever mixture of multiplying and dividing legs, the result is the true quotient, rounded up once."""
    true = Fraction(amount)
    for leg in path:
        true = true * Fraction(leg.price.ask) if leg.from_base else true / Fraction(leg.price.bid)
    assert Fraction(convert(amount, path)) == Fraction(math.ceil(true * 10**8), 10**8)


@calm
@given(
    path=paths_with_prices,
    unit=prices,
    step=lots,
    maximum=st.integers(0, 10**14).map(lambda n: D(n) / 10**9),
)
def test_the_largest_quantity_passes_and_the_next_step_does_not(
    path: tuple[PricedLeg, ...], unit: Decimal, step: Decimal, maximum: Decimal
) -> None:
    """Counted as an order is counted, the quantity is within the maximum and a step more is over it."""

    def counted(quantity: Decimal) -> Decimal:
        return convert(round_up(times(unit, quantity)), path)

    quantity = largest_passing(unit, dearer_rate(path), step, maximum)
    grid = step or D("0.00000001")
    assert is_multiple(quantity, grid)
    assert counted(quantity) <= maximum
    assert counted(quantity + grid) > maximum


@calm
@given(
    quantity=st.integers(10, 10**6).map(lambda n: D(n) * D("0.00001")),
    cap=st.integers(10, 5_000_000).map(lambda n: D(n) / 1000),
    price=st.integers(5_000_000, 6_180_103).map(lambda n: D(n) / 100),
    selling=st.booleans(),
)
def test_the_quantity_named_by_a_notional_denial_really_passes(
    quantity: Decimal, cap: Decimal, price: Decimal, selling: bool
) -> None:
    """An order of the quantity that the denial names is not denied, and one of a step more is."""
    price = max(price, D("58200")) if selling else price
    roomy = {"max_quantity": D(10**6), "max_position": D(10**6), "max_notional": cap}
    policy = a_policy(roomy, max_open_notional=D(10**9), rolling_notional=(), required_above=D(10**9))
    market = facts(free={"USDT": D(10**9), "BTC": D(10**9)})
    spec = an_order(side=SELL if selling else BUY, price=price, quantity=quantity)
    denials = [one for one in judged(spec, market, policy).denials if one.code is Code.NOTIONAL_EXCEEDS_MAX]
    assume(denials)
    hint = denials[0].hint or ""
    if hint == "no quantity passes now":
        least = an_order(side=spec.side, price=price, quantity="0.00001")
        assert codes(judged(least, market, policy)) != []
        return
    named = D(hint.rsplit(" ", 1)[1])
    assert codes(judged(an_order(side=spec.side, price=price, quantity=named), market, policy)) == []
    more = an_order(side=spec.side, price=price, quantity=named + D("0.00001"))
    assert codes(judged(more, market, policy)) == [Code.NOTIONAL_EXCEEDS_MAX]


# -- which books are needed


def test_the_books_that_are_fetched_are_the_symbols_own_and_its_paths() -> None:
    """Only what will be looked at is requested, and each once."""
    listed = {"ETHBTC": ETHBTC, "BTCUSDT": an_instrument()}
    assert market_symbols("ETHBTC", a_policy(), listed) == ("ETHBTC", "BTCUSDT")
    assert market_symbols("BTCUSDT", a_policy(), listed) == ("BTCUSDT",)
    assert market_symbols("ETHBTC", a_policy(conversions={}), listed) == ("ETHBTC",)
    assert market_symbols("BTCEUR", a_policy(), {}) == ("BTCEUR",)
    own = a_policy(conversions={"BTC": "BTCEUR", "EUR": "EURUSDT"}, currency="BTC")
    assert market_symbols("BTCEUR", own, {"BTCEUR": an_instrument("BTCEUR", "BTC", "EUR")}) == ("BTCEUR",)
