"""A price that may be used: every price that counts anything is held to the same checks, whatever it counts."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import guardian
from guardian.domain.codes import Code
from guardian.domain.instruments import Range
from guardian.domain.market import BookTop
from guardian.domain.orders import OrderSide, OrderSpec
from guardian.policy.conversion import dearest_known_rate
from guardian.policy.facts import DayTrading, Fact, Facts
from guardian.policy.model import Policy
from guardian.policy.prices import PriceFault, UsablePrice, usable_price
from guardian.policy.verdict import Decision
from tests.policy.builders import (
    ETHBTC,
    D,
    a_book,
    a_market,
    a_policy,
    a_sell,
    an_average,
    an_instrument,
    an_order,
    codes,
    cross_facts,
    denial,
    facts,
    held,
    judged,
    opened,
    symbol_limits,
)

SELL = OrderSide.SELL


def test_one_function_makes_a_usable_price() -> None:
    """`UsablePrice(...)` is written once in guardian: no code path gets one without the checks."""
    calls = [
        (path.name, node.lineno)
        for path in Path(guardian.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"UsablePrice", "prices.UsablePrice"}
    ]
    assert [name for name, _ in calls] == ["prices.py"]


# -- every price that counts, with every fault

MIDDLES = {"BTCUSDT": D(60000), "ETHBTC": D("0.05"), "ETHUSDT": D(3000), "BNBUSDT": D(600), "USDTTRY": D(30)}
ASSETS = {
    "BTCUSDT": ("BTC", "USDT"),
    "ETHBTC": ("ETH", "BTC"),
    "ETHUSDT": ("ETH", "USDT"),
    "BNBUSDT": ("BNB", "USDT"),
    "USDTTRY": ("USDT", "TRY"),
    "BTCTRY": ("BTC", "TRY"),
}


def market(**changed: object) -> Facts:
    """Five calm markets, and one that is counted by dividing."""
    middles = {**MIDDLES, "BTCTRY": D(1_800_000)}
    instruments = {
        symbol: ETHBTC if symbol == "ETHBTC" else an_instrument(symbol, *assets, price=Range(step=D("0.01")))
        for symbol, assets in ASSETS.items()
    }
    values: dict[str, object] = {
        "instruments": instruments,
        "books": {symbol: a_book(middle, middle) for symbol, middle in middles.items()},
        "averages": {symbol: an_average(middle) for symbol, middle in middles.items()},
        "free": {"USDT": D(10000), "BTC": D(1), "TRY": D(10**6), "ETH": D(1000)},
        **changed,
    }
    return facts(**values)


def a_day(symbol: str, position: str = "0", quote: str = "USDT", **cash: str) -> DayTrading:
    return held(position, symbol=symbol, quote=quote, **cash)


POLICY = a_policy(
    symbols={symbol: symbol_limits(max_quantity=D(1), max_position=D(10)) for symbol in ASSETS},
    conversions={"BTC": "BTCUSDT", "ETH": "ETHBTC", "BNB": "BNBUSDT", "TRY": "USDTTRY"},
    max_daily_loss=D(50),
)
ON_ETHUSDT = an_order(symbol="ETHUSDT", price="3000", quantity="0.01")
ON_ETHBTC = an_order(symbol="ETHBTC", price="0.05", quantity="0.01")
ON_BTCTRY = an_order(symbol="BTCTRY", price="1800000", quantity="0.001")

PLACES: dict[str, tuple[OrderSpec, tuple[DayTrading, ...], str, Code]] = {
    "leg of the order's conversion": (ON_ETHBTC, (), "BTCUSDT", Code.CONVERSION_UNAVAILABLE),
    "leg that divides": (ON_BTCTRY, (), "USDTTRY", Code.CONVERSION_UNAVAILABLE),
    "held symbol": (ON_ETHUSDT, (a_day("BTCUSDT", "0.001"),), "BTCUSDT", Code.DAILY_LOSS_UNKNOWN),
    "oversold symbol": (ON_ETHUSDT, (a_day("BTCUSDT", "-0.0005"),), "BTCUSDT", Code.DAILY_LOSS_UNKNOWN),
    "fee asset": (ON_ETHUSDT, (a_day("ETHUSDT", BNB="-0.001"),), "BNBUSDT", Code.DAILY_LOSS_UNKNOWN),
    "first leg of a fee asset": (ON_ETHUSDT, (a_day("BNBUSDT", ETH="-0.001"),), "ETHBTC", Code.DAILY_LOSS_UNKNOWN),
    "last leg of a fee asset": (ON_ETHUSDT, (a_day("BNBUSDT", ETH="-0.001"),), "BTCUSDT", Code.DAILY_LOSS_UNKNOWN),
    "quote asset of what was traded": (
        ON_ETHUSDT,
        (held(cash="-30", symbol="BTCTRY", quote="TRY"),),
        "USDTTRY",
        Code.DAILY_LOSS_UNKNOWN,
    ),
}
"""What a price counts: the order that is judged, what was traded, the symbol of the price, and the code without it."""


def without(given_facts: Facts, field: str, symbol: str) -> Facts:
    kept: dict[str, Any] = {name: value for name, value in getattr(given_facts, field).items() if name != symbol}
    changed: dict[str, Any] = {field: kept}
    return replace(given_facts, **changed)


def with_book(given_facts: Facts, symbol: str, bid: str, ask: str, age_ms: int = 0) -> Facts:
    middle = given_facts.averages[symbol].price
    book = a_book(middle * D(bid), middle * D(ask), age_ms)
    return replace(given_facts, books={**given_facts.books, symbol: book})


def with_average(given_facts: Facts, symbol: str, factor: str, age_ms: int = 0) -> Facts:
    average = an_average(given_facts.averages[symbol].price * D(factor), age_ms)
    return replace(given_facts, averages={**given_facts.averages, symbol: average})


def with_status(given_facts: Facts, symbol: str, status: str) -> Facts:
    changed = replace(given_facts.instruments[symbol], status=status)
    return replace(given_facts, instruments={**given_facts.instruments, symbol: changed})


FAULTS: dict[str, tuple[Callable[[Facts, str], Facts], str, Code]] = {
    "halted": (lambda f, s: with_status(f, s, "HALT"), "HALT", Code.SYMBOL_NOT_TRADING),
    "status of no known name": (lambda f, s: with_status(f, s, "NEW"), "limit TRADING", Code.SYMBOL_NOT_TRADING),
    "no book": (lambda f, s: without(f, "books", s), "no price", Code.PRICE_UNAVAILABLE),
    "no bid": (lambda f, s: with_book(f, s, "0", "1"), "one side", Code.PRICE_UNAVAILABLE),
    "no ask": (lambda f, s: with_book(f, s, "1", "0"), "one side", Code.PRICE_UNAVAILABLE),
    "crossed": (lambda f, s: with_book(f, s, "1.001", "1"), "cross", Code.PRICE_UNAVAILABLE),
    "fetched too long ago": (lambda f, s: with_book(f, s, "1", "1", 5001), "5001 ms", Code.PRICE_STALE),
    "fetched in the future": (lambda f, s: with_book(f, s, "1", "1", -1), "-1 ms", Code.PRICE_STALE),
    "thin and far too cheap": (lambda f, s: with_book(f, s, "0.00002", "0.00003"), "middle", Code.PRICE_DIVERGES),
    "bid fell away": (lambda f, s: with_book(f, s, "0.00002", "1"), "middle", Code.PRICE_DIVERGES),
    "stray high bid": (lambda f, s: with_book(f, s, "20", "21"), "middle", Code.PRICE_DIVERGES),
    "a stray level on each side": (lambda f, s: with_book(f, s, "0.0001", "1.9999"), "two sides", Code.PRICE_DIVERGES),
    "sides apart": (lambda f, s: with_book(f, s, "0.98", "1.0201"), "limit 4% of the average", Code.PRICE_DIVERGES),
    "no average": (lambda f, s: without(f, "averages", s), "no average price", Code.PRICE_UNAVAILABLE),
    "average of zero": (lambda f, s: with_average(f, s, "0"), "no average price", Code.PRICE_UNAVAILABLE),
    "average elsewhere": (lambda f, s: with_average(f, s, "1.03"), "limit 2%", Code.PRICE_DIVERGES),
    "no trade for long": (lambda f, s: with_average(f, s, "1", 300_001), "300001 ms", Code.TRADE_STALE),
    "trade in the future": (lambda f, s: with_average(f, s, "1", -1_001), "-1001 ms", Code.TRADE_STALE),
}


@pytest.mark.parametrize("place", PLACES)
def test_price_without_a_fault_denies_nothing(place: str) -> None:
    """The markets of the sweep are calm: what is denied below is denied for its fault alone."""
    spec, traded, _, _ = PLACES[place]
    assert codes(judged(spec, market(traded=traded), POLICY)) == []


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", PLACES)
def test_price_with_a_fault_counts_nothing_anywhere(place: str, fault: str) -> None:
    """Whatever it is to count, a price that fails a check is no price: a denial in words, with symbol and numbers.

    Before, books were taken as they came: a thin BTCUSDT let 30,000 USDT of ETHBTC pass a cap of 100.
    """
    spec, traded, symbol, code = PLACES[place]
    change, words, _ = FAULTS[fault]
    given_facts = change(market(traded=traded), symbol)
    verdict = judged(spec, given_facts, POLICY)
    assert codes(verdict) == [code]
    said = denial(verdict, code)
    assert symbol in said.message
    assert words in said.message
    assert "selling what guardian bought is not held back by this" in (said.hint or "")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", PLACES)
def test_exit_passes_whatever_is_wrong_with_the_price_of_another_symbol(place: str, fault: str) -> None:
    """Selling back what guardian bought is held back by no leg and by no loss; it stays within the cap of one order."""
    spec, traded, symbol, _ = PLACES[place]
    change, _, _ = FAULTS[fault]
    verdict = judged(replace(spec, side=SELL), change(market(traded=traded, position=spec.quantity), symbol), POLICY)
    assert verdict.is_exit
    assert codes(verdict) == []
    assert verdict.notional is not None
    assert 0 < verdict.notional <= 100


@pytest.mark.parametrize("fault", FAULTS)
def test_order_is_denied_by_its_own_price_with_that_checks_code(fault: str) -> None:
    """The same checks, each with its own code, where the price is that of the order's own symbol."""
    change, _, code = FAULTS[fault]
    found = codes(judged(ON_ETHUSDT, change(market(), "ETHUSDT"), POLICY))
    assert [one for one in found if one is not Code.PRICE_OUTSIDE_COLLAR] == [code]


@pytest.mark.parametrize("fault", FAULTS)
def test_falling_or_silent_market_lets_an_exit_through(fault: str) -> None:
    """An exit is denied where there is no fresh book of its own, not for its last trade, its average or their distance.

    Before, `PRICE_DIVERGES` and `TRADE_STALE` denied it in the falling market that it is for.
    """
    change, _, code = FAULTS[fault]
    exit_order = a_sell(symbol="ETHUSDT", price="70000", quantity="0.001")  # above every bid: the collar has no say
    verdict = judged(exit_order, change(market(position=D("0.001")), "ETHUSDT"), POLICY)
    passes = code in {Code.PRICE_DIVERGES, Code.TRADE_STALE} or "average" in fault
    assert codes(verdict) == ([] if passes else [code])


def test_an_exit_keeps_its_cap_its_collar_and_its_question() -> None:
    """4 % below the average an exit passes; the collar holds its price, the cap its worth, and a person is asked."""
    fallen = with_book(market(position=D("0.05")), "ETHUSDT", "0.96", "0.961")  # 2880, average 3000
    at_the_bid = a_sell(symbol="ETHUSDT", price="2880", quantity="0.01")
    assert judged(at_the_bid, fallen, POLICY).decision is Decision.ALLOW
    assert codes(judged(replace(at_the_bid, price=D("2793.59")), fallen, POLICY)) == [Code.PRICE_OUTSIDE_COLLAR]
    assert codes(judged(replace(at_the_bid, quantity=D("0.035")), fallen, POLICY)) == [Code.NOTIONAL_EXCEEDS_MAX]
    asking = replace(POLICY, confirmation=replace(POLICY.confirmation, required_above=D("29")))
    assert judged(at_the_bid, fallen, asking).decision is Decision.CONFIRM


# -- what an exit counts for where a price is in doubt


def thin(symbol: str, bid: str, ask: str, **changed: object) -> Facts:
    given_facts = market(**changed)
    return replace(given_facts, books={**given_facts.books, symbol: a_book(bid, ask)})


def test_exit_through_a_thin_book_hides_no_worth() -> None:
    """A bid of 1.00 under an average of 3000 does not make an exit of 30 USDT look like one of a cent."""
    given_facts = thin("ETHUSDT", "1.00", "1.01", position=D("0.01"))
    verdict = judged(a_market(SELL, symbol="ETHUSDT", quantity="0.01"), with_no_least(given_facts), POLICY)
    assert (verdict.decision, verdict.notional) == (Decision.ALLOW, D(30))
    asking = replace(POLICY, confirmation=replace(POLICY.confirmation, required_above=D(5)))
    exit_order = a_market(SELL, symbol="ETHUSDT", quantity="0.01")
    assert judged(exit_order, with_no_least(given_facts), asking).decision is Decision.CONFIRM


def with_no_least(given_facts: Facts) -> Facts:
    """Without the exchange's least notional."""
    listed = {symbol: replace(one, min_notional=D(0)) for symbol, one in given_facts.instruments.items()}
    return replace(given_facts, instruments=listed)


@pytest.mark.parametrize(
    ("bid", "ask", "average", "notional"),
    [
        ("60000", "60000", "60000", "30"),
        ("1.00", "1.01", "60000", "30"),  # thin: counted at the average
        ("0", "60500", "60000", "30.25"),  # one-sided: at the ask
        ("1.00", "61000", "60000", "30.5"),
        ("0", "0", "60000", "30"),  # no book
        ("60000", "60100", "0", "30.05"),  # no average
    ],
)
def test_exit_counts_at_the_dearest_price_known_of_each_leg(bid: str, ask: str, average: str, notional: str) -> None:
    """0.0005 BTC, at the largest of what the exchange says of BTCUSDT, whether it may be used or not."""
    given_facts = thin("BTCUSDT", bid, ask, position=D("0.01"))
    given_facts = replace(given_facts, averages={**given_facts.averages, "BTCUSDT": an_average(average)})
    verdict = judged(replace(ON_ETHBTC, side=SELL), given_facts, POLICY)
    assert (verdict.decision, verdict.notional) == (Decision.ALLOW, D(notional))


@pytest.mark.parametrize(
    "change",
    [
        lambda f: without(without(f, "books", "BTCUSDT"), "averages", "BTCUSDT"),
        lambda f: without(f, "instruments", "BTCUSDT"),
        lambda f: with_book(f, "BTCUSDT", "1", "1000"),
    ],
    ids=["nothing known of the leg", "no path", "a stray ask that would exceed the cap"],
)
def test_exit_of_unknown_worth_counts_as_the_whole_cap_and_a_person_is_asked(change: Callable[[Facts], Facts]) -> None:
    """It passes, but never unasked: nobody knows what it is worth, and no stray price traps it."""
    given_facts = change(market(position=D("0.01")))
    verdict = judged(replace(ON_ETHBTC, side=SELL), given_facts, POLICY)
    assert (verdict.decision, verdict.notional) == (Decision.CONFIRM, D(100))


def test_leg_that_divides_is_dearest_where_it_is_cheapest() -> None:
    """USDTTRY: the fewer TRY a USDT costs, the more an amount of TRY is worth."""
    given_facts = thin("USDTTRY", "29", "33")
    rate = dearest_known_rate("TRY", given_facts, POLICY)
    assert rate is not None
    assert rate.convert(D(29)) == 1


# -- the cases of the issue


def test_thin_conversion_leg_hides_no_notional() -> None:
    """BTCUSDT at 1.00 while its average is 60000: ETHBTC BUY 10 at 0.05 is 30,000 USDT, and no cap of 100 lets it pass.

    Before, it counted 0.51 USDT and was allowed unasked.
    """
    given_facts = replace(
        cross_facts(),
        books={"ETHBTC": a_book("0.05", "0.05001"), "BTCUSDT": a_book("1.00", "1.01")},
    )
    policy = a_policy(symbols={"ETHBTC": symbol_limits(max_quantity=D(100), max_position=D(100))}, required_above=D(5))
    verdict = judged(an_order(symbol="ETHBTC", price="0.05", quantity="10"), given_facts, policy)
    assert verdict.decision is Decision.DENY
    assert "middle 1.005, average 60000" in denial(verdict, Code.CONVERSION_UNAVAILABLE).message


def test_stray_high_bid_hides_no_loss() -> None:
    """0.01 BTC bought for 640 and worth 600: a lone bid of 70000 does not turn the loss of 40 into a gain of 60."""
    day = held("0.01", cash="-640")
    policy = a_policy(max_daily_loss=D(30))
    told = judged(an_order(), facts(traded=(day,)), policy)
    assert codes(told) == [Code.DAILY_LOSS_EXCEEDS_MAX]
    hidden = judged(ON_ETHUSDT, thin("BTCUSDT", "70000", "70001", traded=(day,)), replace(POLICY, limits=policy.limits))
    assert codes(hidden) == [Code.DAILY_LOSS_UNKNOWN]


def test_thin_bid_invents_no_loss() -> None:
    """0.01 BTC bought for 600: a lone bid of 1.00 is no loss of 599.99, so nothing latches."""
    verdict = judged(ON_ETHUSDT, thin("BTCUSDT", "1.00", "60000", traded=(held("0.01", cash="-600"),)), POLICY)
    assert codes(verdict) == [Code.DAILY_LOSS_UNKNOWN]


@given(
    bid=st.integers(-10, 10**7).map(lambda n: D(n) / 100),
    spread=st.integers(-100, 10**6).map(lambda n: D(n) / 100),
    average=st.integers(-10, 10**7).map(lambda n: D(n) / 100),
    age=st.integers(-10, 6000),
    trade_age=st.integers(-2000, 400_000),
    status=st.sampled_from(["TRADING", "TRADING", "TRADING", "BREAK"]),
)
def test_usable_price_is_one_that_passes_every_check(
    bid: Decimal, spread: Decimal, average: Decimal, age: int, trade_age: int, status: str
) -> None:
    """It is made exactly where all checks pass, worked out here by other means, and has the book's two sides."""
    policy = a_policy()
    given_facts = facts(
        instruments={"BTCUSDT": an_instrument(status=status)},
        books={"BTCUSDT": a_book(bid, bid + spread, age)},
        average=an_average(average, trade_age),
    )
    ask = bid + spread
    passes = (
        status == "TRADING"
        and 0 < bid <= ask
        and 0 <= age <= 5000
        and average > 0
        and -1000 <= trade_age <= 300_000
        and abs((bid + ask) / 2 - average) <= average * D("0.02")
        and ask - bid <= average * D("0.04")
    )
    found = usable_price("BTCUSDT", given_facts, policy)
    assert isinstance(found, UsablePrice if passes else PriceFault)
    if isinstance(found, UsablePrice):
        assert (found.symbol, found.bid, found.ask) == ("BTCUSDT", bid, ask)


def test_symbol_that_is_not_listed_or_whose_rules_are_missing_has_no_usable_price() -> None:
    """The two are distinguished, in words."""
    unlisted = facts(instruments={}, unlisted=frozenset({"BTCUSDT"}))
    assert str(usable_price("BTCUSDT", unlisted, a_policy())) == "the exchange does not list BTCUSDT"
    missing = facts(instruments={}, missing={Fact.INSTRUMENT: "it timed out"})
    assert "rules for BTCUSDT are missing: it timed out" in str(usable_price("BTCUSDT", missing, a_policy()))


def test_reason_of_one_symbol_is_not_told_of_another() -> None:
    """Several averages are fetched at once; each has its own reason."""
    given_facts = replace(
        without(without(market(), "averages", "BTCUSDT"), "averages", "BNBUSDT"),
        missing_of={(Fact.AVERAGE, "BTCUSDT"): "it timed out"},
    )
    assert "it timed out" in str(usable_price("BTCUSDT", given_facts, POLICY))
    assert "the exchange did not answer" in str(usable_price("BNBUSDT", given_facts, POLICY))


def test_book_that_was_never_asked_for_is_no_price() -> None:
    """Absent is not a default."""
    assert isinstance(usable_price("BTCUSDT", facts(books={}), a_policy()), PriceFault)
    assert BookTop(bid=D(1), ask=D(1), fetched_ms=0).is_usable
    assert opened("1").price == 1
    assert isinstance(POLICY, Policy)
