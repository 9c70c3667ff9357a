"""Rules on the exchange's filters and on prices: fresh, two-sided, and near the market."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.domain.codes import Code
from guardian.domain.instruments import PercentPrice, Range
from guardian.domain.market import AveragePrice
from guardian.domain.orders import OrderSide, OrderSpec, OrderType
from guardian.policy.facts import Confirmed, Fact, Facts, ListedOrders
from guardian.policy.notional import no_worse_price, resolve
from guardian.policy.verdict import Decision
from tests.policy.builders import (
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
    denial,
    facts,
    judged,
)

D = Decimal
BUY, SELL = OrderSide.BUY, OrderSide.SELL
ANY_SIZE = {"max_notional": D(10**9), "max_quantity": D(10**9), "max_position": D(10**9)}


def market(**changed: Any) -> Facts:
    """The facts with BTCUSDT's instrument changed."""
    return facts(instruments={"BTCUSDT": an_instrument(**changed)})


def book(bid: str, ask: str, age_ms: int = 0) -> Facts:
    return facts(books={"BTCUSDT": a_book(bid, ask, age_ms)})


# -- the instrument


def test_a_symbol_that_the_exchange_does_not_list_is_denied() -> None:
    """What the policy lists and the exchange does not is named as unknown to the exchange."""
    given = facts(instruments={}, unlisted=frozenset({"BTCUSDT"}))
    found = denial(judged(given=given), Code.SYMBOL_UNKNOWN)
    assert found.observed == "BTCUSDT"
    assert codes(judged(given=given)) == [Code.SYMBOL_UNKNOWN]


def test_trading_rules_that_could_not_be_had_deny() -> None:
    """Without the trading rules nothing of the order can be checked, and the reason is given."""
    given = facts(instruments={}, missing={Fact.INSTRUMENT: "it timed out"})
    assert codes(judged(given=given)) == [Code.INSTRUMENT_UNAVAILABLE]
    assert "it timed out" in judged(given=given).denials[0].message
    assert codes(judged(given=facts(instruments={}))) == [Code.INSTRUMENT_UNAVAILABLE]


@pytest.mark.parametrize("status", ["BREAK", "HALT", "CANCEL_ONLY", "A_NEW_WORD", ""])
def test_a_symbol_in_any_status_but_trading_takes_no_orders(status: str) -> None:
    """A status that guardian does not know is no as well."""
    found = denial(judged(given=market(status=status)), Code.SYMBOL_NOT_TRADING)
    assert (found.observed, found.limit) == (status, "TRADING")


# -- filters


def test_an_order_type_that_the_exchange_does_not_take_is_denied() -> None:
    """MARKET is sent as LIMIT, so it is LIMIT that the symbol must take."""
    no_stops = market(order_types=frozenset({"LIMIT"}))
    found = denial(judged(a_stop(), no_stops), Code.FILTER_ORDER_TYPE)
    assert (found.observed, found.limit) == ("STOP_LOSS_LIMIT", "LIMIT")
    assert codes(judged(a_market(), no_stops)) == []
    assert codes(judged(a_market(), market(order_types=frozenset({"MARKET"})))) == [Code.FILTER_ORDER_TYPE]


BAND = PercentPrice(bid_up=D("1.01"), bid_down=D("0.9"), ask_up=D("1.2"), ask_down=D("0.99"))


@pytest.mark.parametrize(
    ("spec", "given", "code", "observed", "limit", "hint"),
    [
        (an_order(price="60000.01"), market(), None, "", "", ""),
        (an_order(price="60000.001"), market(), Code.FILTER_PRICE, "60000.001", "a multiple of 0.01", "is 60000"),
        (a_stop(stop_price="59000.006"), market(), Code.FILTER_PRICE, "59000.006", "0.01", "stop_price is 59000.01"),
        (an_order(price="60600"), market(percent_price=BAND), None, "", "", ""),
        (
            an_order(price="60600.01"),
            market(percent_price=BAND),
            Code.FILTER_PERCENT_PRICE,
            "60600.01",
            "60600",
            "60600",
        ),
        (a_sell(price="59400"), market(percent_price=BAND), None, "", "", ""),
        (a_sell(price="59399.99"), market(percent_price=BAND), Code.FILTER_PERCENT_PRICE, "59399.99", "59400", "59400"),
        (an_order(quantity="0.00009"), market(), None, "", "", ""),
        (an_order(quantity="0.000095"), market(), Code.FILTER_QUANTITY, "0.000095", "0.00001", "is 0.00009"),
        (an_order(quantity="0.0001", price="50000"), market(), None, "", "", ""),
        (
            an_order(quantity="0.0001", price="49999.99"),
            market(),
            Code.FILTER_NOTIONAL,
            "4.999999",
            "at least 5",
            "0.00011",
        ),
        (an_order(quantity="0.001"), market(max_notional=D(60)), None, "", "", ""),
        (
            an_order(quantity="0.00101"),
            market(max_notional=D(60)),
            Code.FILTER_NOTIONAL,
            "60.6",
            "at most 60",
            "is 0.001",
        ),
    ],
)
def test_each_filter_passes_at_its_bound_and_denies_past_it_with_the_nearest_value(
    spec: OrderSpec, given: Facts, code: Code | None, observed: str, limit: str, hint: str
) -> None:
    """Nothing is rounded: the order is denied, and the denial says the nearest value that would pass."""
    verdict = judged(spec, given)
    assert codes(verdict) == ([] if code is None else [code])
    for found in verdict.denials:
        assert found.observed == observed
        assert limit in (found.limit or "")
        assert hint in (found.hint or "")


def test_where_no_value_passes_a_filter_the_denial_says_so() -> None:
    """A symbol whose filters leave no quantity at this price names none."""
    given = market(min_notional=D(100), lot=Range(minimum=D("0.00001"), maximum=D("0.0005"), step=D("0.00001")))
    found = denial(judged(an_order(quantity="0.0005"), given), Code.FILTER_NOTIONAL)
    assert found.hint == "no quantity passes with the rest of the order as it is"


def test_a_quantity_that_rounds_to_nothing_is_denied() -> None:
    """A quote quantity too small for one step is no order of zero, even on a symbol without bounds."""
    given = market(lot=Range(step=D("0.00001")), min_notional=D(0))
    verdict = judged(a_market(quote_quantity="0.5"), given)
    assert verdict.order is not None
    assert verdict.order.quantity == 0
    assert codes(verdict) == [Code.FILTER_QUANTITY]


@pytest.mark.parametrize(
    ("spec", "seen", "stops", "names"),
    [
        (an_order(), 4, 9, []),
        (an_order(), 5, 0, ["MAX_NUM_ORDERS"]),
        (a_stop(), 4, 1, []),
        (a_stop(), 4, 2, ["MAX_NUM_ALGO_ORDERS"]),
        (a_stop(), 5, 2, ["MAX_NUM_ORDERS", "MAX_NUM_ALGO_ORDERS"]),
    ],
)
def test_the_exchanges_counts_of_open_orders_are_kept(spec: OrderSpec, seen: int, stops: int, names: list[str]) -> None:
    """MAX_NUM_ORDERS counts every open order of the symbol, MAX_NUM_ALGO_ORDERS the stops among them."""
    given = facts(
        instruments={"BTCUSDT": an_instrument(max_orders=5, max_stop_orders=2)},
        open_orders_on_symbol=seen,
        open_stop_orders_on_symbol=stops,
    )
    found = [one for one in judged(spec, given).denials if one.code is Code.FILTER_ORDER_COUNT]
    assert [name for one in found for name in names if f" {name} " in one.message] == names
    assert len(found) == len(names)


def test_open_orders_of_others_count_and_the_denial_says_how_many() -> None:
    """What the exchange lists and what guardian has open besides add up; a plain order looks at the larger limit alone.

    Before, only guardian's own were counted.
    """
    given = facts(
        instruments={"BTCUSDT": an_instrument(max_orders=200, max_stop_orders=5)},
        listed_orders=ListedOrders(count=199, stops=3),
        open_orders_on_symbol=0,
        open_stop_orders_on_symbol=2,
    )
    found = denial(judged(a_stop(), given), Code.FILTER_ORDER_COUNT)
    assert (found.observed, found.limit) == ("5", "5")
    assert found.message.endswith("5 of 5 open stop orders, cancel one")
    assert codes(judged(given=given)) == []
    assert given.usage is not None
    full = replace(given, usage=replace(given.usage, open_orders_on_symbol=1))
    assert denial(judged(given=full), Code.FILTER_ORDER_COUNT).message.endswith("200 of 200 open orders, cancel one")


@pytest.mark.parametrize(
    ("limits", "plain", "stop"),
    [({}, True, True), ({"max_orders": 200}, False, False), ({"max_stop_orders": 5}, True, False)],
)
def test_without_the_list_only_what_no_limit_concerns_passes(limits: dict[str, Any], plain: bool, stop: bool) -> None:
    """A list that could not be read denies each order that the exchange would hold to it, but no exit, and says why."""
    given = facts(
        instruments={"BTCUSDT": an_instrument(**limits)},
        listed_orders=None,
        missing={Fact.OPEN_ORDERS: "it timed out"},
        position=D("0.001"),
    )
    for spec, passes in ((an_order(), plain), (a_sell(), True), (a_stop(), True), (a_stop(BUY), stop)):
        verdict = judged(spec, given)
        assert codes(verdict) == ([] if passes else [Code.OPEN_ORDERS_UNKNOWN])
        assert all("it timed out" in one.message for one in verdict.denials)


@pytest.mark.parametrize(
    ("held", "open_buys", "passes"), [("0.999", "0", True), ("0.99901", "0", False), ("0.998", "0.00101", False)]
)
def test_nobody_holds_more_than_the_exchanges_max_position(held: str, open_buys: str, passes: bool) -> None:
    """Free and locked balance, open BUYs and this one add up to no more than MAX_POSITION."""
    given = facts(
        instruments={"BTCUSDT": an_instrument(max_position=D(1))}, held={"BTC": D(held)}, open_buys=D(open_buys)
    )
    verdict = judged(given=given)
    assert codes(verdict) == ([] if passes else [Code.FILTER_POSITION])
    assert [one.limit for one in verdict.denials] == ([] if passes else ["1"])
    assert codes(judged(a_sell(), given)) == []


def test_max_position_without_balances_is_a_denial_and_not_a_zero() -> None:
    """Where the exchange caps the position, what is held must be known; an asset that is not there is zero."""
    instruments = {"BTCUSDT": an_instrument(max_position=D(1))}
    given = facts(instruments=instruments, held=None, missing={Fact.BALANCES: "it timed out"})
    assert "it timed out" in denial(judged(given=given), Code.BALANCE_UNAVAILABLE).message
    assert codes(judged(a_sell(), given)) == []
    assert codes(judged(given=facts(instruments=instruments, held={}))) == []


# -- the book


@pytest.mark.parametrize(
    ("bid", "ask"),
    [("0", "60001"), ("60000", "0"), ("0", "0"), ("60002", "60001"), ("-1", "60001"), ("-2", "-1"), ("60000", "-1")],
)
@pytest.mark.parametrize("spec", [an_order(), a_sell(), a_market(), a_market(SELL), a_stop()])
def test_a_book_that_is_one_sided_crossed_or_negative_is_no_price(spec: OrderSpec, bid: str, ask: str) -> None:
    """Whatever the order, a book like that is not judged by."""
    verdict = judged(spec, book(bid, ask))
    assert verdict.decision is Decision.DENY
    assert codes(verdict) == [Code.PRICE_UNAVAILABLE]


@pytest.mark.parametrize("spec", [an_order(), a_sell(), a_market(), a_market(SELL)])
def test_no_book_is_no_price(spec: OrderSpec) -> None:
    """Without a book the order is denied, never judged by some other price, and the reason is given."""
    verdict = judged(spec, facts(books={}, missing={Fact.BOOK: "it timed out"}))
    assert codes(verdict) == [Code.PRICE_UNAVAILABLE]
    assert "it timed out" in verdict.denials[0].message
    assert codes(judged(spec, facts(books={}))) == [Code.PRICE_UNAVAILABLE]


@pytest.mark.parametrize(("age_ms", "passes"), [(0, True), (5_000, True), (5_001, False), (-1, False), (10**9, False)])
def test_a_price_is_judged_by_for_as_long_as_max_age(age_ms: int, passes: bool) -> None:
    """Exactly `max_age` old passes, a millisecond more does not, and a price from the future is not fresh either."""
    verdict = judged(given=book("60000", "60001", age_ms))
    assert codes(verdict) == ([] if passes else [Code.PRICE_STALE])
    if not passes:
        assert verdict.denials[0].observed == f"{age_ms} ms"
        assert verdict.denials[0].limit == "5000 ms"


def test_the_age_of_a_price_is_told_by_the_clock_and_not_by_window_time() -> None:
    """Window time may be ahead after the clock was set back; a fresh price is still fresh then."""
    assert codes(judged(given=facts(now_ms=NOW_MS + 3_600_000))) == []


# -- the average


@pytest.mark.parametrize(
    "average", [None, AveragePrice(price=D(0), traded_ms=NOW_MS), AveragePrice(price=D(-1), traded_ms=NOW_MS)]
)
def test_no_average_price_denies(average: AveragePrice | None) -> None:
    """An average that is missing, zero or negative is no average, and the reason is given."""
    verdict = judged(given=facts(average=average, missing_of={(Fact.AVERAGE, "BTCUSDT"): "it timed out"}))
    assert codes(verdict) == [Code.PRICE_UNAVAILABLE]
    assert "it timed out" in verdict.denials[0].message


def test_without_an_average_the_exchanges_band_says_nothing_of_its_own() -> None:
    """One missing fact is one denial: the band cannot be known, and the rule that needs the average denies."""
    given = facts(average=None, instruments={"BTCUSDT": an_instrument(percent_price=BAND)})
    assert codes(judged(given=given)) == [Code.PRICE_UNAVAILABLE]


@pytest.mark.parametrize(
    ("age_ms", "passes"), [(0, True), (300_000, True), (300_001, False), (-1_000, True), (-1_001, False)]
)
def test_a_market_that_has_not_traded_for_long_is_not_traded_in(age_ms: int, passes: bool) -> None:
    """The last trade is at most `max_trade_age` old; one in the future by more than the clock's 1 s is no fact."""
    average = AveragePrice(price=D("60000"), traded_ms=NOW_MS - age_ms)
    verdict = judged(given=facts(average=average))
    assert codes(verdict) == ([] if passes else [Code.TRADE_STALE])
    assert [one.observed for one in verdict.denials] == ([] if passes else [f"{age_ms} ms"])


@pytest.mark.parametrize(
    ("bid", "ask", "passes"),
    [
        ("61200", "61200", True),
        ("61200", "61200.01", False),
        ("58800", "58800", True),
        ("58799.99", "58800", False),
        ("10", "130000", False),
    ],
)
def test_the_books_middle_and_the_average_agree(bid: str, ask: str, passes: bool) -> None:
    """Exactly `max_divergence` apart passes, in both directions; anything more is a market not to be trusted."""
    spec = an_order(price="50000")
    verdict = judged(spec, book(bid, ask))
    assert codes(verdict) == ([] if passes else [Code.PRICE_DIVERGES])
    if not passes:
        assert verdict.denials[0].limit == "2%"
        assert "average 60000" in (verdict.denials[0].observed or "")


@pytest.mark.parametrize(
    ("bid", "ask", "passes"),
    [
        ("58800", "61200", True),
        ("58800", "61200.01", False),
        ("10", "119990", False),
    ],
)
def test_the_two_sides_of_the_book_are_not_too_far_apart(bid: str, ask: str, passes: bool) -> None:
    """A book of one stray level on each side has the average in its middle, and is no market all the same."""
    verdict = judged(an_order(price="50000"), book(bid, ask))
    assert codes(verdict) == ([] if passes else [Code.PRICE_DIVERGES])
    if not passes:
        assert verdict.denials[0].limit == "4% of the average"


# -- collar and stop distance


@pytest.mark.parametrize(
    ("spec", "passes", "limit"),
    [
        (an_order(price="61801.03"), True, ""),
        (an_order(price="61801.04"), False, "61801.03"),
        (an_order(price="0.01", quantity="0.001"), True, ""),
        (a_sell(price="58200"), True, ""),
        (a_sell(price="58199.99"), False, "58200"),
        (a_sell(price="6000"), False, "58200"),
        (a_sell(price="90000"), True, ""),
        (a_stop(SELL, stop_price="59000", price="57230"), True, ""),
        (a_stop(SELL, stop_price="59000", price="57229.99"), False, "57230"),
        (a_stop(BUY, stop_price="61000", price="62830"), True, ""),
        (a_stop(BUY, stop_price="61000", price="62830.01"), False, "62830"),
        (a_stop(BUY, order_type=OrderType.TAKE_PROFIT_LIMIT, stop_price="59000", price="60770.01"), False, "60770"),
    ],
)
def test_the_collar_holds_a_price_to_the_market_and_a_stops_price_to_its_stop(
    spec: OrderSpec, passes: bool, limit: str
) -> None:
    """BUY at most the ask plus the collar, SELL at least the bid less it, both ends included; better is no breach."""
    given = market(min_notional=D(0))
    verdict = judged(spec, given)
    assert codes(verdict) == ([] if passes else [Code.PRICE_OUTSIDE_COLLAR])
    if not passes:
        assert (verdict.denials[0].observed, verdict.denials[0].limit) == (str(spec.price), limit)
        assert verdict.denials[0].hint == f"the price must be at {'most' if spec.side is BUY else 'least'} {limit}"


@pytest.mark.parametrize(
    ("side", "price", "limit", "hint"),
    [(BUY, "70000", "61801.0403", "61801.04"), (SELL, "50000", "58200.0097", "58200.01")],
)
def test_the_price_that_a_collar_denial_names_is_on_the_tick_and_passes(
    side: OrderSide, price: str, limit: str, hint: str
) -> None:
    """Following the hint leads to an order that passes, not to the next denial."""
    given = book("60000.01", "60001.01")
    found = denial(judged(an_order(side=side, price=price), given), Code.PRICE_OUTSIDE_COLLAR)
    assert found.limit == limit
    assert (found.hint or "").endswith(hint)
    assert codes(judged(an_order(side=side, price=hint), given)) == []


# -- a market that moved in the favour of the person who confirmed


def moved(bid: str, ask: str, **changed: object) -> Facts:
    """The market now, for an order that a person confirmed at 60000 to 60001."""
    values = {"confirmed": confirmed(), **changed}
    return facts(books={"BTCUSDT": a_book(bid, ask)}, average=AveragePrice(price=D(bid), traded_ms=NOW_MS), **values)


@pytest.mark.parametrize(
    ("bid", "ask", "sent"),
    [
        ("60000", "60001", "60601.01"),  # as agreed
        ("60299", "60300", "60601.01"),  # half a percent dearer: as agreed, and no more
        ("58900", "58901", "60601.01"),  # cheaper, and the agreed price is still within the collar
        ("58000", "58001", "59741.03"),  # cheaper by more than the collar: the ask and 3 %
        ("30000", "30001", "30901.03"),
    ],
)
def test_confirmed_purchase_passes_where_the_market_became_cheaper(bid: str, ask: str, sent: str) -> None:
    """It is sent at the price that the person agreed to, or below where the collar asks for it; never above.

    Before, it was denied as PRICE_OUTSIDE_COLLAR from 2 % cheaper on, and its token was burnt.
    """
    verdict = judged(a_market(), moved(bid, ask))
    assert codes(verdict) == []
    assert verdict.order is not None
    assert (verdict.order.price, verdict.order.quantity) == (D(sent), D("0.001"))
    assert verdict.notional == D(sent) * D("0.001")


def sold(**changed: object) -> Confirmed:
    """A person confirmed selling 0.001 at 59400 or more, under a bid of 60000."""
    values: dict[str, object] = {
        "protected_price": D("59400"),
        "notional": D("60"),
        "quote_notional": D("60"),
        **changed,
    }
    return confirmed(**values)


@pytest.mark.parametrize(
    ("bid", "ask", "sent"),
    [
        ("60000", "60001", "59400"),
        ("59700", "59701", "59400"),
        ("61000", "61001", "59400"),
        ("62000", "62001", "60140"),  # 3 % below the bid
        ("120000", "120001", "116400"),
    ],
)
def test_confirmed_sale_passes_where_the_bid_rose(bid: str, ask: str, sent: str) -> None:
    """It is sent at the agreed price or above, and counts for no more than the person saw: the rest is theirs."""
    policy = a_policy({"max_notional": D(60)})
    verdict = judged(a_market(SELL), moved(bid, ask, confirmed=sold()), policy)
    assert codes(verdict) == []
    assert verdict.order is not None
    assert verdict.order.price == D(sent)
    assert verdict.notional == verdict.quote_notional == min(D(60), D(bid) * D("0.001"))


def test_confirmed_market_order_by_value_keeps_the_quantity_that_was_shown() -> None:
    """50 USDT at 60601.01 is 0.00082; at a better price it is still 0.00082, for less."""
    verdict = judged(a_market(quote_quantity="50"), moved("58000", "58001"))
    assert verdict.order is not None
    assert (verdict.order.price, verdict.order.quantity) == (D("59741.03"), D("0.00082"))


@pytest.mark.parametrize(
    ("side", "agreed", "changed", "sent"),
    [
        # 1.01 times the average is the most that the exchange takes: the agreed price is too high for it now
        (BUY, "60601.01", {"percent_price": BAND}, "59489"),
        (SELL, "59400", {"percent_price": BAND}, "60390"),  # 0.99 times the average is the least
        (BUY, "60601.01", {"max_notional": D("59.5")}, "59500"),
        (SELL, "59400", {"min_notional": D("60")}, "60000"),
        # the collar would take the order below the exchange's least notional: then no further than that
        (BUY, "60601.01", {"min_notional": D("60.5")}, "60500"),
        (SELL, "59400", {"max_notional": D("60")}, "60000"),
    ],
)
def test_confirmed_price_that_a_filter_refuses_now_is_bettered(
    side: OrderSide, agreed: str, changed: dict[str, Any], sent: str
) -> None:
    """The nearest price that the exchange takes, on the person's side of the one that they agreed to."""
    bid, ask = ("57000", "57001") if "min_notional" in changed and side is BUY else ("58900", "58901")
    if side is SELL:
        bid, ask = ("61000", "61001") if "max_notional" not in changed else ("63000", "63001")
    given = moved(
        bid,
        ask,
        instruments={"BTCUSDT": an_instrument(**changed)},
        confirmed=confirmed() if side is BUY else sold(protected_price=D(agreed)),
    )
    verdict = judged(a_market(side), given)
    assert codes(verdict) == []
    assert verdict.order is not None
    assert verdict.order.price == D(sent)


@pytest.mark.parametrize(
    ("side", "changed", "code"),
    [
        (BUY, {"min_notional": D("61")}, Code.FILTER_NOTIONAL),
        (SELL, {"max_notional": D("59")}, Code.FILTER_NOTIONAL),
        (BUY, {"price": Range(minimum=D("70000"), step=D("0.01"))}, Code.FILTER_PRICE),
        (SELL, {"price": Range(maximum=D("50000"), step=D("0.01"))}, Code.FILTER_PRICE),
    ],
)
def test_confirmed_price_is_never_made_worse_to_please_a_filter(
    side: OrderSide, changed: dict[str, Any], code: Code
) -> None:
    """Where only a worse price would be taken, the agreed one stays, and the filter denies it."""
    given = facts(
        instruments={"BTCUSDT": an_instrument(**changed)},
        confirmed=confirmed() if side is BUY else sold(),
    )
    verdict = judged(a_market(side), given)
    assert codes(verdict) == [code]
    assert verdict.order is not None
    assert verdict.order.price == (D("60601.01") if side is BUY else D("59400"))


def test_confirmed_price_is_kept_while_nothing_is_known_of_the_market() -> None:
    """Without a book or an average there is nothing that asks for a better price; their own rules deny."""
    given = facts(books={}, averages={}, confirmed=confirmed())
    verdict = judged(a_market(), given)
    assert verdict.order is not None
    assert verdict.order.price == D("60601.01")
    assert set(codes(verdict)) == {Code.PRICE_UNAVAILABLE}
    bare = judged(a_market(SELL), facts(books={}, confirmed=sold(), average=None))
    assert bare.order is not None
    assert bare.order.price == D("59400")


def test_confirmed_price_needs_no_bounds_of_the_exchange() -> None:
    """Where PRICE_FILTER has no greatest price, the collar alone asks for a better one."""
    listed = {"BTCUSDT": an_instrument(price=Range(step=D("0.01")))}
    given = moved("62000", "62001", confirmed=sold(), instruments=listed)
    verdict = judged(a_market(SELL), given)
    assert codes(verdict) == []
    assert verdict.order is not None
    assert verdict.order.price == D("60140")


def test_confirmed_value_that_buys_nothing_is_still_no_order() -> None:
    """A quantity of zero is denied as such, whatever its price."""
    given = moved("58000", "58001", instruments={"BTCUSDT": an_instrument(lot=Range(step=D(1)))})
    assert Code.FILTER_QUANTITY in codes(judged(a_market(quote_quantity="50"), given))


def test_confirmed_limit_order_is_held_to_the_market_that_was_shown_where_that_moved_in_favour() -> None:
    """A LIMIT that a person confirmed goes as it is: cheaper for a BUY, dearer for a SELL is no reason to deny it."""
    assert codes(judged(an_order(price="60000"), moved("58000", "58001"))) == []
    assert codes(judged(a_sell(price="60000"), moved("64000", "64001", confirmed=sold()))) == []
    # unconfirmed it is a price out of the market
    bare = facts(books={"BTCUSDT": a_book("58000", "58001")}, average=AveragePrice(price=D(58000), traded_ms=NOW_MS))
    assert codes(judged(an_order(price="60000"), bare)) == [Code.PRICE_OUTSIDE_COLLAR]
    # and the market that was shown makes no worse one good
    past_both = an_order(price="61801.04")
    assert codes(judged(past_both, moved("58000", "58001"))) == [Code.PRICE_OUTSIDE_COLLAR]


def test_confirmed_stop_is_held_to_the_market_that_was_shown_where_that_moved_in_favour() -> None:
    """A bid that rose leaves a stop further behind; the person saw it near enough."""
    stop = a_stop(SELL, stop_price="48000", price="48000")
    assert codes(judged(stop, moved("61000", "61001", confirmed=sold()))) == []
    assert codes(judged(stop, moved("61000", "61001", confirmed=None))) == [Code.STOP_PRICE_TOO_FAR]
    nearer = a_stop(SELL, stop_price="70000", price="70000")
    assert codes(judged(nearer, moved("59000", "59001", confirmed=None))) == []
    assert codes(judged(a_stop(SELL, stop_price="72000", price="72000"), moved("59000", "59001"))) == [
        Code.STOP_PRICE_TOO_FAR
    ]


@given(
    agreed=st.integers(1, 10**7).map(lambda n: D(n) / 100),
    bid=st.integers(1, 10**7).map(lambda n: D(n) / 100),
    average=st.integers(1, 10**7).map(lambda n: D(n) / 100),
    quantity=st.integers(1, 10**4).map(lambda n: D(n) / 1000),
    least=st.integers(0, 100).map(D),
    side=st.sampled_from(OrderSide),
)
def test_no_confirmed_price_is_ever_worse_than_agreed(
    agreed: Decimal, bid: Decimal, average: Decimal, quantity: Decimal, least: Decimal, side: OrderSide
) -> None:
    """Whatever the market and the filters are: a BUY pays at most, a SELL takes at least what the person agreed to."""
    instrument = an_instrument(percent_price=BAND, min_notional=least, price=Range(step=D("0.01")))
    order = resolve(a_market(side, quantity=quantity), instrument, None, D(0), agreed)
    assert order is not None
    price = no_worse_price(order, instrument, a_book(bid, bid), average, D("0.03"))
    assert price <= agreed if side is BUY else price >= agreed
    if price != agreed:
        assert not instrument.breaches(replace(order, price=price), average)


@pytest.mark.parametrize(
    ("side", "stop", "passes"),
    [
        (SELL, "48000", True),
        (SELL, "47999.99", False),
        (SELL, "72000", True),
        (SELL, "72000.01", False),
        (BUY, "48000.8", True),
        (BUY, "48000.79", False),
        (BUY, "72001.2", True),
        (BUY, "72001.21", False),
        (SELL, "0.01", False),
    ],
)
def test_a_stop_price_is_near_the_market(side: OrderSide, stop: str, passes: bool) -> None:
    """Exactly `stop_distance` away passes, on both sides of the market."""
    verdict = judged(a_stop(side, stop_price=stop, price=stop), market(min_notional=D(0)))
    assert codes(verdict) == ([] if passes else [Code.STOP_PRICE_TOO_FAR])
    if not passes:
        assert verdict.denials[0].observed == stop
        assert verdict.denials[0].limit == ("48000 to 72000" if side is SELL else "48000.8 to 72001.2")


# -- the clock


@pytest.mark.parametrize(
    ("skew", "passes"), [(0, True), (1_000, True), (-1_000, True), (1_001, False), (-1_001, False), (3_000, False)]
)
def test_a_clock_that_is_off_by_more_than_a_second_creates_no_order(skew: int, passes: bool) -> None:
    """Windows and ages mean nothing on such a clock, whichever way it is off."""
    verdict = judged(given=facts(clock_skew_ms=skew))
    assert codes(verdict) == ([] if passes else [Code.CLOCK_SKEWED])
    assert [(one.observed, one.limit) for one in verdict.denials] == ([] if passes else [(f"{skew} ms", "1000 ms")])


def test_a_clock_that_could_not_be_compared_creates_no_order() -> None:
    """Not to know the exchange's time is a denial, with the reason."""
    verdict = judged(given=facts(clock_skew_ms=None, missing={Fact.CLOCK: "it timed out"}))
    assert codes(verdict) == [Code.CLOCK_UNKNOWN]
    assert "it timed out" in verdict.denials[0].message


def test_prices_with_twenty_digits_a_side_are_compared_exactly() -> None:
    """A difference in the last digit is seen, which a precision of 28 digits would not."""
    big = D("12345678901234567890")
    given = facts(
        instruments={"BTCUSDT": an_instrument(price=Range(), lot=Range())},
        books={"BTCUSDT": a_book(big, big)},
        average=AveragePrice(price=big, traded_ms=NOW_MS),
        free={"USDT": big},
    )
    policy = a_policy(
        {**ANY_SIZE, "max_notional": big},
        max_divergence=D(0),
        max_open_notional=big,
        rolling_notional=(),
        required_above=big,
    )
    spec = an_order(price=big, quantity="0.01")
    assert codes(judged(spec, given, policy)) == []
    off = facts(
        instruments={"BTCUSDT": an_instrument(price=Range(), lot=Range())},
        books={"BTCUSDT": a_book(big, big + D("0.00000001"))},
        average=AveragePrice(price=big, traded_ms=NOW_MS),
        free={"USDT": big},
    )
    assert codes(judged(spec, off, policy)) == [Code.PRICE_DIVERGES]
