"""Rules on the state of trading and on what the policy lists."""

from __future__ import annotations

from decimal import Decimal

import pytest

from guardian.domain.codes import Code
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.requests import REQUESTS, TOOLS, CancelOrder, CreateOrder, GetTicker, Request
from guardian.domain.trading import Environment, TradingState
from guardian.policy.case import build_case
from guardian.policy.engine import judge_tool
from guardian.policy.facts import Fact, Facts
from guardian.policy.rules.listed import side_allowed, time_in_force_allowed
from guardian.policy.verdict import Decision
from tests.policy.builders import (
    D,
    a_market,
    a_policy,
    a_sell,
    a_stop,
    an_order,
    codes,
    confirmed,
    denial,
    facts,
    judged,
    without_policy_limit,
)


def test_an_order_that_keeps_every_rule_is_allowed() -> None:
    """Where nothing says no and the threshold is not reached, the order is let through."""
    for spec in (an_order(), a_sell(), a_market(), a_market(OrderSide.SELL), a_stop(), a_stop(OrderSide.BUY)):
        verdict = judged(spec)
        assert (verdict.decision, codes(verdict)) == (Decision.ALLOW, [])


def test_no_order_while_trading_is_halted() -> None:
    """Halted trading denies with its reason and says that reads and cancels keep working."""
    found = denial(
        judged(given=facts(trading=TradingState.HALTED, halt_reason="a person said so")), Code.TRADING_HALTED
    )
    assert "a person said so" in found.message
    assert "guardian resume" in (found.hint or "")
    found = denial(judged(given=facts(trading=TradingState.HALTED)), Code.TRADING_HALTED)
    assert "no reason was given" in found.message


def test_a_halt_holds_for_exits_too() -> None:
    """While halted even an exit is denied; taking orders out of the book is what still works."""
    given = facts(trading=TradingState.HALTED, position=Decimal("0.001"))
    verdict = judged(a_sell(), given)
    assert verdict.is_exit
    assert codes(verdict) == [Code.TRADING_HALTED]


@pytest.mark.parametrize("spec", [an_order(), a_sell(), a_market(), a_sell(quantity="0.00101")])
def test_reducing_denies_whatever_is_no_exit(spec: OrderSpec) -> None:
    """While reducing, a BUY and a SELL of more than guardian holds are denied."""
    given = facts(trading=TradingState.REDUCING, position=Decimal("0.001") if spec.quantity != Decimal("0.001") else 0)
    assert codes(judged(spec, given)) == [Code.TRADING_REDUCING]


def test_reducing_says_why_and_what_still_passes() -> None:
    """The denial has the reason, what is let through, and who can end it."""
    found = denial(
        judged(given=facts(trading=TradingState.REDUCING, halt_reason="the day lost 101")), Code.TRADING_REDUCING
    )
    assert found.message == "trading is reducing: the day lost 101; only selling back what guardian bought passes"
    assert "`guardian resume`" in (found.hint or "")
    found = denial(judged(given=facts(trading=TradingState.REDUCING)), Code.TRADING_REDUCING)
    assert "no reason was given" in found.message


def test_usage_that_cannot_be_read_denies() -> None:
    """Where the store does not answer, nothing is known to be left of any budget, and the reason is given."""
    given = facts(usage=None, missing={Fact.USAGE: "the file is locked"})
    found = denial(judged(given=given), Code.USAGE_UNKNOWN)
    assert "the file is locked" in found.message
    assert codes(judged(given=facts(usage=None))) == [Code.USAGE_UNKNOWN]


def test_only_exits_pass_after_so_many_orders_without_a_person() -> None:
    """The 20th order passes and the 21st is denied until a person acts, but for an exit. (It was denied as a halt.)"""
    assert codes(judged(given=facts(orders_since_person=19))) == []
    found = denial(judged(given=facts(orders_since_person=20)), Code.TRADING_REDUCING)
    assert (found.observed, found.limit) == ("20", "20")
    assert "guardian resume" in (found.hint or "")
    assert codes(judged(a_sell(), facts(orders_since_person=20))) == [Code.TRADING_REDUCING]
    assert codes(judged(a_sell(), facts(orders_since_person=20, position=Decimal("0.001")))) == []


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCING])
def test_a_halt_is_not_said_twice(state: TradingState) -> None:
    """While trading is halted or reducing already, the count of orders adds no second denial."""
    assert len(codes(judged(given=facts(trading=state, orders_since_person=99)))) == 1


REMOVED = a_policy(symbols={})
"""A policy from which the owner has removed every symbol."""


@pytest.mark.parametrize("spec", [a_sell(), a_market(OrderSide.SELL), a_stop()])
def test_what_guardian_bought_of_a_removed_symbol_is_sold_after_a_person_was_asked(spec: OrderSpec) -> None:
    """Removing `[symbols.X]` traps nothing: an exit is judged by all rules that are left, and a person is always asked.

    It was denied as SYMBOL_NOT_LISTED.
    """
    verdict = judged(spec, facts(position=Decimal("0.001")), REMOVED)
    assert (verdict.decision, codes(verdict), verdict.is_exit) == (Decision.CONFIRM, [], True)
    agreed = confirmed(protected_price=Decimal(59400))
    assert judged(spec, facts(position=Decimal("0.001"), confirmed=agreed), REMOVED).decision is Decision.ALLOW


@pytest.mark.parametrize(
    ("spec", "position", "offered"),
    [
        (an_order(), "0.001", "0"),
        (a_sell(), "0.00099", "0"),
        (a_sell(), "0.001", "0.00001"),
        (a_sell(), "0", "0"),
        (a_market(OrderSide.SELL, quote_quantity="60"), "0.0005", "0"),
    ],
)
def test_no_more_is_sold_of_a_removed_symbol_than_guardian_bought(spec: OrderSpec, position: str, offered: str) -> None:
    """A BUY, and a SELL of more than was bought and is not offered, are still denied as not listed."""
    given = facts(position=Decimal(position), offered=Decimal(offered))
    assert Code.SYMBOL_NOT_LISTED in codes(judged(spec, given, REMOVED))


@pytest.mark.parametrize(
    ("spec", "limits"),
    [
        (a_sell(), {"sides": frozenset({OrderSide.BUY})}),
        (a_sell(), {"order_types": frozenset({OrderType.LIMIT_MAKER})}),
        (a_market(OrderSide.SELL), {"order_types": frozenset({OrderType.LIMIT_MAKER})}),
        (a_sell(), {"time_in_force": frozenset({TimeInForce.FOK})}),
    ],
)
def test_what_the_policy_lists_for_a_symbol_holds_no_exit_back(spec: OrderSpec, limits: dict[str, object]) -> None:
    """Sides, order types and times in force are no reason to keep what guardian bought. (They denied it.)"""
    assert codes(judged(spec, facts(), a_policy(limits))) != []
    assert codes(judged(spec, facts(position=Decimal("0.001")), a_policy(limits))) == []


def test_the_budget_of_calls_holds_no_exit_back() -> None:
    """An exit over the calls of a minute passes; anything else is denied. (It was denied.)"""
    assert codes(judged(a_sell(), facts(calls_last_minute=121))) == [Code.CALLS_EXCEED_MAX]
    assert codes(judged(a_sell(), facts(calls_last_minute=121, position=Decimal("0.001")))) == []


def test_a_broken_policy_file_creates_no_order() -> None:
    """The last good policy is used instead, but no order is created, and the first mistakes are said."""
    found = denial(judged(given=facts(policy_problems=("line 3: oh",))), Code.POLICY_INVALID)
    assert "line 3: oh" in found.message
    assert found.observed == "1 mistake"
    many = tuple(f"mistake {n}." for n in range(9))
    found = denial(judged(given=facts(policy_problems=many)), Code.POLICY_INVALID)
    assert found.observed == "9 mistakes"
    assert "mistake 4." in found.message
    assert "mistake 5." not in found.message


@pytest.mark.parametrize("here", [one for one in Environment if one is not Environment.LIVE])
def test_a_policy_for_another_environment_creates_no_order(here: Environment) -> None:
    """An edit of `environment` takes effect at the next start; until then creates are denied."""
    there = Environment.PAPER if here is not Environment.PAPER else Environment.DEMO
    found = denial(
        judged(given=facts(environment=here), policy=a_policy(environment=there)), Code.POLICY_ENVIRONMENT_CHANGED
    )
    assert (found.observed, found.limit) == (here.value, there.value)
    assert codes(judged(given=facts(environment=here), policy=a_policy(environment=here))) == []


def test_policy_that_is_not_approved_creates_no_order_and_no_exit() -> None:
    """Why it is not approved is in the denial; what was not looked up is not approved."""
    why = "the file is looser in `limits.max_open_orders`"
    found = denial(judged(given=facts(unapproved=why)), Code.POLICY_NOT_APPROVED)
    assert why in found.message
    assert "guardian policy approve" in (found.hint or "")
    holding = {"position": D(1), "unapproved": why}
    assert codes(judged(a_sell(), facts(**holding))) == [Code.POLICY_NOT_APPROVED]
    assert Facts(now_ms=0, clock_ms=0, environment=Environment.TESTNET, policy_problems=()).unapproved is not None


def test_a_tool_that_the_policy_does_not_allow_is_denied() -> None:
    """Without `create_order` among the allowed tools, no order is created."""
    policy = a_policy(allowed=frozenset(TOOLS) - {"create_order"})
    assert codes(judged(policy=policy)) == [Code.TOOL_NOT_ALLOWED]


@pytest.mark.parametrize("symbol", ["DOGEUSDT", "BTCUSD", "BTCUSDTT", "btcusdt", "BTCU\u017fDT"])
def test_a_symbol_that_is_not_listed_is_denied_with_what_is(symbol: str) -> None:
    """The name is compared exactly; the denial lists what may be traded, and no rule of the market is asked."""
    verdict = judged(
        an_order(symbol=symbol),
        Facts(
            now_ms=0,
            clock_ms=0,
            environment=Environment.TESTNET,
            policy_problems=(),
            unapproved=None,
            uncompared=None,
            usage=facts().usage,
        ),
    )
    assert codes(verdict) == [Code.SYMBOL_NOT_LISTED]
    found = denial(verdict, Code.SYMBOL_NOT_LISTED)
    assert (found.observed, found.limit) == (symbol, "BTCUSDT, ETHBTC")


def test_a_policy_without_symbols_lists_none() -> None:
    """With no symbol in the policy nothing is traded, and the denial says so."""
    found = denial(judged(policy=a_policy(symbols={})), Code.SYMBOL_NOT_LISTED)
    assert found.limit == "none"


def test_a_side_that_is_not_listed_is_denied() -> None:
    """A symbol that may only be sold is not bought, and the other way round."""
    policy = a_policy({"sides": frozenset({OrderSide.SELL})})
    found = denial(judged(policy=policy), Code.SIDE_NOT_ALLOWED)
    assert (found.observed, found.limit, found.hint) == ("BUY", "SELL", "allowed: SELL")
    assert codes(judged(a_sell(), policy=policy)) == []


def test_an_order_type_that_is_not_listed_is_denied() -> None:
    """The type that was asked is judged, not the one that would be sent in its place."""
    policy = a_policy({"order_types": frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER})})
    found = denial(judged(a_market(), policy=policy), Code.ORDER_TYPE_NOT_ALLOWED)
    assert (found.observed, found.limit) == ("MARKET", "LIMIT, LIMIT_MAKER")
    assert codes(judged(policy=policy)) == []
    maker = an_order(order_type=OrderType.LIMIT_MAKER, time_in_force=None)
    assert codes(judged(maker, policy=policy)) == []


@pytest.mark.parametrize("kind", [OrderType.STOP_LOSS, OrderType.TAKE_PROFIT])
def test_a_stop_without_a_price_is_denied_with_its_limit_form_as_the_hint(kind: OrderType) -> None:
    """Even where the policy lists the type, it has no worst price and so cannot be held to a cap."""
    policy = a_policy({"order_types": frozenset(OrderType)})
    spec = an_order(order_type=kind, price=None, stop_price="59000", time_in_force=None)
    found = denial(judged(spec, policy=policy), Code.ORDER_TYPE_UNPRICED)
    assert f"{kind.value}_LIMIT" in (found.hint or "")
    assert judged(spec, policy=policy).decision is Decision.DENY


@pytest.mark.parametrize(
    ("kind", "side", "word"),
    [
        (
            OrderType.STOP_LOSS,
            OrderSide.SELL,
            "a LIMIT SELL at the stop price 59000 is below the market and fills at once",
        ),
        (
            OrderType.STOP_LOSS,
            OrderSide.BUY,
            "a LIMIT BUY at the stop price 59000 is above the market and fills at once",
        ),
        (OrderType.TAKE_PROFIT, OrderSide.SELL, "is in the book at once"),
        (
            OrderType.STOP_LOSS_LIMIT,
            OrderSide.SELL,
            "a LIMIT SELL at the stop price 59000 is below the market and fills at once",
        ),
    ],
)
def test_a_stop_that_the_policy_does_not_list_is_denied_once_with_all_that_is_in_its_way(
    kind: OrderType, side: OrderSide, word: str
) -> None:
    """Both denials come at once, say what the owner can add, and once that a LIMIT is not a stop.

    Before: STOP_LOSS was denied as unpriced, then its limit form as not allowed, with `allowed: LIMIT` as the hint; an
    assistant then sent a LIMIT SELL at the stop price, which sold at once.
    """
    is_priced = kind is OrderType.STOP_LOSS_LIMIT
    spec = an_order(
        side=side,
        order_type=kind,
        price="59000" if is_priced else None,
        stop_price="59000",
        time_in_force=TimeInForce.GTC if is_priced else None,
    )
    verdict = judged(spec, policy=a_policy({"order_types": frozenset({OrderType.LIMIT})}))
    form = "TAKE_PROFIT_LIMIT" if kind is OrderType.TAKE_PROFIT else "STOP_LOSS_LIMIT"
    found = denial(verdict, Code.ORDER_TYPE_NOT_ALLOWED)
    assert (found.observed, found.limit) == (form, "LIMIT")
    assert found.message == f"the policy's `order_types` for the symbol lacks {form}"
    hint = f'the owner can add "{form}" to `order_types` under `[symbols.BTCUSDT]` in the policy; a LIMIT is not a stop'
    assert (found.hint or "").startswith(hint)
    assert word in (found.hint or "")
    assert (Code.ORDER_TYPE_UNPRICED in codes(verdict)) is not is_priced
    if not is_priced:
        assert denial(verdict, Code.ORDER_TYPE_UNPRICED).hint == f"use {form} with stop_price and price"


def test_the_key_that_the_owner_can_edit_is_quoted_where_toml_wants_it() -> None:
    """A symbol that is not ASCII is a quoted key."""
    kind = OrderType.STOP_LOSS
    spec = an_order(symbol="币安人生USDT", order_type=kind, price=None, stop_price="1", time_in_force=None)
    limits = a_policy({"order_types": frozenset({OrderType.LIMIT})}).symbols["BTCUSDT"]
    policy = a_policy(symbols={"币安人生USDT": limits})
    found = denial(judged(spec, policy=policy), Code.ORDER_TYPE_NOT_ALLOWED)
    assert '`[symbols."币安人生USDT"]`' in (found.hint or "")


def test_a_time_in_force_that_is_not_listed_is_denied() -> None:
    """What was asked is judged by the symbol's list."""
    policy = a_policy({"time_in_force": frozenset({TimeInForce.GTC})})
    found = denial(judged(an_order(time_in_force=TimeInForce.FOK), policy=policy), Code.TIME_IN_FORCE_NOT_ALLOWED)
    assert (found.observed, found.limit) == ("FOK", "GTC")
    assert codes(judged(policy=policy)) == []


@pytest.mark.parametrize(
    "spec", [a_market(), an_order(order_type=OrderType.LIMIT_MAKER, time_in_force=None)], ids=["MARKET", "LIMIT_MAKER"]
)
def test_types_without_a_time_in_force_are_not_judged_by_it(spec: OrderSpec) -> None:
    """MARKET is sent as IOC by guardian's own choice, which the symbol's list does not judge."""
    assert codes(judged(spec, policy=a_policy({"time_in_force": frozenset({TimeInForce.GTC})}))) == []


def test_rules_on_the_limits_of_a_symbol_leave_an_unlisted_one_to_the_rule_that_denies_it() -> None:
    """Without limits there is nothing to compare with; `symbol_listed` alone says no."""
    case = build_case(an_order(), facts(), without_policy_limit(a_policy(), "BTCUSDT"))
    assert (side_allowed(case), time_in_force_allowed(case)) == (None, None)


@pytest.mark.parametrize(
    ("request_", "calls", "expected"),
    [
        (GetTicker(symbol="BTCUSDT"), 120, []),
        (GetTicker(symbol="BTCUSDT"), 121, [Code.CALLS_EXCEED_MAX]),
        (CreateOrder(order=an_order()), 121, [Code.CALLS_EXCEED_MAX]),
        (CancelOrder(symbol="BTCUSDT", order_id=1), 10_000, []),
    ],
)
def test_reads_spend_the_call_budget_and_cancels_never_do(request_: Request, calls: int, expected: list[Code]) -> None:
    """The 120th call of a minute passes and the 121st is denied; a cancel is not counted against anything."""
    verdict = judge_tool(request_, a_policy(), calls)
    assert codes(verdict) == expected
    assert verdict.decision is (Decision.DENY if expected else Decision.ALLOW)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_that_is_not_allowed_is_denied(tool: str) -> None:
    """What the list leaves out is refused by name, but for cancels, which no policy denies. (It denied them.)"""

    class Called(Request):
        scope = REQUESTS[tool].scope

    Called.tool = tool
    assert codes(judge_tool(Called(), a_policy(), 1)) == []
    verdict = judge_tool(Called(), a_policy(allowed=frozenset(TOOLS) - {tool}), 1)
    assert codes(verdict) == ([] if tool == CancelOrder.tool else [Code.TOOL_NOT_ALLOWED])
    assert all(tool in found.message for found in verdict.denials)
