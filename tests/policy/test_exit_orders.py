"""How what guardian bought is sold back: named in the denial of a SELL, in orders that all pass and leave no dust."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.domain.codes import Code
from guardian.domain.instruments import Range
from guardian.domain.orders import OrderSpec
from guardian.policy.case import build_case
from guardian.policy.exits import exit_orders, split_exit
from guardian.policy.facts import Facts
from guardian.policy.model import Policy
from guardian.policy.verdict import Denial
from tests.policy.builders import (
    DAY,
    FIVE_MINUTES,
    a_policy,
    a_sell,
    an_instrument,
    an_order,
    codes,
    denial,
    facts,
    judged,
)
from tests.support.profiles import tries

D = Decimal
SPENT: dict[str, object] = {"entered": {FIVE_MINUTES: D(0), DAY: D(500)}}


def first_hint(spec: OrderSpec, given: Facts, code: Code, policy: Policy | None = None) -> str:
    found: Denial = denial(judged(spec, given, policy), code)
    return found.hint or ""


def test_largest_exit_is_named_first_at_a_spent_budget() -> None:
    """Bought 0.0016 with the fee in the base asset: 0.0015984 is held, and 0.00159 can be sold back.

    Before, the hint of a SELL of 0.0016 was "no quantity passes now".
    """
    seen = facts(**SPENT, position=D("0.0015984"), free={"BTC": D("0.0015984")})
    hint = first_hint(a_sell(quantity="0.0016"), seen, Code.ROLLING_NOTIONAL_EXCEEDS_MAX)
    assert hint.startswith("the largest exit is 0.00159 BTC, all that can be sold back; it needs no budget; ")
    assert judged(a_sell(quantity="0.00159"), seen).is_exit
    assert codes(judged(a_sell(quantity="0.00159"), seen)) == []


def test_filter_hint_of_a_sell_rounds_toward_what_passes() -> None:
    """0.0015984 is between steps: the value named is the lower step, which is there to be sold.

    Before, it was 0.0016, which the exchange refuses for lack of balance.
    """
    seen = facts(position=D("0.0015984"), free={"BTC": D("0.0015984")})
    hint = first_hint(a_sell(quantity="0.0015984"), seen, Code.FILTER_QUANTITY)
    assert "the largest exit is 0.00159 BTC" in hint
    assert "the nearest valid quantity is 0.00159" in hint


def test_filter_hint_names_no_more_than_is_free() -> None:
    """Too little for the exchange's least notional, and not enough free for more: no quantity passes."""
    seen = facts(free={"BTC": D("0.00005")})
    assert "no quantity passes" in first_hint(a_sell(quantity="0.00005"), seen, Code.FILTER_NOTIONAL)
    seen = facts(free={"BTC": D("0.0001")})
    assert "quantity is 0.00009" in first_hint(a_sell(quantity="0.00005"), seen, Code.FILTER_NOTIONAL)
    assert "quantity is 0.00009" in first_hint(an_order(quantity="0.00005"), seen, Code.FILTER_NOTIONAL)


def test_exit_over_the_cap_is_split_without_a_rest() -> None:
    """0.0033 BTC at a cap of 100 USDT an order goes in three orders, each of which passes."""
    seen = facts(**SPENT, position=D("0.0033"))
    hint = first_hint(a_sell(quantity="0.0033"), seen, Code.NOTIONAL_EXCEEDS_MAX)
    assert "all that can be sold back, 0.0033, goes in 2 orders without a budget: 2 of 0.00165" in hint
    assert codes(judged(a_sell(quantity="0.00165"), seen)) == []


def test_dust_is_called_what_it_is() -> None:
    """What is left is less than the exchange takes in one order."""
    seen = facts(**SPENT, position=D("0.0000084"), free={"BTC": D("0.0000084")})
    hint = first_hint(a_sell(), seen, Code.ROLLING_NOTIONAL_EXCEEDS_MAX)
    assert "what guardian bought and can sell back, 0.0000084 BTC, fits no order of this kind now" in hint


def test_without_anything_bought_no_exit_is_named() -> None:
    """A SELL of the owner's own has the hint of its rule alone, and so has every BUY."""
    assert "exit" not in first_hint(a_sell(), facts(**SPENT), Code.ROLLING_NOTIONAL_EXCEEDS_MAX)
    seen = facts(**SPENT, position=D("0.001"))
    assert "largest exit" not in first_hint(an_order(), seen, Code.ROLLING_NOTIONAL_EXCEEDS_MAX)


def test_nothing_is_named_where_the_price_or_the_balance_is_unknown() -> None:
    """Without them nothing is known to pass."""
    for seen in (facts(position=D(1), free=None), facts(position=D(1), books={})):
        assert exit_orders(build_case(a_sell(), seen, a_policy())) == ()


def test_removed_symbol_has_its_exit_without_caps_of_its_own() -> None:
    """A symbol that the policy no longer lists has no cap to split by."""
    policy = a_policy(symbols={})
    case = build_case(a_sell(), facts(position=D("0.0033")), policy)
    assert exit_orders(case) == (D("0.0033"),)


@settings(max_examples=tries(300), deadline=None)
@given(total=st.integers(1, 5000), most=st.integers(1, 700), least=st.integers(1, 700))
def test_split_sells_all_that_can_be_sold(total: int, most: int, least: int) -> None:
    """Each order is within both bounds; together they are all of it, or the rest is below the least."""
    if most < least:
        return
    step = D("0.001")
    orders = split_exit(total * step, most * step, least * step, step)
    assert all(least * step <= quantity <= most * step for quantity in orders)
    rest = total * step - sum(orders, D(0))
    assert 0 <= rest < least * step
    if rest:
        # No number of orders within the bounds adds up to all of it.
        assert not any(count * least <= total <= count * most for count in range(1, total + 1))


@pytest.mark.parametrize("price", ["59000", "60000", "61000"])
@pytest.mark.parametrize("held", ["0.0015984", "0.0033", "0.00517", "0.02", "0.0001", "0.00011"])
def test_every_order_that_is_named_passes(held: str, price: str) -> None:
    """Whatever is held, each of the orders is an exit that the policy and the exchange's filters admit."""
    wide = facts(**SPENT, position=D(held))
    small_lot = an_instrument(lot=Range(minimum=D("0.00001"), maximum=D("0.0012"), step=D("0.00001")))
    for facts_now in (wide, facts(**SPENT, position=D(held), instruments={"BTCUSDT": small_lot})):
        orders = exit_orders(build_case(a_sell(quantity="1", price=price), facts_now, a_policy()))
        assert sum(orders) <= D(held)
        for quantity in orders:
            assert codes(judged(a_sell(quantity=str(quantity), price=price), facts_now)) == []


def test_rest_that_is_too_little_for_any_order_is_none() -> None:
    """Less than the least order is left where it is."""
    assert split_exit(Decimal("0.5"), Decimal(5), Decimal(1), Decimal("0.1")) == ()
