"""The judgement: every rule is asked, every no is collected, and the strictest answer wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest

from guardian.domain.codes import Code, Outcome
from guardian.domain.instruments import PercentPrice
from guardian.domain.market import AveragePrice
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.owner.proof import Proof
from guardian.domain.requests import TOOLS
from guardian.domain.trading import Environment, TradingState
from guardian.policy.engine import ALWAYS, LISTED, judge_order, needed_facts, rules_for
from guardian.policy.facts import Fact, Facts, LiveFacts
from guardian.policy.permissions import KeyJudgement
from guardian.policy.verdict import Decision, Verdict
from tests.policy.builders import (
    BID,
    ETHBTC,
    NOW_MS,
    a_book,
    a_market,
    a_policy,
    a_sell,
    a_stop,
    an_instrument,
    an_order,
    codes,
    confirmed,
    cross_facts,
    denial,
    facts,
    held,
    judged,
    opened,
)

D = Decimal
BUY, SELL = OrderSide.BUY, OrderSide.SELL
NOTHING = Facts(now_ms=NOW_MS, clock_ms=NOW_MS, environment=Environment.TESTNET, policy_problems=())


def instrument(**changed: Any) -> Facts:
    return facts(instruments={"BTCUSDT": an_instrument(**changed)})


ELSEWHERE = {
    Code.CONFIRMATION_UNKNOWN,
    Code.CONFIRMATION_EXPIRED,
    Code.CONFIRMATION_REJECTED,
    Code.CONFIRMATION_MISMATCH,
    Code.CONFIRMATION_UNPROVEN,
    Code.CONFIRMATION_ENVIRONMENT,
    Code.PROPOSALS_EXCEED_MAX,
    Code.PROPOSAL_UNKNOWN,
    Code.PROPOSAL_ENDED,
    Code.ORDER_NOT_GUARDIANS,
}
"""Denials that are the gate's: they are about tokens, proposals and whose an order is."""

READY = LiveFacts(keys=KeyJudgement(problems=(), warnings=()), unproven=None, unarmed=None)


def on_live(live: LiveFacts) -> Verdict:
    policy = a_policy(environment=Environment.LIVE, proof=Proof.PASSKEY)
    return judged(given=facts(environment=Environment.LIVE, live=live), policy=policy)


REACHED: dict[Code, Callable[[], Verdict]] = {
    Code.TRADING_HALTED: lambda: judged(given=facts(trading=TradingState.HALTED)),
    Code.TRADING_REDUCING: lambda: judged(given=facts(trading=TradingState.REDUCING)),
    Code.POLICY_INVALID: lambda: judged(given=facts(policy_problems=("oh",))),
    Code.POLICY_ENVIRONMENT_CHANGED: lambda: judged(policy=a_policy(environment=Environment.DEMO)),
    Code.POLICY_NOT_APPROVED: lambda: judged(given=facts(unapproved="oh")),
    Code.LIVE_PROOF_MISSING: lambda: on_live(replace(READY, unproven="none is set up")),
    Code.LIVE_KEYS_UNCHECKED: lambda: on_live(replace(READY, keys=None)),
    Code.LIVE_KEYS_UNSAFE: lambda: on_live(
        replace(READY, keys=KeyJudgement(problems=("it may withdraw",), warnings=()))
    ),
    Code.LIVE_NOT_ARMED: lambda: on_live(replace(READY, unarmed="nobody did")),
    Code.TOOL_NOT_ALLOWED: lambda: judged(policy=a_policy(allowed=frozenset(TOOLS) - {"create_order"})),
    Code.SYMBOL_NOT_LISTED: lambda: judged(policy=a_policy(symbols={})),
    Code.SIDE_NOT_ALLOWED: lambda: judged(policy=a_policy({"sides": frozenset({SELL})})),
    Code.ORDER_TYPE_NOT_ALLOWED: lambda: judged(policy=a_policy({"order_types": frozenset({OrderType.MARKET})})),
    Code.ORDER_TYPE_UNPRICED: lambda: judged(
        an_order(order_type=OrderType.STOP_LOSS, price=None, stop_price="59000", time_in_force=None)
    ),
    Code.TIME_IN_FORCE_NOT_ALLOWED: lambda: judged(policy=a_policy({"time_in_force": frozenset({TimeInForce.IOC})})),
    Code.SYMBOL_UNKNOWN: lambda: judged(given=facts(instruments={}, unlisted=frozenset({"BTCUSDT"}))),
    Code.SYMBOL_NOT_TRADING: lambda: judged(given=instrument(status="BREAK")),
    Code.INSTRUMENT_UNAVAILABLE: lambda: judged(given=facts(instruments={})),
    Code.FILTER_ORDER_TYPE: lambda: judged(given=instrument(order_types=frozenset({"MARKET"}))),
    Code.FILTER_PRICE: lambda: judged(an_order(price="60000.001")),
    Code.FILTER_PERCENT_PRICE: lambda: judged(
        given=instrument(percent_price=PercentPrice(bid_up=D("0.9"), bid_down=D(0), ask_up=D(0), ask_down=D(0)))
    ),
    Code.FILTER_QUANTITY: lambda: judged(an_order(quantity="0.000999999")),
    Code.FILTER_NOTIONAL: lambda: judged(given=instrument(min_notional=D(61))),
    Code.FILTER_ORDER_COUNT: lambda: judged(given=instrument(max_orders=0)),
    Code.OPEN_ORDERS_UNKNOWN: lambda: judged(
        given=facts(instruments={"BTCUSDT": an_instrument(max_orders=200)}, listed_orders=None)
    ),
    Code.FILTER_POSITION: lambda: judged(given=instrument(max_position=D("0.0009"))),
    Code.PRICE_UNAVAILABLE: lambda: judged(given=facts(books={})),
    Code.PRICE_STALE: lambda: judged(given=facts(books={"BTCUSDT": a_book(age_ms=5001)})),
    Code.TRADE_STALE: lambda: judged(given=facts(average=AveragePrice(price=D(60000), traded_ms=0))),
    Code.PRICE_DIVERGES: lambda: judged(given=facts(average=AveragePrice(price=D(70000), traded_ms=NOW_MS))),
    Code.PRICE_OUTSIDE_COLLAR: lambda: judged(an_order(price="62000")),
    Code.STOP_PRICE_TOO_FAR: lambda: judged(a_stop(SELL, stop_price="40000", price="40000")),
    Code.NOTIONAL_UNKNOWN: lambda: judged(an_order(price=None)),
    Code.CONVERSION_UNAVAILABLE: lambda: judged(
        an_order(symbol="ETHBTC", price="0.05", quantity="0.01"), cross_facts(), a_policy(conversions={})
    ),
    Code.NOTIONAL_EXCEEDS_MAX: lambda: judged(an_order(quantity="0.0017")),
    Code.SLICING_EXCEEDS_MAX: lambda: judged(given=facts(sliced_since_ms=NOW_MS, sliced_entered=D(60))),
    Code.QUANTITY_EXCEEDS_MAX: lambda: judged(an_order(quantity="0.006", price="15000")),
    Code.POSITION_EXCEEDS_MAX: lambda: judged(given=facts(position=D("0.02"))),
    Code.OPEN_NOTIONAL_EXCEEDS_MAX: lambda: judged(given=facts(open_notional=D(300))),
    Code.OPEN_ORDERS_EXCEED_MAX: lambda: judged(given=facts(open_orders=5)),
    Code.ROLLING_NOTIONAL_EXCEEDS_MAX: lambda: judged(given=facts(entered={})),
    Code.ORDER_COUNT_EXCEEDS_MAX: lambda: judged(given=facts(ordered={})),
    Code.DAILY_LOSS_UNKNOWN: lambda: judged(given=facts(traded=(held("1", before="1"),))),
    Code.DAILY_LOSS_EXCEEDS_MAX: lambda: judged(given=facts(traded=(held(cash="-100.00000001"),))),
    Code.DUPLICATE_ORDER: lambda: judged(given=facts(duplicate_of="g1-a")),
    Code.ORDER_UNRESOLVED: lambda: judged(given=facts(unresolved_on_symbol="g1-a")),
    Code.ORDERS_NOT_COMPARED: lambda: judged(given=facts(uncompared="the exchange did not answer")),
    Code.FREE_QUOTE_BELOW_MIN: lambda: judged(given=facts(free={})),
    Code.FREE_BASE_BELOW_QUANTITY: lambda: judged(
        an_order(side=SELL, price="60001", quantity="0.001"), facts(free={"BTC": D("0.000999")})
    ),
    Code.BALANCE_UNAVAILABLE: lambda: judged(given=facts(free=None)),
    Code.CALLS_EXCEED_MAX: lambda: judged(given=facts(calls_last_minute=121)),
    Code.CLOCK_UNKNOWN: lambda: judged(given=facts(clock_skew_ms=None)),
    Code.CLOCK_SKEWED: lambda: judged(given=facts(clock_skew_ms=1001)),
    Code.USAGE_UNKNOWN: lambda: judged(given=facts(usage=None)),
    Code.CONFIRMATION_POLICY_CHANGED: lambda: judged(given=facts(confirmed=confirmed(policy_digest="d0"))),
    Code.CONFIRMATION_PRICE_DRIFT: lambda: judged(a_market(), facts(confirmed=confirmed(shown_ask=D(59000)))),
}


def test_reasons_are_named_once_and_no_hint_repeats_its_message() -> None:
    """Each cause alone, and everything missing at once, of every side and type; two rules may need the same fact."""
    worst = facts(instruments={"BTCUSDT": an_instrument(max_position=D(1))}, free=None)
    everything = replace(NOTHING, instruments={"BTCUSDT": an_instrument(max_position=D(1), max_orders=1)})
    asked = (an_order(), a_market(), an_order(side=SELL), a_stop(SELL), an_order(quantity="100", price="60000.001"))
    verdicts = [reached() for reached in REACHED.values()]
    verdicts += [judged(spec, given) for spec in asked for given in (worst, everything, NOTHING)]
    for verdict in verdicts:
        reasons = [(one.code, one.message) for one in verdict.denials]
        assert len(reasons) == len(set(reasons)), reasons
        for one in verdict.denials:
            said = one.hint or ""
            assert one.message not in said
            assert said not in one.message or not said
            parts = said.split("; ")
            assert len(parts) == len(set(parts)), said
    balances = [one for one in judged(an_order(), worst).denials if one.code is Code.BALANCE_UNAVAILABLE]
    assert [one.hint for one in balances] == ["try again in a moment"]


def test_every_denial_of_the_policys_is_reached() -> None:
    """A code that no order can come to is a rule that does not exist; the gate's own are named here."""
    denied = {code for code in Code if code.outcome is Outcome.DENIED}
    assert REACHED.keys() == denied - ELSEWHERE


@pytest.mark.parametrize("code", REACHED, ids=lambda code: code.name)
def test_each_denial_stands_alone_and_says_what_and_why(code: Code) -> None:
    """One thing wrong gives one code, in a sentence; nothing else is said to be wrong."""
    verdict = REACHED[code]()
    assert verdict.decision is Decision.DENY
    assert set(codes(verdict)) == {code}
    for found in verdict.denials:
        assert found.message
        said = [found.message, found.observed, found.limit, found.hint]
        assert all("None" not in words for words in said if words is not None)


def test_a_verdict_knows_the_codes_that_it_was_denied_by() -> None:
    """Given a code, it says whether that is among its denials."""
    verdict = judged(an_order(quantity="0.0017"))
    assert verdict.denied_by(Code.NOTIONAL_EXCEEDS_MAX)
    assert not verdict.denied_by(Code.PRICE_STALE)


def test_all_denials_are_collected_in_the_order_of_the_rules() -> None:
    """Everything that is wrong is said at once, in the documented precedence."""
    given = facts(
        trading=TradingState.REDUCING,
        policy_problems=("oh",),
        unapproved="oh",
        environment=Environment.LIVE,
        calls_last_minute=121,
        books={"BTCUSDT": a_book(age_ms=5001)},
        average=AveragePrice(price=D(60000), traded_ms=0),
        free={},
        clock_skew_ms=-1001,
        duplicate_of="g1-a",
        open_orders=5,
        entered={},
        ordered={},
        open_notional=D(300),
        position=D(1),
        orders_since_person=20,
        confirmed=confirmed(policy_digest="d0"),
    )
    policy = a_policy({"sides": frozenset({SELL})}, allowed=frozenset())
    assert list(dict.fromkeys(codes(judged(an_order(quantity="1.000001", price="70000"), given, policy)))) == [
        Code.TRADING_REDUCING,
        Code.POLICY_INVALID,
        Code.POLICY_ENVIRONMENT_CHANGED,
        Code.POLICY_NOT_APPROVED,
        Code.LIVE_PROOF_MISSING,
        Code.LIVE_KEYS_UNCHECKED,
        Code.LIVE_NOT_ARMED,
        Code.TOOL_NOT_ALLOWED,
        Code.CALLS_EXCEED_MAX,
        Code.SIDE_NOT_ALLOWED,
        Code.FILTER_QUANTITY,
        Code.PRICE_STALE,
        Code.TRADE_STALE,
        Code.PRICE_OUTSIDE_COLLAR,
        Code.NOTIONAL_EXCEEDS_MAX,
        Code.QUANTITY_EXCEEDS_MAX,
        Code.POSITION_EXCEEDS_MAX,
        Code.OPEN_NOTIONAL_EXCEEDS_MAX,
        Code.OPEN_ORDERS_EXCEED_MAX,
        Code.ROLLING_NOTIONAL_EXCEEDS_MAX,
        Code.ORDER_COUNT_EXCEEDS_MAX,
        Code.DUPLICATE_ORDER,
        Code.FREE_QUOTE_BELOW_MIN,
        Code.CLOCK_SKEWED,
        Code.CONFIRMATION_POLICY_CHANGED,
    ]


def test_with_nothing_known_nothing_is_allowed() -> None:
    """No fact at all denies, with the rule that needs each of them; no rule raises for the lack of it."""
    assert codes(judged(given=NOTHING)) == [
        Code.USAGE_UNKNOWN,
        Code.POLICY_NOT_APPROVED,
        Code.ORDERS_NOT_COMPARED,
        Code.INSTRUMENT_UNAVAILABLE,
        Code.PRICE_UNAVAILABLE,
        Code.PRICE_UNAVAILABLE,
        Code.BALANCE_UNAVAILABLE,
        Code.CLOCK_UNKNOWN,
    ]
    for spec in (an_order(), a_sell(), a_market(), a_market(SELL), a_stop(), a_market(quote_quantity="10")):
        assert judged(spec, NOTHING).decision is Decision.DENY


def test_comparison_that_nobody_looked_up_is_none() -> None:
    """Facts made without saying whether guardian's orders were compared deny."""
    whole = facts()
    stated = {field.name: getattr(whole, field.name) for field in fields(whole) if field.name != "uncompared"}
    assert codes(judged(given=Facts(**stated))) == [Code.ORDERS_NOT_COMPARED]


def test_status_that_nobody_fetched_is_unknown() -> None:
    """Facts made without saying that the symbols' statuses are known deny, though no request for them failed."""
    spec, whole = an_order(symbol="ETHBTC", price="0.05", quantity="0.01"), cross_facts()
    assert codes(judged(spec, whole)) == []
    stated = {field.name: getattr(whole, field.name) for field in fields(whole) if field.name != "statuses_known"}
    forgotten = Facts(**stated)
    assert not forgotten.missing
    assert codes(judged(spec, forgotten)) == [Code.CONVERSION_UNAVAILABLE]


def test_a_rule_that_errs_is_not_a_rule_that_passed() -> None:
    """A fault in a rule is let out, so that the gate answers `failed` and sends nothing."""
    absurd = a_book(D("NaN"), D("NaN"))
    with pytest.raises(ArithmeticError):
        judged(given=facts(books={"BTCUSDT": absurd}))


# -- confirmation


@pytest.mark.parametrize(
    ("required_above", "unconfirmed", "decision"),
    [
        ("0", "0", Decision.CONFIRM),
        ("59.99999999", "0", Decision.CONFIRM),
        ("60", "0", Decision.ALLOW),
        ("100", "40", Decision.ALLOW),
        ("100", "40.00000001", Decision.CONFIRM),
        ("1000", "0", Decision.ALLOW),
    ],
)
def test_a_person_is_asked_once_this_order_and_what_went_unconfirmed_pass_the_threshold(
    required_above: str, unconfirmed: str, decision: Decision
) -> None:
    """Equal to the threshold passes unasked, anything more asks, and a threshold of zero asks for every order."""
    given = facts(unconfirmed_since_person=D(unconfirmed))
    verdict = judged(given=given, policy=a_policy(required_above=D(required_above)))
    assert (verdict.decision, codes(verdict)) == (decision, [])
    assert verdict.order is not None
    assert verdict.notional == 60


def test_a_denial_is_stronger_than_a_question() -> None:
    """A person is not asked about what would be denied anyway."""
    verdict = judged(an_order(quantity="0.0017"), policy=a_policy(required_above=D(0)))
    assert verdict.decision is Decision.DENY


def test_a_confirmed_order_is_not_asked_about_again_and_is_judged_in_full() -> None:
    """A token that fits answers the question and nothing else: every other rule is asked again."""
    ask = a_policy(required_above=D(0))
    assert judged(given=facts(confirmed=confirmed()), policy=ask).decision is Decision.ALLOW
    halted = judged(given=facts(confirmed=confirmed(), trading=TradingState.HALTED), policy=ask)
    assert codes(halted) == [Code.TRADING_HALTED]
    over = judged(given=facts(confirmed=confirmed(), open_notional=D(300)), policy=ask)
    assert codes(over) == [Code.OPEN_NOTIONAL_EXCEEDS_MAX]


def test_a_policy_that_changed_since_the_proposal_denies() -> None:
    """What a person agreed to was agreed under the policy they had."""
    found = denial(judged(given=facts(confirmed=confirmed(policy_digest="d0"))), Code.CONFIRMATION_POLICY_CHANGED)
    assert found.hint == "request the order again"


@pytest.mark.parametrize(
    ("side", "bid", "ask", "passes"),
    [
        (BUY, "60300", "60301", True),  # shown at 60001: 60301.005 is 0.5 % more
        (BUY, "60300", "60301.005", True),
        (BUY, "60300", "60301.01", False),
        (BUY, "59400", "59500", True),  # a better price is no drift
        (SELL, "59700", "59701", True),
        (SELL, "59699.99", "59701", False),
        (SELL, "60600", "60601", True),
    ],
)
def test_only_a_move_against_the_order_is_drift(side: OrderSide, bid: str, ask: str, passes: bool) -> None:
    """Exactly `max_drift` passes; a move in the order's favour never is one."""
    token = confirmed(protected_price=D("60601.01") if side is BUY else D("59400"))
    given = facts(books={"BTCUSDT": a_book(bid, ask)}, confirmed=token)
    verdict = judged(a_market(side), given)
    assert codes(verdict) == ([] if passes else [Code.CONFIRMATION_PRICE_DRIFT])
    if not passes:
        assert verdict.denials[0].observed == (ask if side is BUY else bid)
        assert verdict.denials[0].limit == ("60301.005" if side is BUY else "59700")


@pytest.mark.parametrize("spec", [an_order(), a_sell(price="61500"), a_stop()])
def test_an_order_with_a_price_of_its_own_does_not_drift(spec: OrderSpec) -> None:
    """The price that was confirmed is the price that is sent, so only MARKET drifts."""
    given = facts(books={"BTCUSDT": a_book("61000", "61001")}, confirmed=confirmed())
    assert codes(judged(spec, given)) == []


@pytest.mark.parametrize("books", [{}, {"BTCUSDT": a_book("0", "60001")}])
def test_drift_without_a_price_is_the_price_rules_denial(books: dict[str, object]) -> None:
    """Where there is no usable book, that is what is said; the drift of nothing is not."""
    assert codes(judged(a_market(), facts(books=books, confirmed=confirmed()))) == [Code.PRICE_UNAVAILABLE]


# -- which facts are needed


def test_a_symbol_that_is_not_listed_needs_nothing_from_the_exchange() -> None:
    """The store's usage alone is looked at, so no request is spent on what is denied anyway."""
    for spec in (an_order(symbol="DOGEUSDT"), a_sell(symbol="DOGEUSDT")):
        assert needed_facts(spec, a_policy(), may_exit=False) == {Fact.USAGE}
        assert rules_for(spec, a_policy(), may_exit=False) == ALWAYS


def test_what_may_be_an_exit_needs_the_facts_of_a_sell_whatever_the_policy_lists() -> None:
    """A symbol that was removed from the policy is still sold by all rules, so their facts are fetched."""
    spec = a_sell(symbol="DOGEUSDT")
    assert needed_facts(spec, a_policy(), may_exit=True) == set(Fact)
    assert rules_for(spec, a_policy(), may_exit=True) == (*ALWAYS, *LISTED)


def test_an_order_needs_every_fact() -> None:
    """Balances too, of a SELL as well: what the account really has says whether it is an exit."""
    assert needed_facts(an_order(), a_policy(), may_exit=False) == set(Fact)
    assert needed_facts(a_sell(), a_policy(), may_exit=False) == set(Fact)
    assert rules_for(an_order(), a_policy(), may_exit=False) == (*ALWAYS, *LISTED)


WITHOUT: dict[Fact, dict[str, Any]] = {
    Fact.INSTRUMENT: {"instruments": {}},
    Fact.BOOK: {"books": {}},
    Fact.RATES: {"books": {}},
    Fact.AVERAGE: {"averages": {}},
    Fact.BALANCES: {"free": None, "held": None},
    Fact.OPEN_ORDERS: {"listed_orders": None},
    Fact.CLOCK: {"clock_skew_ms": None},
    Fact.USAGE: {"usage": None},
    Fact.DAY: {"day_opens": {}},
    Fact.STATUS: {"statuses_known": False},
}


@pytest.mark.parametrize("spec", [a_sell(), a_market(SELL), a_stop(), an_order(symbol="DOGEUSDT"), a_sell(symbol="X")])
def test_facts_that_are_not_needed_change_nothing(spec: OrderSpec) -> None:
    """Whatever an order does not need may be missing, and the verdict is the same."""
    whole = facts(instruments={"BTCUSDT": an_instrument(max_position=D("0.0001"))})
    bare = whole
    for fact in set(Fact) - needed_facts(spec, a_policy(), may_exit=False):
        bare = replace(bare, **WITHOUT[fact])
    assert judge_order(spec, bare, a_policy()) == judge_order(spec, whole, a_policy())


@pytest.mark.parametrize("fact", Fact)
def test_a_needed_fact_that_is_missing_denies(fact: Fact) -> None:
    """For each fact that an order needs, the lack of it alone is a denial."""
    spec = an_order(symbol="ETHBTC", price="0.05", quantity="0.01")
    whole = cross_facts(
        traded=(held("0.001", before="0.001"),),
        day_opens={"BTCUSDT": opened(BID)},
        instruments={"ETHBTC": replace(ETHBTC, max_orders=200), "BTCUSDT": an_instrument()},
    )
    assert codes(judged(spec, whole)) == []
    if fact is Fact.RATES:
        bare = replace(whole, books={"ETHBTC": whole.books["ETHBTC"]})
    else:
        bare = replace(whole, **WITHOUT[fact])
    assert judged(spec, bare).decision is Decision.DENY
