"""Rules on sizes and budgets: this order alone, and together with what was entered before."""

from __future__ import annotations

from decimal import Decimal

import pytest

from guardian.domain.codes import Code
from guardian.domain.instruments import Range
from guardian.domain.milliseconds import duration_text
from guardian.domain.orders import OrderSide, OrderSpec, OrderType
from guardian.domain.trading import TradingState
from guardian.policy.facts import Fact, Facts
from guardian.policy.model import Policy
from guardian.policy.verdict import Decision
from tests.policy.builders import (
    DAY,
    ETHBTC,
    FIVE_MINUTES,
    MINUTE,
    NOW_MS,
    a_book,
    a_market,
    a_policy,
    a_sell,
    an_instrument,
    an_order,
    codes,
    cross_facts,
    denial,
    facts,
    judged,
    symbol_limits,
)

D = Decimal
BUY, SELL = OrderSide.BUY, OrderSide.SELL
STEPLESS = {"BTCUSDT": an_instrument(price=Range(), lot=Range())}
"""A symbol on which any eighth digit is a tick and a step."""


def entered(five_minutes: str, day: str | None = None) -> dict[int, Decimal]:
    return {FIVE_MINUTES: D(five_minutes), DAY: D(day or five_minutes)}


LIMITS = [
    # max_notional, 100
    ("cost at cap", an_order(price="50000", quantity="0.002"), {}, None, "", "", ""),
    (
        "cost over cap",
        an_order(price="50000.01", quantity="0.002"),
        {},
        Code.NOTIONAL_EXCEEDS_MAX,
        "100.00002 USDT",
        "100 USDT",
        "is 0.00199",
    ),
    (
        "rounded up to the cap",
        an_order(price="33333.33333333", quantity="0.003"),
        {"instruments": STEPLESS},
        None,
        "",
        "",
        "",
    ),
    (
        "rounded up past the cap",
        an_order(price="33333.333333334", quantity="0.003"),
        {"instruments": STEPLESS},
        Code.NOTIONAL_EXCEEDS_MAX,
        "100.00000001 USDT",
        "100 USDT",
        "is 0.00299999",
    ),
    # max_quantity, 0.005
    ("quantity at cap", an_order(price="20000", quantity="0.005"), {}, None, "", "", ""),
    (
        "quantity over cap",
        an_order(price="15000", quantity="0.00501"),
        {},
        Code.QUANTITY_EXCEEDS_MAX,
        "0.00501",
        "0.005",
        "quote_quantity",
    ),
    # max_position, 0.02
    ("position at cap", an_order(), {"position": D("0.019")}, None, "", "", ""),
    (
        "position over cap",
        an_order(),
        {"position": D("0.01905")},
        Code.POSITION_EXCEEDS_MAX,
        "0.02005",
        "0.02",
        "is 0.00095",
    ),
    (
        "position over cap with open buys",
        an_order(),
        {"position": D("0.01"), "open_buys": D("0.00900001")},
        Code.POSITION_EXCEEDS_MAX,
        "0.02000001",
        "0.02",
        "is 0.00099",
    ),
    (
        "position spent",
        an_order(),
        {"position": D("0.02")},
        Code.POSITION_EXCEEDS_MAX,
        "0.021",
        "0.02",
        "no quantity passes now",
    ),
    (
        "position oversold is no headroom lost",
        an_order(),
        {"position": D("-1")},
        None,
        "",
        "",
        "",
    ),
    # max_open_notional, 300
    ("open at cap", an_order(), {"open_notional": D("240")}, None, "", "", ""),
    (
        "open over cap",
        an_order(),
        {"open_notional": D("240.00000001")},
        Code.OPEN_NOTIONAL_EXCEEDS_MAX,
        "300.00000001 USDT",
        "300 USDT",
        "is 0.00099",
    ),
    # max_open_orders, 5
    ("orders at cap", an_order(), {"open_orders": 4}, None, "", "", ""),
    ("orders over cap", an_order(), {"open_orders": 5}, Code.OPEN_ORDERS_EXCEED_MAX, "6", "5", "cancel_order"),
    # rolling_notional, 200 in 5m and 500 in 24h
    ("5m at cap", an_order(), {"entered": entered("140")}, None, "", "", ""),
    (
        "5m over cap",
        an_order(),
        {"entered": entered("140.00000001")},
        Code.ROLLING_NOTIONAL_EXCEEDS_MAX,
        "200.00000001 USDT",
        "200 USDT",
        "is 0.00099",
    ),
    ("24h at cap", an_order(), {"entered": entered("0", "440")}, None, "", "", ""),
    (
        "24h over cap",
        an_order(),
        {"entered": entered("0", "441")},
        Code.ROLLING_NOTIONAL_EXCEEDS_MAX,
        "501 USDT",
        "500 USDT",
        "is 0.00098",
    ),
    (
        "too little is left for the exchange's least",
        an_order(),
        {"entered": entered("0", "496")},
        Code.ROLLING_NOTIONAL_EXCEEDS_MAX,
        "556 USDT",
        "500 USDT",
        "no quantity passes now",
    ),
    # max_orders, 5 in 1m and 50 in 24h
    ("count at cap", an_order(), {"ordered": {MINUTE: 4, DAY: 49}}, None, "", "", ""),
    (
        "1m over cap",
        an_order(),
        {"ordered": {MINUTE: 5, DAY: 5}},
        Code.ORDER_COUNT_EXCEEDS_MAX,
        "6",
        "5",
        "wait",
    ),
    ("24h over cap", an_order(), {"ordered": {MINUTE: 0, DAY: 50}}, Code.ORDER_COUNT_EXCEEDS_MAX, "51", "50", "wait"),
    # min_free_quote, 0
    ("all of it spent", an_order(), {"free": {"USDT": D("60")}}, None, "", "", ""),
    (
        "not enough",
        an_order(),
        {"free": {"USDT": D("59.99999999")}},
        Code.FREE_QUOTE_BELOW_MIN,
        "-0.00000001",
        "0",
        "is 0.00099",
    ),
    (
        "none of the asset",
        an_order(),
        {"free": {"BTC": D("9")}},
        Code.FREE_QUOTE_BELOW_MIN,
        "-60",
        "0",
        "no quantity passes now",
    ),
    # max_calls_per_minute, 120
    ("calls at cap", an_order(), {"calls_last_minute": 120}, None, "", "", ""),
    ("calls over cap", an_order(), {"calls_last_minute": 121}, Code.CALLS_EXCEED_MAX, "121", "120", "never counted"),
]


@pytest.mark.parametrize(
    ("spec", "given", "code", "observed", "limit", "hint"), [row[1:] for row in LIMITS], ids=[row[0] for row in LIMITS]
)
def test_each_limit_passes_at_its_value_and_denies_just_past_it(
    spec: OrderSpec, given: dict[str, object], code: Code | None, observed: str, limit: str, hint: str
) -> None:
    """Equal passes; past it the denial says what was seen, what the limit is, and what would pass."""
    verdict = judged(spec, facts(**given))
    assert codes(verdict) == ([] if code is None else [code])
    for found in verdict.denials:
        assert (found.observed, found.limit) == (observed, limit)
        assert (found.hint or "").endswith(hint) or (hint and hint in (found.hint or ""))


def test_the_floor_of_free_quote_is_left() -> None:
    """What must stay free is left after the worst case, in the order's own quote asset."""
    policy = a_policy(min_free_quote=D("10"))
    assert codes(judged(given=facts(free={"USDT": D("70")}), policy=policy)) == []
    found = denial(judged(given=facts(free={"USDT": D("69.99")}), policy=policy), Code.FREE_QUOTE_BELOW_MIN)
    assert (found.observed, found.limit, found.hint) == ("9.99", "10", "the largest quantity that passes is 0.00099")
    floor = a_policy(min_free_quote=D("0.9996"))
    assert codes(judged(an_order(symbol="ETHBTC", price="0.05", quantity="0.008"), cross_facts(), floor)) == []
    over = judged(an_order(symbol="ETHBTC", price="0.05", quantity="0.0081"), cross_facts(), floor)
    assert codes(over) == [Code.FREE_QUOTE_BELOW_MIN]


@pytest.mark.parametrize("position", ["0", "1"])
def test_unavailable_balances_deny_every_order(position: str) -> None:
    """A BUY needs to know what is free, and so does a SELL: it is an exit only of what the account really has.

    Before, a SELL was judged without balances, as an exit where the store said so.
    """
    given = facts(free=None, missing={Fact.BALANCES: "it timed out"}, position=D(position))
    for spec in (an_order(), a_sell()):
        verdict = judged(spec, given)
        assert "it timed out" in denial(verdict, Code.BALANCE_UNAVAILABLE).message
        assert not verdict.is_exit


@pytest.mark.parametrize(
    ("free", "taken", "is_exit"),
    [("0.001", "0", True), ("0.00099", "0", False), ("0.002", "0.001", True), ("0.002", "0.00100001", False)],
)
def test_an_exit_is_bounded_by_what_the_account_has_free(free: str, taken: str, *, is_exit: bool) -> None:
    """What was sold by hand, or is taken by orders that the balance may lack, is nothing that can be sold back.

    Before, the store alone decided: what guardian had bought was an exit, whether the account still had it or not.
    """
    given = facts(**SPENT, position=D("0.002"), free={"BTC": D(free)}, taken={"BTC": D(taken)})
    assert judged(a_sell(), given).is_exit is is_exit


@pytest.mark.parametrize(("taken", "passes"), [("39", True), ("40.00000001", False)])
def test_what_orders_took_since_the_balance_was_read_is_not_free(taken: str, *, passes: bool) -> None:
    """`min_free_quote` holds on the balance less what was reserved since it was fetched."""
    given = facts(free={"USDT": D(1000)}, taken={"USDT": D(taken)})
    verdict = judged(an_order(), given, a_policy(min_free_quote=D(900)))
    assert (codes(verdict) == []) is passes
    if not passes:
        assert denial(verdict, Code.FREE_QUOTE_BELOW_MIN).observed == "899.99999999"


@pytest.mark.parametrize(
    ("name", "changed"), [("entered", {"entered": {}}), ("day", {"entered": {FIVE_MINUTES: D(0)}})]
)
def test_a_window_that_was_not_counted_counts_as_spent(name: str, changed: dict[str, object]) -> None:
    """A rolling window without a sum is not an empty one."""
    assert set(codes(judged(given=facts(**changed)))) == {Code.ROLLING_NOTIONAL_EXCEEDS_MAX}


def test_an_order_window_that_was_not_counted_counts_as_spent() -> None:
    """A count window without a count is not an empty one."""
    assert codes(judged(given=facts(ordered={MINUTE: 0}))) == [Code.ORDER_COUNT_EXCEEDS_MAX]


def test_every_window_that_is_over_is_named() -> None:
    """Two windows over their maximum are two denials, each with its length."""
    verdict = judged(given=facts(entered=entered("190", "490"), ordered={MINUTE: 5, DAY: 50}))
    assert [one.message.rsplit(" ", 1)[1] for one in verdict.denials] == ["5m", "24h", "1m", "24h"]


def test_a_duplicate_is_denied_and_named() -> None:
    """The same order within the window, or one whose fate is unknown, is named by its client order id."""
    found = denial(judged(given=facts(duplicate_of="g1-abc")), Code.DUPLICATE_ORDER)
    assert (found.observed, found.limit) == ("g1-abc", "1m")
    assert "g1-abc" in found.message


def test_symbol_with_an_unresolved_order_takes_no_new_ones() -> None:
    """The order whose fate is not known is named; new exposure waits."""
    given = facts(unresolved_on_symbol="g1-abc")
    found = denial(judged(given=given), Code.ORDER_UNRESOLVED)
    assert found.observed == "g1-abc"
    assert "g1-abc" in found.message


@pytest.mark.parametrize("code", ["unresolved_on_symbol", "duplicate_of"])
def test_what_is_unknown_or_was_just_sent_does_not_trap_an_exit(code: str) -> None:
    """An exit of what is known to be held passes, for an unknown SELL is deducted from that; all else waits."""
    verdict = judged(a_sell(), facts(**{code: "g1-abc"}, position=D("0.003"), offered=D("0.002")))
    assert (verdict.is_exit, codes(verdict)) == (True, [])
    more = judged(a_sell(), facts(**{code: "g1-abc"}, position=D("0.003"), offered=D("0.0025")))
    assert not more.is_exit
    assert more.denied_by(Code.DUPLICATE_ORDER if code == "duplicate_of" else Code.ORDER_UNRESOLVED)


def test_value_typed_in_the_quantity_field_is_caught() -> None:
    """100 meant as USDT is 100 bitcoin: more than the quantity's cap, and the hint names the right field."""
    verdict = judged(an_order(quantity="100"))
    found = denial(verdict, Code.QUANTITY_EXCEEDS_MAX)
    assert "BTC" in found.message
    assert "quote_quantity" in (found.hint or "")
    assert verdict.denied_by(Code.NOTIONAL_EXCEEDS_MAX)


@pytest.mark.parametrize("given", [facts(books={}), facts(instruments={})], ids=["no book", "no instrument"])
def test_the_quantity_is_held_to_its_cap_even_where_nothing_else_is_known(given: Facts) -> None:
    """Without a price or without the symbol's rules, too much is still too much."""
    assert judged(a_market(quantity="0.00501"), given).denied_by(Code.QUANTITY_EXCEEDS_MAX)


def test_a_quote_quantity_is_held_to_the_quantity_cap_as_what_it_buys() -> None:
    """The base quantity that a quote quantity comes to is what is judged."""
    policy = a_policy({"max_notional": D(1000), "max_quantity": D("0.001")})
    verdict = judged(a_market(quote_quantity="100"), policy=policy)
    assert denial(verdict, Code.QUANTITY_EXCEEDS_MAX).observed == "0.00165"


# -- slicing


def test_after_an_order_over_the_cap_its_parts_do_not_exceed_it_together() -> None:
    """150 was denied; 60 passes, and the second 60 is denied, for with it more than the cap would be entered."""
    assert codes(judged(an_order(quantity="0.0025"))) == [Code.NOTIONAL_EXCEEDS_MAX]
    assert codes(judged(given=facts(sliced_since_ms=NOW_MS - 1000))) == []
    second = judged(given=facts(sliced_since_ms=NOW_MS - 1000, sliced_entered=D(60)))
    found = denial(second, Code.SLICING_EXCEEDS_MAX)
    assert codes(second) == [Code.SLICING_EXCEEDS_MAX]
    assert (found.observed, found.limit) == ("120 USDT", "100 USDT")
    assert found.hint == "the largest quantity that passes is 0.00066"


@pytest.mark.parametrize(("sliced", "passes"), [("40", True), ("40.00000001", False)])
def test_within_the_cap_the_parts_pass(sliced: str, passes: bool) -> None:
    """Up to the cap exactly, what follows an order over it is let through."""
    verdict = judged(given=facts(sliced_since_ms=NOW_MS, sliced_entered=D(sliced)))
    assert codes(verdict) == ([] if passes else [Code.SLICING_EXCEEDS_MAX])


def test_without_an_order_over_the_cap_nothing_is_slicing() -> None:
    """What was entered is held to the windows alone, as long as nothing over the cap was requested."""
    assert codes(judged(given=facts(sliced_since_ms=None, sliced_entered=D(100)))) == []


def test_an_order_of_exactly_the_cap_is_a_part_like_any_other() -> None:
    """At the cap it passes alone, and with anything entered before it is one part too many."""
    spec = an_order(price="50000", quantity="0.002")
    assert codes(judged(spec, facts(sliced_since_ms=NOW_MS))) == []
    after = judged(spec, facts(sliced_since_ms=NOW_MS, sliced_entered=D("0.00000001")))
    assert codes(after) == [Code.SLICING_EXCEEDS_MAX]


def test_one_order_over_the_cap_is_denied_for_that_alone() -> None:
    """An order over the cap is no slice of another."""
    verdict = judged(an_order(quantity="0.0025"), facts(sliced_since_ms=NOW_MS, sliced_entered=D(60)))
    assert codes(verdict) == [Code.NOTIONAL_EXCEEDS_MAX]


# -- exits

SPENT = {
    "entered": entered("500"),
    "ordered": {MINUTE: 5, DAY: 50},
    "open_notional": D("300"),
    "open_orders": 5,
    "sliced_since_ms": NOW_MS,
    "sliced_entered": D("100"),
}
BUDGETS = [
    Code.SLICING_EXCEEDS_MAX,
    Code.OPEN_NOTIONAL_EXCEEDS_MAX,
    Code.OPEN_ORDERS_EXCEED_MAX,
    Code.ROLLING_NOTIONAL_EXCEEDS_MAX,
    Code.ROLLING_NOTIONAL_EXCEEDS_MAX,
    Code.ORDER_COUNT_EXCEEDS_MAX,
    Code.ORDER_COUNT_EXCEEDS_MAX,
]


@pytest.mark.parametrize("spec", [a_sell(), a_market(SELL), a_sell(price="60500")])
def test_selling_back_what_guardian_bought_needs_no_budget(spec: OrderSpec) -> None:
    """With every rolling, count, open and slicing budget spent, an exit is let through."""
    verdict = judged(spec, facts(**SPENT, position=D("0.001")))
    assert (verdict.decision, verdict.is_exit) == (Decision.ALLOW, True)


@pytest.mark.parametrize(
    ("position", "offered"), [("0.00099", "0"), ("0.002", "0.00101"), ("0", "0"), ("-1", "0"), ("0.001", "5")]
)
def test_a_sell_of_more_than_guardian_holds_and_has_not_offered_is_no_exit(position: str, offered: str) -> None:
    """One step more than was bought, less what was sold and offered, and the whole order is held to the budgets."""
    verdict = judged(a_sell(), facts(**SPENT, position=D(position), offered=D(offered)))
    assert not verdict.is_exit
    assert codes(verdict) == BUDGETS


def test_a_buy_is_never_an_exit() -> None:
    """Holding enough makes no exit of a BUY."""
    verdict = judged(an_order(), facts(**SPENT, position=D("0.001")))
    assert not verdict.is_exit
    assert codes(verdict) == BUDGETS


def test_an_exit_is_up_to_what_is_neither_sold_nor_offered() -> None:
    """Exactly what is left is an exit."""
    given = facts(position=D("0.003"), offered=D("0.002"))
    assert judged(a_sell(), given).is_exit
    assert not judged(a_sell(quantity="0.00101"), given).is_exit


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (a_sell(quantity="0.00167"), Code.NOTIONAL_EXCEEDS_MAX),
        (a_sell(quantity="0.00501"), Code.QUANTITY_EXCEEDS_MAX),
        (a_sell(price="58199.99"), Code.PRICE_OUTSIDE_COLLAR),
        (a_sell(price="60000.001"), Code.FILTER_PRICE),
    ],
)
def test_an_exit_is_held_to_the_caps_of_one_order_and_to_the_collar(spec: OrderSpec, code: Code) -> None:
    """Selling out is no way to dump everything at once, or at any price."""
    verdict = judged(spec, facts(position=D("1")))
    assert verdict.is_exit
    assert verdict.denied_by(code)


def test_an_exit_waits_for_a_person_where_one_is_asked() -> None:
    """Confirmation stays for exits."""
    verdict = judged(a_sell(), facts(position=D("0.001")), a_policy(required_above=D(0)))
    assert (verdict.decision, verdict.is_exit) == (Decision.CONFIRM, True)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"trading": TradingState.HALTED}, Code.TRADING_HALTED),
    ],
)
def test_an_exit_is_exempt_from_nothing_else(changed: dict[str, object], code: Code) -> None:
    """A halt that a person chose holds for exits."""
    assert codes(judged(a_sell(), facts(position=D("0.001"), **changed))) == [code]


def test_selling_nothing_is_no_exit() -> None:
    """A quantity that rounds to nothing sells nothing back."""
    assert not judged(a_market(SELL, quote_quantity="0.1"), facts(position=D(0))).is_exit


def test_reducing_lets_an_exit_through() -> None:
    """While reducing, an exit passes."""
    verdict = judged(a_sell(), facts(trading=TradingState.REDUCING, position=D("0.001")))
    assert verdict.decision is Decision.ALLOW


def test_the_position_cap_is_judged_on_buys_only() -> None:
    """A SELL is never denied for what guardian holds."""
    assert codes(judged(a_sell(), facts(position=D("99")))) == []


# -- conversion

CROSS = an_order(symbol="ETHBTC", price="0.05", quantity="0.01")


def test_a_cross_is_counted_along_the_declared_path_at_the_dearer_side() -> None:
    """0.0005 BTC at the ask of BTCUSDT is what an order of ETHBTC counts."""
    verdict = judged(CROSS, cross_facts())
    assert verdict.decision is Decision.ALLOW
    assert (verdict.quote_notional, verdict.notional) == (D("0.0005"), D("30.0005"))


@pytest.mark.parametrize(
    ("given", "policy", "why"),
    [
        (cross_facts(), a_policy(conversions={}), "has no symbol for BTC"),
        (cross_facts(), a_policy(conversions={"BTC": "ETHUSDT"}), "rules for ETHUSDT are missing"),
        (
            cross_facts(instruments={"ETHBTC": ETHBTC, "BTCUSDT": an_instrument("BTCUSDT", "XYZ", "USDT")}),
            a_policy(),
            "BTCUSDT does not trade BTC",
        ),
        (
            cross_facts(instruments={"ETHBTC": ETHBTC, "BTCEUR": an_instrument("BTCEUR", "BTC", "EUR")}),
            a_policy(conversions={"BTC": "BTCEUR", "EUR": "BTCEUR"}),
            "goes in a circle",
        ),
        (cross_facts(books={"ETHBTC": a_book("0.05", "0.05001")}), a_policy(), "no price of BTCUSDT"),
        (
            cross_facts(books={"ETHBTC": a_book("0.05", "0.05001"), "BTCUSDT": a_book("60002", "60001")}),
            a_policy(),
            "one side of the book of BTCUSDT is empty, or its sides cross (seen bid 60002, ask 60001)",
        ),
        (
            cross_facts(books={"ETHBTC": a_book("0.05", "0.05001"), "BTCUSDT": a_book(age_ms=5001)}),
            a_policy(),
            "the price of BTCUSDT is too old to judge by (seen 5001 ms, limit 5000 ms)",
        ),
        (
            cross_facts(books={"ETHBTC": a_book("0.05", "0.05001"), "BTCUSDT": a_book(age_ms=-1)}),
            a_policy(),
            "the price of BTCUSDT is too old to judge by (seen -1 ms, limit 5000 ms)",
        ),
    ],
    ids=["no path", "no rules", "another asset", "circle", "no book", "crossed", "stale", "future"],
)
def test_without_a_fresh_declared_path_nothing_is_counted_and_the_order_is_denied(
    given: Facts, policy: Policy, why: str
) -> None:
    """No path, a circle, a leg without its rules, without a price or with a stale one: denied, with the reason."""
    verdict = judged(CROSS, given, policy)
    assert codes(verdict) == [Code.CONVERSION_UNAVAILABLE]
    assert why in verdict.denials[0].message
    assert verdict.notional is None
    assert verdict.quote_notional == D("0.0005")


def test_a_leg_exactly_as_old_as_allowed_is_fresh() -> None:
    """`max_age` holds for the legs as it does for the symbol."""
    books = {"ETHBTC": a_book("0.05", "0.05001"), "BTCUSDT": a_book(age_ms=5000)}
    assert codes(judged(CROSS, cross_facts(books=books))) == []


def test_nothing_is_one_to_one_but_the_currency_itself() -> None:
    """A stablecoin is counted at its price, above one too, and without a path not at all."""
    instruments = {
        "BTCFDUSD": an_instrument("BTCFDUSD", "BTC", "FDUSD"),
        "FDUSDUSDT": an_instrument("FDUSDUSDT", "FDUSD"),
    }
    given = facts(
        instruments=instruments,
        books={"BTCFDUSD": a_book(), "FDUSDUSDT": a_book("1.07", "1.08")},
        free={"FDUSD": D(1000)},
    )
    listed = {"BTCFDUSD": symbol_limits()}
    spec = an_order(symbol="BTCFDUSD")
    assert judged(spec, given, a_policy(symbols=listed)).denied_by(Code.CONVERSION_UNAVAILABLE)
    verdict = judged(spec, given, a_policy(symbols=listed, conversions={"FDUSD": "FDUSDUSDT"}))
    assert (codes(verdict), verdict.notional) == ([], D("64.8"))


def test_the_quote_is_what_the_exchange_says_and_never_how_a_symbol_is_spelt() -> None:
    """A symbol that ends in the currency's name, but is quoted in another asset, is counted in that asset."""
    given = facts(instruments={"BTCUSDT": an_instrument("BTCUSDT", "BTCUS", "DT")}, free={"DT": D(1000)})
    assert codes(judged(given=given)) == [Code.CONVERSION_UNAVAILABLE]


def test_over_cap_through_a_conversion_names_a_quantity_in_the_base_asset() -> None:
    """The largest quantity that passes is worked back through the path."""
    found = denial(
        judged(an_order(symbol="ETHBTC", price="0.05", quantity="0.04"), cross_facts()), Code.NOTIONAL_EXCEEDS_MAX
    )
    assert (found.observed, found.limit) == ("120.002 USDT", "100 USDT")
    assert found.hint == "the largest quantity that passes is 0.0333"
    assert codes(judged(an_order(symbol="ETHBTC", price="0.05", quantity="0.0333"), cross_facts())) == []
    next_step = judged(an_order(symbol="ETHBTC", price="0.05", quantity="0.0334"), cross_facts())
    assert codes(next_step) == [Code.NOTIONAL_EXCEEDS_MAX]


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(300_000, "5m"), (86_400_000, "24h"), (60_000, "1m"), (1_000, "1s"), (250, "250ms"), (90_000, "90s"), (1, "1ms")],
)
def test_a_length_is_told_as_the_policy_writes_it(milliseconds: int, text: str) -> None:
    """Messages speak of windows in the owner's own words."""
    assert duration_text(milliseconds) == text


@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT])
def test_an_order_that_is_not_whole_is_denied(kind: OrderType) -> None:
    """Without its price, its quantity or its stop price, or with a stop price too many, no cost can be known."""
    stop = "59000" if kind is OrderType.STOP_LOSS_LIMIT else None
    whole = {"order_type": kind, "price": "58500", "stop_price": stop}
    assert codes(judged(a_sell(**whole))) == []
    turned = {"stop_price": None if stop else "59000"}
    for broken in ({"price": None}, {"quantity": None}, turned):
        verdict = judged(a_sell(**{**whole, **broken}))
        assert codes(verdict) == [Code.NOTIONAL_UNKNOWN]
        assert (verdict.order, verdict.notional) == (None, None)
