"""Instruments: the exchange's filters exactly, and a nearest value that really is valid and nearest."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from guardian.domain.instruments import Instrument, PercentPrice, Range, largest_quantity
from guardian.domain.money import ZERO, is_multiple, parse_exchange_number, times
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, ResolvedOrder, TimeInForce
from tests.support.fixtures import LISTINGS, listing, recording

calm = settings(deadline=None)
"""A busy machine is no fault of what is tested."""

D = Decimal


def an_instrument(**changed: object) -> Instrument:
    """BTCUSDT with plain filters, but for what is changed."""
    values: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "base_asset": "BTC",
        "quote_asset": "USDT",
        "status": "TRADING",
        "order_types": frozenset({"LIMIT", "STOP_LOSS_LIMIT"}),
        "price": Range(minimum=D("0.01"), maximum=D("1000000"), step=D("0.01")),
        "lot": Range(minimum=D("0.00001"), maximum=D("9000"), step=D("0.00001")),
        "min_notional": D("5"),
        "max_notional": D("9000000"),
        **changed,
    }
    return Instrument(**values)


def an_order(
    price: str | Decimal, quantity: str | Decimal, side: OrderSide = OrderSide.BUY, stop: str | None = None
) -> ResolvedOrder:
    """A resolved LIMIT order, or a stop-limit order where there is a stop price."""
    kind = OrderType.LIMIT if stop is None else OrderType.STOP_LOSS_LIMIT
    stop_price = None if stop is None else D(stop)
    spec = OrderSpec(
        symbol="BTCUSDT", side=side, order_type=kind, quantity=D(quantity), price=D(price), stop_price=stop_price
    )
    return ResolvedOrder(
        spec=spec,
        wire_type=kind,
        quantity=D(quantity),
        price=D(price),
        stop_price=stop_price,
        time_in_force=TimeInForce.GTC,
    )


def filters(instrument: Instrument, order: ResolvedOrder, average: str = "60000") -> list[str]:
    return [breach.filter for breach in instrument.breaches(order, D(average))]


@pytest.mark.parametrize(
    ("value", "admitted"),
    [("1", True), ("9", True), ("0.99", False), ("9.01", False), ("1.5", True), ("1.25", False), ("0", False)],
)
def test_bounds_are_inclusive_and_steps_are_whole(value: str, admitted: bool) -> None:
    """The least and the greatest value pass, what is past them or between two steps does not."""
    assert Range(minimum=D(1), maximum=D(9), step=D("0.5")).admits(D(value)) is admitted


@pytest.mark.parametrize("value", ["0.00000001", "123456789.123456789"])
def test_a_bound_or_a_step_of_zero_is_disabled(value: str) -> None:
    """Zero disables a bound and a step, as on the exchange; the rest still holds."""
    assert Range().admits(D(value))
    assert Range(minimum=D("0.00000000"), maximum=D("0.00000000"), step=D("0.00000000")).admits(D(value))


@pytest.mark.parametrize("value", ["0", "-1", "-0.00000001"])
def test_nothing_at_or_below_zero_is_ever_admitted(value: str) -> None:
    """No price and no quantity is zero or negative, even where every bound is disabled."""
    assert not Range().admits(D(value))
    assert not Range(step=D("1")).admits(D(value))


@pytest.mark.parametrize(
    ("allowed", "words"),
    [
        (Range(minimum=D(1), maximum=D("9.0"), step=D("0.50")), "at least 1, at most 9, a multiple of 0.5"),
        (Range(step=D("0.01")), "a multiple of 0.01"),
        (Range(), "any"),
    ],
)
def test_bounds_are_told_in_words(allowed: Range, words: str) -> None:
    """A denial says the bounds that are in force and no other."""
    assert allowed.describe() == words


tenths = st.integers(0, 60).map(lambda n: D(n) / 10)


@calm
@given(
    minimum=tenths,
    maximum=tenths,
    step=st.sampled_from(["0", "0.1", "0.2", "0.3", "0.5", "0.7", "1.1"]).map(D),
    value=st.integers(1, 90).map(lambda n: D(n) / 10),
)
def test_the_nearest_value_is_valid_and_none_is_nearer(
    minimum: Decimal, maximum: Decimal, step: Decimal, value: Decimal
) -> None:
    """Of all valid values the one named is the nearest, the lower one of two; none is named where none is valid."""
    allowed = Range(minimum=minimum, maximum=maximum, step=step)
    nearest = allowed.nearest(value)
    valid = [D(n) / 10 for n in range(1, 200) if allowed.admits(D(n) / 10)]
    if nearest is None:
        assert valid == []
        return
    assert allowed.admits(nearest)
    assert nearest == min(valid, key=lambda one: (abs(one - value), one))
    if allowed.admits(value):
        assert nearest == value


def test_the_nearest_value_stays_below_a_greatest_that_is_between_steps() -> None:
    """A greatest value between two steps is not rounded up past itself."""
    assert Range(maximum=D(11), step=D(3)).nearest(D(11)) == 9
    assert Range(minimum=D(10), maximum=D(11), step=D(3)).nearest(D("10.5")) is None


def test_the_nearest_value_is_never_zero() -> None:
    """Below the first step, the first step is the nearest, since zero is no quantity."""
    assert Range(step=D("0.5")).nearest(D("0.1")) == D("0.5")
    assert Range().nearest(D("-1")) == D("0.00000001")


def test_an_order_within_every_filter_breaks_none() -> None:
    """An order that fits leaves no breach."""
    assert filters(an_instrument(), an_order("60000", "0.001")) == []
    assert filters(an_instrument(), an_order("60000", "0.001", stop="59000")) == []


@pytest.mark.parametrize(
    ("order", "breaches", "nearest"),
    [
        (an_order("60000.001", "0.001"), ["PRICE_FILTER"], "60000"),
        (an_order("60000.005", "0.001"), ["PRICE_FILTER"], "60000"),
        (an_order("60000.006", "0.001"), ["PRICE_FILTER"], "60000.01"),
        (an_order("60000", "0.001", stop="59000.001"), ["PRICE_FILTER"], "59000"),
        (an_order("1000000.01", "0.001"), ["PRICE_FILTER"], "1000000"),
        (an_order("60000", "0.000105"), ["LOT_SIZE"], "0.0001"),
        (an_order("60000", "0.000106"), ["LOT_SIZE"], "0.00011"),
        (an_order("60000", "0.00008"), ["NOTIONAL"], "0.00009"),
        (an_order("60000", "151"), ["NOTIONAL"], "150"),
        (an_order("0.01", "9000.00001"), ["LOT_SIZE"], "9000"),
    ],
)
def test_each_filter_is_exact_and_names_the_nearest_value(
    order: ResolvedOrder, breaches: list[str], nearest: str
) -> None:
    """A price between ticks, a quantity between steps or past its bounds, and a notional past its bounds are named."""
    found = an_instrument().breaches(order, D("60000"))
    assert [breach.filter for breach in found] == breaches
    assert found[0].nearest == nearest
    assert found[0].observed
    assert found[0].limit


def test_several_breaches_are_all_named_in_the_exchanges_order() -> None:
    """Every filter that is broken is listed, not just the first."""
    instrument = an_instrument(percent_price=PercentPrice(bid_up=D("1.1"), bid_down=ZERO, ask_up=ZERO, ask_down=ZERO))
    order = an_order("90000.001", "0.0000155", stop="59000.001")
    assert filters(instrument, order) == [
        "PRICE_FILTER",
        "PRICE_FILTER",
        "PERCENT_PRICE_BY_SIDE",
        "LOT_SIZE",
        "NOTIONAL",
    ]


BAND = PercentPrice(bid_up=D("1.1"), bid_down=D("0.8"), ask_up=D("1.2"), ask_down=D("0.9"))


@pytest.mark.parametrize(
    ("side", "price", "passes", "nearest"),
    [
        (OrderSide.BUY, "66000", True, None),
        (OrderSide.BUY, "66000.01", False, "66000"),
        (OrderSide.BUY, "48000", True, None),
        (OrderSide.BUY, "47999.99", False, "48000"),
        (OrderSide.SELL, "72000", True, None),
        (OrderSide.SELL, "72000.01", False, "72000"),
        (OrderSide.SELL, "54000", True, None),
        (OrderSide.SELL, "53999.99", False, "54000"),
    ],
)
def test_the_percent_band_is_the_sides_own(side: OrderSide, price: str, passes: bool, nearest: str | None) -> None:
    """BUY is held to the bid factors and SELL to the ask factors of the average price, both ends included."""
    found = an_instrument(percent_price=BAND).breaches(an_order(price, "0.001", side), D("60000"))
    assert [breach.filter for breach in found] == ([] if passes else ["PERCENT_PRICE_BY_SIDE"])
    if found:
        assert found[0].nearest == nearest
        assert not an_instrument(percent_price=BAND).breaches(an_order(D(nearest or 0), "0.001", side), D("60000"))


def test_a_percent_factor_of_zero_is_disabled() -> None:
    """Where a factor is zero, that end of the band is open."""
    instrument = an_instrument(percent_price=PercentPrice(bid_up=ZERO, bid_down=ZERO, ask_up=ZERO, ask_down=ZERO))
    assert filters(instrument, an_order("999999", "0.001")) == []
    assert filters(instrument, an_order("0.01", "1000")) == []


def test_the_nearest_price_of_the_percent_band_is_on_the_tick_and_within_the_price_filter() -> None:
    """The price that is named passes PRICE_FILTER too; none is named where the two have none in common."""
    narrow = an_instrument(percent_price=BAND, price=Range(minimum=D(70), maximum=D(100), step=D(7)))
    (breach,) = narrow.breaches(an_order("98", "10"), D("80"))
    assert (breach.filter, breach.nearest) == ("PERCENT_PRICE_BY_SIDE", "84")
    (breach,) = narrow.breaches(an_order("98", "10"), D("20"))
    assert breach.nearest is None


@calm
@given(
    minimum=st.integers(0, 500).map(D),
    spread=st.integers(0, 500).map(D),
    price=st.integers(1, 100_000).map(lambda n: D(n) / 100),
    quantity=st.integers(1, 200_000).map(lambda n: D(n) / 1000),
    step=st.sampled_from(["0", "0.001", "0.05", "1"]).map(D),
    least=st.sampled_from(["0", "0.001", "2"]).map(D),
    most=st.sampled_from(["0", "50", "100"]).map(D),
)
def test_the_quantity_named_by_a_notional_breach_really_passes(
    minimum: Decimal,
    spread: Decimal,
    price: Decimal,
    quantity: Decimal,
    step: Decimal,
    least: Decimal,
    most: Decimal,
) -> None:
    """An order of the named quantity breaks no filter; where none is named, no whole step passes either."""
    instrument = an_instrument(
        price=Range(),
        lot=Range(minimum=least, maximum=most, step=step),
        min_notional=minimum,
        max_notional=minimum + spread,
    )
    found = [b for b in instrument.breaches(an_order(price, quantity), price) if b.filter == "NOTIONAL"]
    assume(found)
    (breach,) = found
    if breach.nearest is not None:
        assert filters(instrument, an_order(price, breach.nearest), str(price)) == []
        return
    grid = step or D("0.001")
    first = largest_quantity(minimum, price, grid)
    assert all(filters(instrument, an_order(price, first + grid * n), str(price)) for n in range(-3, 4))


def test_a_notional_breach_at_no_price_names_no_quantity() -> None:
    """A price of zero breaks the price filter and the notional, and no quantity would mend it."""
    found = an_instrument().breaches(an_order("0", "1"), D("60000"))
    assert [(breach.filter, breach.nearest) for breach in found] == [("PRICE_FILTER", "0.01"), ("NOTIONAL", None)]
    assert an_instrument().largest_valid(D(1), ZERO) is None


def test_disabled_notional_bounds_admit_everything() -> None:
    """Bounds of zero on the notional are disabled."""
    instrument = an_instrument(min_notional=ZERO, max_notional=ZERO)
    assert filters(instrument, an_order("0.01", "0.00001")) == []
    assert filters(instrument, an_order("1000000", "9000")) == []


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [
        ("0.0012345", "60000", "0.00123"),
        ("0.00008", "60000", None),  # below the least notional
        ("9999", "1", "9000"),  # the greatest lot
        ("200", "60000", "150"),  # the greatest notional
        ("0.000009", "60000", None),  # below the first step
    ],
)
def test_the_largest_valid_quantity_fits_lot_and_notional(quantity: str, price: str, expected: str | None) -> None:
    """It is cut to the step and to the greatest lot and notional; None where nothing as small is admitted."""
    found = an_instrument().largest_valid(D(quantity), D(price))
    assert found == (None if expected is None else D(expected))


def test_without_a_greatest_lot_or_notional_the_largest_valid_quantity_is_the_one_asked_for() -> None:
    """Where nothing caps it and nothing steps it, the quantity itself is cut at the eighth digit."""
    free = an_instrument(lot=Range(), max_notional=ZERO)
    assert free.largest_valid(D("123456.123456789"), D(1)) == D("123456.12345678")


@calm
@given(
    notional=st.integers(1, 10**12).map(lambda n: D(n) / 10**4),
    price=st.integers(1, 10**12).map(lambda n: D(n) / 10**6),
    step=st.sampled_from(["0", "0.00001", "0.3", "1"]).map(D),
)
def test_the_largest_quantity_costs_no_more_and_the_next_step_does(
    notional: Decimal, price: Decimal, step: Decimal
) -> None:
    """quantity * price <= notional < (quantity + step) * price, in whole steps, or eighth digits without a step."""
    quantity = largest_quantity(notional, price, step)
    grid = step or D("0.00000001")
    assert is_multiple(quantity, grid)
    assert times(quantity, price) <= notional < times(quantity + grid, price)


@pytest.mark.parametrize(("notional", "price"), [("0", "1"), ("-1", "1"), ("1", "0"), ("1", "-1")])
def test_nothing_is_bought_for_nothing_or_at_no_price(notional: str, price: str) -> None:
    """No budget and no price buy no quantity, and nothing is divided by zero."""
    assert largest_quantity(D(notional), D(price), D("0.1")) == 0


@pytest.mark.parametrize("status", ["BREAK", "HALT", "CANCEL_ONLY", "AUCTION_MATCH", "trading", "", "NEW_ONE"])
def test_only_trading_is_trading(status: str) -> None:
    """Every other status, known or not, takes no new orders."""
    assert not an_instrument(status=status).is_trading
    assert an_instrument().is_trading


def _range(row: dict[str, Any], name: str, least: str, most: str, step: str) -> Range:
    for one in row["filters"]:
        if one["filterType"] == name:
            return Range(
                minimum=parse_exchange_number(one[least]),
                maximum=parse_exchange_number(one[most]),
                step=parse_exchange_number(one[step]),
            )
    return Range()


@pytest.mark.parametrize(
    "name",
    LISTINGS,
)
def test_the_bounds_of_every_known_symbol_are_admitted_and_what_is_past_them_is_not(name: str) -> None:
    """On every known symbol, made or really listed, the least tick and lot pass, and half a step past does not."""
    seen = 0
    for row in listing(name)["symbols"]:
        for allowed in (
            _range(row, "PRICE_FILTER", "minPrice", "maxPrice", "tickSize"),
            _range(row, "LOT_SIZE", "minQty", "maxQty", "stepSize"),
        ):
            if allowed.minimum == 0 or allowed.step == 0:
                continue
            seen += 1
            assert allowed.admits(allowed.minimum), row["symbol"]
            past = allowed.minimum + allowed.step / 2
            assert not allowed.admits(past), row["symbol"]
            assert allowed.nearest(past) == allowed.minimum, row["symbol"]
            assert not allowed.admits(allowed.minimum - allowed.step), row["symbol"]
            top = allowed.nearest(allowed.maximum + allowed.step)
            assert top is not None, row["symbol"]
            assert allowed.admits(top), row["symbol"]
    assert seen > 0


@pytest.mark.parametrize(
    ("step", "amount", "sent"),
    [
        ("0.00001000", "0.0012349871246091357", "0.00123"),
        ("0.30000000", "2.0999999999999996", "1.8"),
        ("1.00000000", "7.000000000000001", "7"),
    ],
)
def test_what_others_round_to_the_grid_is_admitted_and_what_they_were_given_is_not(
    step: str, amount: str, sent: str
) -> None:
    """An amount that a client rounds down is on the grid; the odd amount it came from is a breach, never rounded."""
    lot = Range(step=D(step))
    assert lot.admits(D(sent))
    assert not lot.admits(D(amount))
    assert lot.nearest(D(amount)) in {D(sent), D(sent) + lot.step}


@pytest.mark.recorded
def test_wire_values_that_were_recorded_are_on_the_grid() -> None:
    """ccxt's recorded wire values are admitted, and the odd amounts they came from are not."""
    cases = [
        one for one in recording("ccxt_cases/quantisation_and_responses.json")["request_cases"] if "stepSize" in one
    ]
    assert cases
    for one in cases:
        lot = Range(step=D(one["stepSize"]))
        given_amount, sent = D(repr(one["in"]["amount"])), D(one["wire"]["quantity"])
        assert lot.admits(sent)
        assert not lot.admits(given_amount)
        assert lot.nearest(given_amount) in {sent, sent + lot.step}
