"""What was lost within 24 hours: realised and marked to market, by the formula of `guardian.policy.loss`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.domain.codes import Code
from guardian.domain.instruments import Range
from guardian.policy.conversion import Unpriced, next_on_path
from guardian.policy.facts import DayTrading, Fact, Facts
from guardian.policy.loss import day_loss, loss_needs
from guardian.policy.verdict import Decision
from tests.policy.builders import (
    ASK,
    BID,
    ETHBTC,
    NOW_MS,
    D,
    a_book,
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


def loss(*traded: DayTrading, opens: dict[str, str] | None = None, **changed: object) -> object:
    day_opens = {symbol: opened(price) for symbol, price in (opens or {}).items()}
    return day_loss(traded, facts(traded=traded, day_opens=day_opens, **changed), a_policy())


def test_nothing_traded_is_nothing_lost() -> None:
    """No position, no flows: zero, and no price is needed for it."""
    assert loss() == 0
    assert loss(held(), books={}) == 0


@pytest.mark.parametrize(
    ("trading", "opened", "expected"),
    [
        (held(cash="-12.5"), None, "12.5"),  # bought and sold again, fees and all
        (held(cash="12.5"), None, "-12.5"),
        (held("0.01", cash="-700"), None, "100"),  # bought for 700, worth 600 at the bid
        (held("0.01", "0.01"), "70000", "100"),  # held all day
        (held("0.01", "0.01"), "50000", "-100"),
        (held("0", "0.01", cash="600"), "70000", "100"),  # sold today at less than it was worth a day ago
        (held("0.02", "0.01", cash="-650"), "61000", "60"),  # 610 and 650 are 1200 now
        (held("-0.01", cash="550"), None, "50.01"),  # the owner's own, sold below what it costs now
        (held("-0.01", "-0.01"), None, "0"),  # sold on an earlier day: no loss of this one
        (held("0", "-0.01", cash="-650"), None, "49.99"),  # bought back above what it costs now
        (held("0.01", cash="-600", BNB="-0.1"), None, "60"),  # fees of 0.1 BNB, at the ask of 600
        (held("0.01", cash="-600", BNB="0.1"), None, "-59.9"),  # and a rebate, at the bid
    ],
)
def test_loss_is_what_it_costs_not_to_have_sat_still(trading: DayTrading, opened: str | None, expected: str) -> None:
    """Cash, the position at today's price and the position of a day ago at its price then, each in the currency."""
    market = {
        "instruments": {"BTCUSDT": an_instrument(), "BNBUSDT": an_instrument("BNBUSDT", "BNB")},
        "books": {"BTCUSDT": a_book(), "BNBUSDT": a_book("599", "600")},
    }
    assert loss(trading, opens={} if opened is None else {"BTCUSDT": opened}, **market) == D(expected)


def test_losses_and_gains_of_symbols_are_set_off_against_each_other() -> None:
    """What counts is the sum over all symbols."""
    assert loss(held(cash="-150"), held(cash="100", symbol="ETHUSDT")) == 50


def test_quote_asset_is_converted_to_the_side_that_makes_the_loss_larger() -> None:
    """A loss at the ask of the path, a gain at its bid; rounded up, and down, at the eighth digit."""
    policy = a_policy()
    lost, won = held(cash="-0.001", symbol="ETHBTC", quote="BTC"), held(cash="0.001", symbol="ETHBTC", quote="BTC")
    assert day_loss((lost,), cross_facts(traded=(lost,)), policy) == D("60.001")
    assert day_loss((won,), cross_facts(traded=(won,)), policy) == D("-60")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"books": {}}, "no price of BTCUSDT"),
        ({"books": {"BTCUSDT": a_book(age_ms=5001)}}, "BTCUSDT is too old to judge by (seen 5001 ms, limit 5000 ms)"),
        ({"books": {"BTCUSDT": a_book("0", "60001")}}, "one side of the book of BTCUSDT is empty"),
        ({"books": {"BTCUSDT": a_book("1.00", "1.01")}}, "(seen middle 1.005, average 60000, limit 2%)"),
        ({"average": None}, "no average price of BTCUSDT: the exchange did not answer"),
        ({"average": an_average(age_ms=300_001)}, "no trade of BTCUSDT for too long"),
        ({"instruments": {"BTCUSDT": an_instrument(status="BREAK")}}, "BTCUSDT now (seen BREAK, limit TRADING)"),
        ({"day_opens": {}, "missing_of": {(Fact.DAY, "BTCUSDT"): "it timed out"}}, "24 hours ago is missing: it timed"),
        ({"day_opens": {"BTCUSDT": opened("0")}}, "24 hours ago disagrees"),
        ({"day_opens": {"BTCUSDT": opened(BID, previous=D("58000"))}}, "60000, before it 58000"),
        ({"day_opens": {"BTCUSDT": opened(BID, high=D("59999"))}}, "24 hours ago disagrees"),
        ({"day_opens": {"BTCUSDT": opened(BID, low=D("60001"))}}, "24 hours ago disagrees"),
        ({"day_opens": {"BTCUSDT": opened(BID, previous=D(0))}}, "24 hours ago disagrees"),
        ({"instruments": {"BTCUSDT": an_instrument()}, "traded": (held(cash="-1", quote="EUR"),)}, "paid in EUR"),
        ({"traded": (held("1", symbol="XRPUSDT"),)}, "rules for XRPUSDT are missing"),
    ],
)
def test_loss_that_cannot_be_told_denies(changed: dict[str, object], words: str) -> None:
    """A missing, stale or one-sided price is no price, and a fee without a path is not nothing."""
    given = facts(**{"traded": (held("0.001", "0.001"),), "day_opens": {"BTCUSDT": opened(BID)}, **changed})
    verdict = judged(an_order(), given)
    assert words in denial(verdict, Code.DAILY_LOSS_UNKNOWN).message
    assert Code.DAILY_LOSS_UNKNOWN not in codes(judged(a_sell(), facts(**{**changed, "position": D(1)})))


def test_currency_that_is_the_base_asset_is_reached_by_dividing() -> None:
    """Counted in BTC: a loss of USDT at the bid of BTCUSDT, a gain at its ask."""
    policy = a_policy(currency="BTC", conversions={"USDT": "BTCUSDT"})
    for cash, expected in (("-60000", "1"), ("60001", "-1")):
        day = held(cash=cash)
        assert day_loss((day,), facts(traded=(day,)), policy) == D(expected)


def test_path_in_a_circle_asks_for_no_more_rules() -> None:
    """What is declared in a circle leads nowhere; that is said by the judgement, and nothing is fetched for it."""
    accounting = a_policy(conversions={"ETH": "ETHBTC", "BTC": "ETHBTC"}).accounting
    assert next_on_path("ETH", accounting, {"ETHBTC": ETHBTC}) is None
    assert next_on_path("ETH", accounting, {}) == "ETHBTC"
    assert next_on_path("EUR", accounting, {}) is None
    assert next_on_path("USDT", accounting, {}) is None


def test_symbol_that_is_listed_no_more_is_worth_nothing_and_makes_up_for_nothing() -> None:
    """What was bought of it today is lost; what it brought today is not counted; and nothing waits for its price."""
    gone: dict[str, Any] = {"unlisted": frozenset({"LUNAUSDT"})}
    assert loss(held("5", cash="-70", symbol="LUNAUSDT"), **gone) == 70
    assert loss(held("5", "5", symbol="LUNAUSDT"), **gone) == 0
    assert loss(held("0", "5", cash="40", symbol="LUNAUSDT"), **gone) == 0


@pytest.mark.parametrize(
    ("cash", "conversions", "words"),
    [
        ({"BNB": "-0.001"}, {}, "fees were paid in BNB, and `[accounting] conversions` has no symbol for BNB; "),
        ({"BNB": "-0.001"}, {}, 'add `BNB = "BNBUSDT"`'),
        ({"XYZ": "-1"}, {}, "fees were paid in XYZ, and `[accounting] conversions` has no symbol for XYZ; add `XYZ ="),
        ({"BNB": "-0.001"}, {"BNB": "BNBUSDT"}, "fees were paid in BNB, and one side of the book of BNBUSDT is empty"),
    ],
)
def test_fees_without_a_price_are_told_in_words(cash: dict[str, str], conversions: dict[str, str], words: str) -> None:
    """The denial names the fee asset and the line to add to the policy. Before, it named neither fees nor the line."""
    day = held(cash="-1", **cash)
    given_facts = facts(
        traded=(day,),
        instruments={"BTCUSDT": an_instrument(), "BNBUSDT": an_instrument("BNBUSDT", "BNB")},
        books={"BTCUSDT": a_book(), "BNBUSDT": a_book("0", "600")},
    )
    verdict = judged(an_order(), given_facts, a_policy(conversions=conversions))
    assert codes(verdict) == [Code.DAILY_LOSS_UNKNOWN]
    assert words in denial(verdict, Code.DAILY_LOSS_UNKNOWN).message


def test_held_symbol_that_is_halted_comes_with_a_way_out_for_the_owner() -> None:
    """It may trade again, or never: then the owner takes what is held of it out of the account of guardian's."""
    halted = {"BTCUSDT": an_instrument(status="BREAK")}
    verdict = judged(an_order(symbol="ETHUSDT", price="3000", quantity="0.01"), other_market(held("0.001")), OTHER)
    assert "position set" not in (denial(verdict, Code.DAILY_LOSS_UNKNOWN).hint or "")
    given_facts = replace(other_market(held("0.001")), instruments={**other_market(held("1")).instruments, **halted})
    verdict = judged(an_order(symbol="ETHUSDT", price="3000", quantity="0.01"), given_facts, OTHER)
    hint = denial(verdict, Code.DAILY_LOSS_UNKNOWN).hint or ""
    assert hint.startswith("ask again when that market is back; if BTCUSDT is never traded again, the owner can run ")
    assert "`guardian position set BTC 0`" in hint


# -- leftovers: what is too small to be traded denies nothing

ONE_SIDED = {"books": {"BTCUSDT": a_book("0", "60001")}}
LEAST = "0.00001"
"""LOT_SIZE's least quantity; the least notional is 5."""


def leftover(position: str, before: str | None = None, cash: str = "0", last: str | None = "60000") -> DayTrading:
    """A small position, as it was a day ago where nothing else is said."""
    day = held(position, position if before is None else before, cash)
    return replace(day, last_price=None if last is None else D(last))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (leftover("0.0000084"), "0"),  # below LOT_SIZE, and as it was
        (leftover("0.0000084", "0", "-0.6"), "0.096"),  # bought today: 0.504 is left at the last known price
        (leftover("0.00008"), "0"),  # tradable by LOT_SIZE, but worth 4.80 of 5
        (leftover("0.00008", "0", "-5"), "0.2"),
        (leftover("-0.00008", "0", "5"), "-0.2"),  # the owner's own, sold
        (leftover("0.0000084", last=None), "0"),
        (leftover("0.0000084", "0", "-0.6", last=None), "0.096"),  # at the exchange's average
    ],
)
def test_leftover_beside_a_book_without_bids_counts_at_its_last_known_price(day: DayTrading, expected: str) -> None:
    """Guardian's own last price, else the exchange's average. Before, it denied every order of every symbol."""
    assert loss(day, opens={}, **ONE_SIDED) == D(expected)
    assert codes(judged(an_order(symbol="ETHUSDT", price="3000", quantity="0.01"), other_market(day), OTHER)) == []


OTHER = a_policy(symbols={"ETHUSDT": symbol_limits(max_quantity=D(1), max_position=D(1))})


def other_market(day: DayTrading) -> Facts:
    """ETHUSDT is calm, and BTCUSDT has no bid."""
    return facts(
        instruments={"BTCUSDT": an_instrument(), "ETHUSDT": an_instrument("ETHUSDT", "ETH")},
        books={"BTCUSDT": a_book("0", "60001"), "ETHUSDT": a_book("3000", "3000")},
        traded=(day,),
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"books": {}},
        {"books": {"BTCUSDT": a_book("1.00", "1.01")}},
        {"books": {"BTCUSDT": a_book(age_ms=5001)}},
        {"average": None},
        {"average": an_average(age_ms=300_001)},
        {"instruments": {"BTCUSDT": an_instrument(status="BREAK")}},
    ],
)
def test_leftover_denies_nothing_whatever_is_wrong_with_its_market(fault: dict[str, object]) -> None:
    """Halted, thin, stale or silent: what cannot be traded anyway waits for no price."""
    assert loss(leftover("0.00008"), opens={}, **fault) == 0


def test_leftover_in_a_calm_market_is_worth_what_its_market_says() -> None:
    """The last known price replaces a missing one, and nothing else."""
    assert loss(leftover("0.00008", "0", "-4.8", last="1")) == 0


@pytest.mark.parametrize(
    "day",
    [
        leftover("0.0000834"),  # 5.004 at the last known price
        leftover(LEAST, last=None),  # LOT_SIZE admits it, and no own price says that it is worth less than 5
        leftover("0.001", last="1"),  # an old price under which it would be small; the average says 60
    ],
)
def test_holding_that_can_be_traded_is_no_leftover(day: DayTrading) -> None:
    """It is not known what it lost, so that is what is said."""
    assert isinstance(loss(day, opens={"BTCUSDT": "60000"}, **ONE_SIDED), Unpriced)


BNB = {"conversions": {"BNB": "BNBUSDT"}}


def with_fees(paid: str, **changed: object) -> Facts:
    """BTCUSDT is calm, fees were paid in BNB, whose book is empty, and BNBUSDT trades no less than 0.001."""
    lot = Range(minimum=D("0.001"), maximum=D("9000"), step=D("0.001"))
    values: dict[str, object] = {
        "instruments": {"BTCUSDT": an_instrument(), "BNBUSDT": an_instrument("BNBUSDT", "BNB", lot=lot)},
        "books": {"BTCUSDT": a_book(), "BNBUSDT": a_book("0", "0")},
        "averages": {"BTCUSDT": an_average(), "BNBUSDT": an_average("600")},
        "traded": (held(BNB=paid),),
        **changed,
    }
    return facts(**values)


@pytest.mark.parametrize(
    ("paid", "average", "expected"),
    [
        ("-0.0009", "600", "0.54"),
        ("-0.0009", None, "0"),
        ("-0.0009", "100000000", "5"),  # an absurd average counts at most as the least notional
        ("0.0009", "100000000", "0"),  # and makes up for no loss
    ],
)
def test_fees_below_what_their_symbol_trades_deny_nothing(paid: str, average: str | None, expected: str) -> None:
    """They need no usable price. Before, the fee of one small order denied every other while BNBUSDT was halted."""
    averages = {"BTCUSDT": an_average()} | ({} if average is None else {"BNBUSDT": an_average(average)})
    given_facts, policy = with_fees(paid, averages=averages), a_policy(**BNB)
    assert given_facts.usage is not None
    assert day_loss(given_facts.usage.traded, given_facts, policy) == D(expected)
    assert codes(judged(an_order(), given_facts, policy)) == []


def test_fees_that_could_be_traded_need_a_price() -> None:
    """From the least quantity of their symbol on, what they are worth is not known without its market."""
    given_facts = with_fees("-0.001")
    assert codes(judged(an_order(), given_facts, a_policy(**BNB))) == [Code.DAILY_LOSS_UNKNOWN]


def test_low_average_makes_no_leftover_of_a_holding() -> None:
    """0.001 BTC at 60000 is no leftover because the exchange says 1.00."""
    unsure = loss(leftover("0.001"), opens={"BTCUSDT": "60000"}, average=an_average("1"))
    assert isinstance(unsure, Unpriced)


def test_symbol_whose_rules_are_missing_has_no_leftovers() -> None:
    """Without LOT_SIZE and the least notional nothing is known to be small."""
    assert isinstance(loss(leftover("0.0000084"), instruments={}), Unpriced)


def test_holding_that_became_a_leftover_needs_its_price_of_a_day_ago() -> None:
    """0.001 was held and 0.0000084 is left: what was sold is measured by the price of 24 hours ago."""
    day = leftover("0.0000084", "0.001", "59")
    assert loss(day, opens={"BTCUSDT": "60000"}, **ONE_SIDED) == D("60") - D("59") - D("0.504")
    assert isinstance(loss(day, opens={}, **ONE_SIDED), Unpriced)


def test_limit_is_reached_above_it_and_exits_pass() -> None:
    """Denied on more than the limit; the denial has both numbers; selling back what guardian bought is exempt."""
    at, over = facts(traded=(held(cash="-100"),)), facts(traded=(held(cash="-100.00000001"),), position=D("0.001"))
    assert judged(an_order(), at).decision is Decision.ALLOW
    said = denial(judged(an_order(), over), Code.DAILY_LOSS_EXCEEDS_MAX)
    assert (said.observed, said.limit) == ("100.00000001 USDT", "100 USDT")
    assert judged(a_sell(), over).decision is Decision.ALLOW
    assert Code.DAILY_LOSS_EXCEEDS_MAX in codes(judged(a_sell(quantity="0.00101"), over))


def test_only_what_matters_is_asked_for() -> None:
    """Books of what is held or was oversold, the price of a day ago of what was held then, paths of what moved."""
    days = (
        held("1", symbol="AUSDT"),
        held("0", "1", symbol="BUSDT"),
        held("0", "-1", symbol="CUSDT"),
        held(cash="-1", symbol="DEUR", quote="EUR", BNB="-1"),
    )
    needs = loss_needs(days)
    assert needs.books == {"AUSDT", "CUSDT"}
    assert needs.opens == {"BUSDT"}
    assert needs.assets == {"USDT", "EUR", "BNB"}
    assert needs.covers(loss_needs(days[:2]))
    assert not loss_needs(days[:2]).covers(needs)


amounts = st.decimals(min_value="-1000000", max_value="1000000", places=8)
quantities = st.decimals(min_value="-100", max_value="100", places=8)
prices = st.decimals(min_value="0.00000001", max_value="100000", places=8)
spreads = st.decimals(min_value="0", max_value="0.04", places=4)
"""As a part of the bid: what a usable price has at most."""


@given(position=quantities, before=quantities, cash=amounts, bid=prices, spread=spreads, open_price=prices)
def test_loss_is_the_formula_exactly(
    position: Decimal, before: Decimal, cash: Decimal, bid: Decimal, spread: Decimal, open_price: Decimal
) -> None:
    """In the accounting currency itself nothing is lost but to the eighth digit, and that never to the low side."""
    ask = bid * (1 + spread)
    day = DayTrading(
        symbol="BTCUSDT", quote_asset="USDT", position=position, position_before=before, cash={"USDT": cash}
    )
    given_facts = facts(
        books={"BTCUSDT": a_book(bid, ask)},
        average=an_average((bid + ask) / 2),
        traded=(day,),
        day_opens={"BTCUSDT": opened(open_price)},
    )
    found = day_loss((day,), given_facts, a_policy())
    now = Fraction(position) * Fraction(bid if position > 0 else ask)
    then = Fraction(before) * Fraction(open_price if before > 0 else ask)
    exact = -(Fraction(cash) + now - then)
    assert isinstance(found, D)
    assert 0 <= Fraction(found) - exact < Fraction(1, 10**8)


@given(cash=amounts, bid=prices, spread=spreads)
def test_converted_loss_is_never_below_that_at_any_price_between_bid_and_ask(
    cash: Decimal, bid: Decimal, spread: Decimal
) -> None:
    """Whatever the quote asset is really worth, within the book, the loss that is counted is no smaller."""
    ask = bid * (1 + spread)
    day = held(cash=str(cash), symbol="ETHBTC", quote="BTC")
    market = cross_facts(
        instruments={"ETHBTC": ETHBTC, "BTCUSDT": an_instrument()},
        books={"BTCUSDT": a_book(bid, ask), "ETHBTC": a_book("0.05", "0.0501")},
        averages={"BTCUSDT": an_average((bid + ask) / 2), "ETHBTC": an_average("0.05")},
        traded=(day,),
    )
    found = day_loss((day,), market, a_policy())
    assert isinstance(found, D)
    for price in (bid, (Fraction(bid) + Fraction(ask)) / 2, ask):
        assert Fraction(found) >= -Fraction(cash) * Fraction(price)


def test_prices_of_the_future_are_no_prices() -> None:
    """A book that was fetched after now is not fresh: the clock was set back."""
    assert isinstance(loss(held("1"), books={"BTCUSDT": a_book(age_ms=-1)}, clock_ms=NOW_MS), Unpriced)
    assert loss(held("1", cash=str(-BID)), books={"BTCUSDT": a_book(BID, ASK)}) == 0
