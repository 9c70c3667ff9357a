"""Properties of the judgement over random policies, facts and orders."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, event, find, given, settings
from hypothesis import strategies as st

from guardian.domain.codes import Code
from guardian.domain.instruments import PercentPrice
from guardian.domain.orders import STOP_LIMIT_TYPES, OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.trading import TradingState
from guardian.policy.engine import judge_order
from guardian.policy.facts import Facts
from guardian.policy.model import CountWindow, NotionalWindow, Policy
from guardian.policy.verdict import Decision, Verdict
from tests.policy.builders import (
    DAY,
    ETHBTC,
    FIVE_MINUTES,
    MINUTE,
    NOW_MS,
    a_book,
    a_policy,
    an_average,
    an_instrument,
    confirmed,
    facts,
    held,
    opened,
    symbol_limits,
)
from tests.support.profiles import tries

D = Decimal
BUY, SELL = OrderSide.BUY, OrderSide.SELL
RANK = {Decision.ALLOW: 0, Decision.CONFIRM: 1, Decision.DENY: 2}


def some(*values: object) -> st.SearchStrategy[Any]:
    """One of these, written as strings where they are amounts."""
    return st.sampled_from([D(value) if isinstance(value, str) and value[0].isdigit() else value for value in values])


def rarely(usual: object, *others: object) -> st.SearchStrategy[Any]:
    """Mostly the usual value, so that several things are seldom wrong at once."""
    return some(*[usual] * 9, *others)


def often(usual: object, *others: object) -> st.SearchStrategy[Any]:
    """The usual value in most cases, so that a fair part of the orders is let through."""
    return some(*[usual] * 3 * len(others), *others)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    size = {
        "max_notional": draw(often("5000", "30", "60", "100", "123.456789012")),
        "max_quantity": draw(often("2", "0.001", "0.005")),
        "max_position": draw(often("5", "0.001", "0.02")),
    }
    return a_policy(
        symbols={"BTCUSDT": symbol_limits(**size), "ETHBTC": symbol_limits(**{**size, "max_quantity": D(2)})},
        max_open_notional=draw(often("9000", "60", "300")),
        rolling_notional=(
            NotionalWindow(window_ms=FIVE_MINUTES, maximum=draw(often("9000", "60", "200"))),
            NotionalWindow(window_ms=DAY, maximum=draw(often("9000", "100", "500"))),
        ),
        max_orders=(
            CountWindow(window_ms=MINUTE, maximum=draw(often(5, 1))),
            CountWindow(window_ms=DAY, maximum=draw(often(50, 5))),
        ),
        max_open_orders=draw(often(5, 1)),
        halt_after_orders=draw(often(20, 5)),
        max_daily_loss=draw(often("100", "10")),
        max_calls_per_minute=draw(often(120, 5)),
        min_free_quote=draw(often("0", "0.1", "50")),
        required_above=draw(some("0", "60", "100", "1000")),
        collar=draw(often("0.03", "0", "0.01")),
        stop_distance=draw(often("0.2", "0.02")),
        market_buffer=draw(some("0", "0.005", "0.01")),
        max_divergence=draw(often("0.02", "0.001")),
        max_age_ms=draw(often(5000, 1000)),
        max_trade_age_ms=draw(often(300_000, 60_000)),
        max_drift=draw(some("0", "0.005")),
        digest=draw(rarely("d1", "d2")),
    )


@st.composite
def specs(draw: st.DrawFn) -> OrderSpec:
    symbol = draw(st.sampled_from(["BTCUSDT", "BTCUSDT", "ETHBTC"]))
    kind = draw(st.sampled_from([one for one in OrderType if one not in {OrderType.STOP_LOSS, OrderType.TAKE_PROFIT}]))
    side = draw(st.sampled_from(OrderSide))
    cheap = symbol == "BTCUSDT"
    prices = (
        ("60000", "60001", "60500.01", "61000", "63000", "59500") if cheap else ("0.0495", "0.05", "0.05001", "0.052")
    )
    quantities = ("0.0005", "0.001", "0.001", "0.00166", "0.02") if cheap else ("0.01", "0.02", "0.033", "0.5")
    market, stop = kind is OrderType.MARKET, kind in STOP_LIMIT_TYPES
    by_quote = market and draw(st.booleans())
    quotes = ("10", "60", "99.99", "100", "250") if cheap else ("0.0005", "0.001", "0.01")
    return OrderSpec(
        symbol=symbol,
        side=side,
        order_type=kind,
        quantity=None if by_quote else draw(some(*quantities)),
        quote_quantity=draw(some(*quotes)) if by_quote else None,
        price=None if market else draw(some(*prices)),
        stop_price=draw(some(*prices)) if stop else None,
        time_in_force=None if market or kind is OrderType.LIMIT_MAKER else TimeInForce.GTC,
    )


BAND = PercentPrice(bid_up=D("1.02"), bid_down=D("0.5"), ask_up=D(2), ask_down=D("0.98"))


@st.composite
def any_facts(draw: st.DrawFn, symbol: str) -> Facts:
    filters = {
        "percent_price": draw(often(None, BAND)),
        "max_position": draw(often("0", "0.5")),
        "max_orders": draw(some(None, 3)),
        "max_stop_orders": draw(some(None, 2)),
        "max_notional": draw(often("0", "90")),
    }
    ethbtc = replace(ETHBTC, percent_price=filters["percent_price"], max_position=filters["max_position"])
    bid = draw(often("60000", "59700", "61000"))
    btc = a_book(bid, bid + draw(often("1", "0", "300")), draw(rarely(0, 1000, 5000, 5001, -1)))
    cross = a_book("0.05", draw(some("0.05", "0.05001", "0.0502")), draw(rarely(0, 5001)))
    averages = {
        "BTCUSDT": an_average(draw(rarely("60000", "59000")), draw(rarely(0, 300_000, 300_001))),
        "ETHBTC": an_average("0.05", draw(rarely(0, 300_001))),
    }
    entered = draw(often("0", "40", "140", "440"))
    return facts(
        instruments={"BTCUSDT": an_instrument(**filters), "ETHBTC": ethbtc},
        books={"BTCUSDT": btc, "ETHBTC": cross},
        averages=averages,
        free={"USDT": draw(rarely("10000", "60", "0")), "BTC": draw(rarely("5", "0.0005"))},
        held={"USDT": D(0), "BTC": draw(some("0", "0.499")), "ETH": draw(some("0", "0.49"))},
        clock_skew_ms=draw(rarely(0, 1000, -1001)),
        trading=draw(rarely(TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)),
        entered={FIVE_MINUTES: entered, DAY: entered},
        ordered={MINUTE: draw(often(0, 4)), DAY: draw(often(0, 4, 49))},
        open_notional=draw(often("0", "40", "240")),
        open_orders=draw(often(0, 4)),
        open_orders_on_symbol=draw(some(0, 2)),
        open_stop_orders_on_symbol=draw(some(0, 1)),
        duplicate_of=draw(rarely(None, "g1-a")),
        sliced_since_ms=draw(some(None, NOW_MS - 1)),
        sliced_entered=draw(some("0", "40")),
        position=draw(some("0", "0.0005", "0.001", "0.5")),
        open_buys=draw(some("0", "0.0005")),
        offered=draw(some("0", "0.0005")),
        orders_since_person=draw(rarely(0, 4, 20)),
        unconfirmed_since_person=draw(some("0", "40")),
        calls_last_minute=draw(rarely(1, 120, 121)),
        confirmed=draw(rarely(None, confirmed(), confirmed(shown_ask=D("59000")))),
        traded=draw(often((), (held("0.001", "0.001", "-30"),), (held("0.002", cash="-250"),))),
        day_opens=draw(often({"BTCUSDT": opened("60000")}, {"BTCUSDT": opened("150000")}, {})),
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[OrderSpec, Facts, Policy]:
    spec = draw(specs())
    return spec, draw(any_facts(spec.symbol)), draw(policies())


many = settings(max_examples=tries(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def worst_case(spec: OrderSpec, verdict: Verdict, given_facts: Facts) -> Fraction:
    """The contract's table by other means: fractions, on what would be sent."""
    order = verdict.order
    assert order is not None
    book = given_facts.books[spec.symbol]
    price = Fraction(order.price)
    if spec.side is SELL:
        price = max(price, Fraction(book.bid), Fraction(order.stop_price or 0))
    rate = Fraction(given_facts.books["BTCUSDT"].ask) if spec.symbol == "ETHBTC" else Fraction(1)
    return price * Fraction(order.quantity) * rate


def naive_loss(given_facts: Facts) -> Fraction:
    """What a day of BTCUSDT lost, by other means."""
    assert given_facts.usage is not None
    loss = Fraction(0)
    for day in given_facts.usage.traded:
        now = Fraction(day.position) * Fraction(given_facts.books["BTCUSDT"].bid)
        opened_at = given_facts.day_opens[day.symbol].price if day.position_before else 0
        then = Fraction(day.position_before) * Fraction(opened_at)
        loss += then - now - Fraction(day.cash["USDT"])
    return loss


@many
@given(cases())
def test_nothing_over_a_limit_is_ever_let_through(case: tuple[OrderSpec, Facts, Policy]) -> None:
    """What is allowed, or put before a person, is within the cap, every window and every budget, counted at worst."""
    spec, given_facts, policy = case
    verdict = judge_order(spec, given_facts, policy)
    event(verdict.decision.value)
    if verdict.decision is Decision.DENY:
        assert verdict.denials
        return
    assert verdict.denials == ()
    usage, limits, symbol = given_facts.usage, policy.limits, policy.symbols[spec.symbol]
    assert usage is not None
    assert verdict.order is not None
    assert verdict.notional is not None
    assert verdict.quote_notional is not None
    cost = worst_case(spec, verdict, given_facts)
    agreed = given_facts.confirmed
    if spec.side is SELL and agreed is not None:
        cost = min(cost, Fraction(agreed.notional))  # what it brings beyond what a person saw is theirs
    is_whole_cap = verdict.is_exit and verdict.notional == symbol.max_notional
    assert cost > 0
    assert cost <= Fraction(verdict.notional) or is_whole_cap
    assert verdict.notional <= symbol.max_notional
    assert 0 < verdict.order.quantity <= symbol.max_quantity
    assert usage.trading is not TradingState.HALTED
    assert verdict.is_exit or usage.trading is TradingState.ACTIVE
    if spec.side is BUY:
        assert usage.position + usage.open_buys + verdict.order.quantity <= symbol.max_position
        quote = "USDT" if spec.symbol == "BTCUSDT" else "BTC"
        assert given_facts.free is not None
        assert given_facts.free[quote] - verdict.quote_notional >= limits.min_free_quote
    if spec.quote_quantity is not None:
        assert verdict.order.quantity * verdict.order.price <= spec.quote_quantity
    if verdict.is_exit:
        assert spec.side is SELL
        assert verdict.order.quantity <= usage.position - usage.offered
        return
    for window in limits.rolling_notional:
        assert usage.entered[window.window_ms] + verdict.notional <= window.maximum
    for counted in limits.max_orders:
        assert usage.ordered[counted.window_ms] < counted.maximum
    assert usage.open_notional + verdict.notional <= limits.max_open_notional
    assert usage.open_orders < limits.max_open_orders
    assert naive_loss(given_facts) <= limits.max_daily_loss
    if usage.sliced_since_ms is not None:
        assert usage.sliced_entered + verdict.notional <= symbol.max_notional


@many
@given(cases())
def test_who_is_not_asked_stays_below_the_threshold(case: tuple[OrderSpec, Facts, Policy]) -> None:
    """Without a person's confirmation an order is allowed only within `required_above`."""
    spec, given_facts, policy = case
    verdict = judge_order(spec, given_facts, policy)
    if verdict.decision is not Decision.DENY and given_facts.confirmed is None:
        assert given_facts.usage is not None
        assert verdict.notional is not None
        total = given_facts.usage.unconfirmed_since_person + verdict.notional
        within = total <= policy.confirmation.required_above
        if verdict.is_exit and verdict.notional == policy.symbols[spec.symbol].max_notional and within:
            return  # counted as the whole cap, for what it is worth is in doubt: then a person is always asked
        assert verdict.decision is (Decision.ALLOW if within else Decision.CONFIRM)


@many
@given(cases())
def test_the_judgement_is_pure(case: tuple[OrderSpec, Facts, Policy]) -> None:
    """The same inputs give the same verdict, and nothing of them is changed."""
    before = copy.deepcopy(case)
    first = judge_order(*case)
    assert judge_order(*case) == first == judge_order(*before)
    assert case == before


def _without(spec: OrderSpec, given_facts: Facts) -> list[Facts]:
    """The facts with one thing missing, each in turn."""
    usage = given_facts.usage
    assert usage is not None
    lacking: list[dict[str, Any]] = [
        *({"averages": _but(given_facts.averages, one)} for one in given_facts.averages),
        {"free": None},
        {"held": None},
        {"free": None, "held": None},
        {"clock_skew_ms": None},
        {"usage": None},
        {"usage": replace(usage, entered={})},
        {"usage": replace(usage, ordered={})},
        *({"instruments": _but(given_facts.instruments, one)} for one in given_facts.instruments),
        *({"books": _but(given_facts.books, one)} for one in given_facts.books),
    ]
    return [replace(given_facts, **one) for one in lacking]


def _but(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


@many
@given(cases())
def test_to_know_less_never_lets_more_through(case: tuple[OrderSpec, Facts, Policy]) -> None:
    """Whatever fact is taken away, no denial turns into a confirmation or an allowance, and no question into a yes.

    Exits aside, which no price but that of their own book holds back: they count at the dearest price that is known.
    """
    spec, given_facts, policy = case
    before = judge_order(spec, given_facts, policy)
    assume(not before.is_exit)
    for less in _without(spec, given_facts):
        after = judge_order(spec, less, policy)
        assert RANK[after.decision] >= RANK[before.decision]


SYMBOL_LIMITS = ("max_notional", "max_quantity", "max_position")
PLAIN_LIMITS = ("max_daily_loss", "max_open_notional", "max_open_orders", "halt_after_orders", "max_calls_per_minute")
WINDOW_LIMITS = ("rolling_notional", "max_orders")
PRICE_LIMITS = ("max_age_ms", "max_trade_age_ms", "collar", "stop_distance", "max_divergence")


def _raised(policy: Policy, symbol: str, price_limits: tuple[str, ...] = PRICE_LIMITS) -> list[Policy]:
    """The policy with one limit made looser, each in turn."""
    limits, prices, listed = policy.limits, policy.prices, policy.symbols[symbol]

    def symbol_with(**changed: Any) -> Policy:
        return replace(policy, symbols={**policy.symbols, symbol: replace(listed, **changed)})

    def limits_with(**changed: Any) -> Policy:
        return replace(policy, limits=replace(limits, **changed))

    loose = [symbol_with(**{name: getattr(listed, name) * 2}) for name in SYMBOL_LIMITS]
    loose += [limits_with(**{name: getattr(limits, name) * 2}) for name in PLAIN_LIMITS]
    for name in WINDOW_LIMITS:
        windows = getattr(limits, name)
        loose.append(limits_with(**{name: tuple(replace(one, maximum=one.maximum * 2) for one in windows)}))
        loose.append(limits_with(**{name: windows[:1]}))
    loose.append(limits_with(min_free_quote=D(0)))
    loose += [replace(policy, prices=replace(prices, **{name: getattr(prices, name) * 2})) for name in price_limits]
    for name in ("required_above", "max_drift"):
        doubled = {name: getattr(policy.confirmation, name) * 2}
        loose.append(replace(policy, confirmation=replace(policy.confirmation, **doubled)))
    return loose


@many
@given(cases())
def test_a_looser_limit_never_denies_more(case: tuple[OrderSpec, Facts, Policy]) -> None:
    """Raise any one limit, and nothing that was let through is denied, nor is more asked.

    An exit at a price in doubt counts as the whole cap at most, and is held to the price itself once a looser limit
    lets that be used: for exits the limits of prices are left out.
    """
    spec, given_facts, policy = case
    before = judge_order(spec, given_facts, policy)
    for looser in _raised(policy, spec.symbol, () if before.is_exit else PRICE_LIMITS):
        assert RANK[judge_order(spec, given_facts, looser).decision] <= RANK[before.decision]


@many
@given(cases())
def test_spending_more_never_frees_a_budget(case: tuple[OrderSpec, Facts, Policy]) -> None:
    """The more was entered, ordered, opened, offered or left unconfirmed before, the less is let through."""
    spec, given_facts, policy = case
    usage = given_facts.usage
    assert usage is not None
    before = judge_order(spec, given_facts, policy)
    more: list[dict[str, Any]] = [
        {"entered": {window: sum_ + 50 for window, sum_ in usage.entered.items()}},
        {"ordered": {window: count + 3 for window, count in usage.ordered.items()}},
        {"open_notional": usage.open_notional + 50},
        {"open_orders": usage.open_orders + 3},
        {"open_orders_on_symbol": usage.open_orders_on_symbol + 3},
        {"offered": usage.offered + D("0.1")},
        {"open_buys": usage.open_buys + D("0.1")},
        {"orders_since_person": usage.orders_since_person + 9},
        {"unconfirmed_since_person": usage.unconfirmed_since_person + 50},
        {"calls_last_minute": usage.calls_last_minute + 50},
        {"sliced_since_ms": NOW_MS, "sliced_entered": usage.sliced_entered + 50},
    ]
    for changed in more:
        after = judge_order(spec, replace(given_facts, usage=replace(usage, **changed)), policy)
        assert RANK[after.decision] >= RANK[before.decision]


@many
@given(cases(), st.integers(1, 40))
def test_more_of_the_same_is_never_let_through_where_less_was_denied_for_its_cost(
    case: tuple[OrderSpec, Facts, Policy], factor: int
) -> None:
    """An order over the cap stays over it when it is made larger."""
    spec, given_facts, policy = case
    assume(spec.quantity is not None)
    assert spec.quantity is not None
    before = judge_order(spec, given_facts, policy)
    after = judge_order(replace(spec, quantity=spec.quantity * factor), given_facts, policy)
    for code in (Code.NOTIONAL_EXCEEDS_MAX, Code.QUANTITY_EXCEEDS_MAX, Code.POSITION_EXCEEDS_MAX):
        assert after.denied_by(code) or not before.denied_by(code)


@pytest.mark.parametrize("decision", Decision)
def test_the_random_cases_come_to_every_decision(decision: Decision) -> None:
    """The properties are not empty: each decision is found among the cases, and with each an exit."""
    first = settings(max_examples=2000, phases=(Phase.generate,), deadline=None)
    found = find(cases(), lambda case: judge_order(*case).decision is decision, settings=first)
    assert judge_order(*found).decision is decision
    exits = find(cases(), lambda case: (v := judge_order(*case)).is_exit and v.decision is decision, settings=first)
    assert judge_order(*exits).is_exit


def test_every_limit_of_the_policy_is_raised_by_the_property() -> None:
    """A limit that is added to the policy is added to the property of looser limits too."""
    policy = a_policy()
    raised = {*PLAIN_LIMITS, *WINDOW_LIMITS, "min_free_quote"}
    # What these count is a fact by the time an order is judged, and a wider window is a tighter limit.
    windows = {"duplicate_window_ms", "anti_slicing_window_ms", "absence_window_ms"}
    assert {field.name for field in fields(policy.limits)} == raised | windows
    assert {field.name for field in fields(policy.prices)} == {*PRICE_LIMITS, "market_buffer"}
    unlimited = {"sides", "order_types", "time_in_force", "reason"}
    assert {field.name for field in fields(symbol_limits())} == {*SYMBOL_LIMITS} | unlimited
