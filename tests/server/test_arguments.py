"""From arguments to requests: amounts, times, and what makes one order."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardian.domain.money import parse_positive, plain
from guardian.domain.orders import OrderSide, OrderType, TimeInForce
from guardian.domain.requests import CancelAll, CancelOrder, OrdersWanted, WithdrawProposal
from guardian.errors import InvalidArguments
from guardian.server.arguments import check_period, parse_amount_argument, parse_time_argument
from guardian.server.tools.orders import cancel_order, create_order, get_orders
from guardian.system.local_moments import LocalMoment
from tests.support.present import present

NOTHING: dict[str, Any] = dict.fromkeys(
    (
        "symbol",
        "side",
        "order_type",
        "quantity",
        "quote_quantity",
        "price",
        "stop_price",
        "time_in_force",
        "confirmation_token",
    )
)
ONE = Decimal(1)
YEARS = (datetime.fromisoformat("2017-01-02"), datetime.fromisoformat("2099-12-30"))


def shown(value: object) -> str:
    """A short name for a test of `value`; Python does not write integers of thousands of digits."""
    return f"{value.bit_length()} bits" if isinstance(value, int) and value.bit_length() > 64 else repr(value)[:30]


def mistakes_of(**fields: Any) -> dict[str, str]:
    with pytest.raises(InvalidArguments) as refused:
        create_order(**{**NOTHING, **fields})
    return {mistake.field: mistake.message for mistake in refused.value.mistakes}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.001", "0.001"),
        ("60000.00", "60000"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (100, "100"),
        (1.0, "1"),
        (1e5, "100000"),
    ],
)
def test_amount_is_taken_exactly(value: str | float, expected: str) -> None:
    """A decimal string is taken as it is, a JSON number as its shortest decimal text."""
    assert parse_amount_argument(value) == Decimal(expected)
    assert plain(parse_amount_argument(value)) == expected


@pytest.mark.parametrize(
    "value",
    [
        True, False, None, [], {}, "", "0", "0.0", "-1", "+1", "1e-5", "1E5", "1_000", "\uff11\uff12", "\u0663", " 1",
        "1 ", "1\n", "1,5",
        "0x10", "NaN", "Infinity", "-0", ".5", "5.", "00.1", "1" * 21, "0." + "1" * 21, "9" * 10_000,
        math.nan, math.inf, -math.inf, 0, 0.0, -0.0, -1, -0.1, 10**15, 10**5000, 1e16, 1e308, 5e-324, 1e-21,
        0.12345678901234567, 12345678.901234567, 1234567890123456,
    ],
    ids=shown,
)  # fmt: skip
def test_everything_else_is_no_amount(value: Any) -> None:
    """Zero, signs, exponents, blanks, other scripts, booleans, NaN, infinities and numbers of 16 digits are refused."""
    with pytest.raises(ValueError):
        parse_amount_argument(value)


@given(st.decimals(min_value="0.00000001", max_value="99999999", places=8))
def test_any_plain_decimal_string_is_kept_to_the_last_digit(value: Decimal) -> None:
    """What is written as a plain decimal arrives as exactly that number."""
    assert parse_amount_argument(format(value, "f").lstrip("+")) == value


@given(st.integers(min_value=1, max_value=10**15 - 1), st.integers(min_value=0, max_value=15))
def test_number_with_at_most_15_digits_is_taken_as_it_was_written(digits: int, places: int) -> None:
    """A JSON number with up to 15 significant digits loses nothing on its way through a double."""
    written = Decimal(digits).scaleb(-places)
    assert parse_amount_argument(float(written)) == written


@given(st.one_of(st.floats(), st.integers(), st.text(max_size=60), st.booleans(), st.none()))
def test_amount_is_positive_and_finite_or_refused(value: str | float | None) -> None:
    """Whatever comes in, what comes out is a finite amount above zero in plain notation, or a ValueError."""
    try:
        taken = parse_amount_argument(value)
    except ValueError:
        return
    assert taken.is_finite()
    assert taken > 0
    assert parse_positive(plain(taken)) == taken
    if isinstance(value, float):
        assert float(taken) == value


@given(st.floats(min_value=1e-10, max_value=1e14, allow_subnormal=False))
def test_number_with_more_digits_is_refused_not_rounded(value: float) -> None:
    """A JSON number is taken exactly or not at all."""
    digits = len(Decimal(repr(value)).normalize().as_tuple().digits)
    if digits > 15:
        with pytest.raises(ValueError, match="15"):
            parse_amount_argument(value)
    else:
        assert parse_amount_argument(value) == Decimal(repr(value))


@given(st.datetimes(*YEARS), st.integers(-14 * 60, 14 * 60))
def test_time_with_any_offset_is_the_same_instant(value: datetime, minutes: int) -> None:
    """ISO 8601 with an offset means the instant that it names, cut to the millisecond."""
    aware = value.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    expected = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert parse_time_argument(aware.isoformat()) == expected
    assert parse_time_argument(expected) == expected


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30", "2026-11-22T25:00", "2016-12-31", "2100-01-01", "2026-11-22T1", "2026-11-22 10:00:00Z",
        "20261122T100000Z", "2026-W47-7T10:00:00Z",
        "2026-11-22T10:00:00Z ", "2026-11-22T10:00:00Z\n", "\uff12\uff1026-11-22T10:00:00Z", "2026-13-22T10:00:00Z",
        "2026-11-22T25:00:00Z", "2026-11-22T10:00:00+99:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
        "1999-01-01T00:00:00Z", "now", "tomorrow", "today ", "", "1763800000000", "2" * 1000,
        0, -1, 1_763_800_000, 10**18, 10**5000, True, 1.7638e12, math.nan, None,
    ],
    ids=shown,
)  # fmt: skip
def test_everything_else_is_no_time(value: str | float | None) -> None:
    """Seconds for milliseconds, and dates that do not exist are refused, not guessed at."""
    with pytest.raises(ValueError):
        parse_time_argument(value)


@pytest.mark.parametrize("value", ["today", "Monday", "2026-11-22", "2026-11-22T10:00", "2026-11-22 10:00:00.5"])
def test_day_and_time_without_an_offset_are_of_this_machine(value: str) -> None:
    """What they are is known once the call is served; an end is the end of the day."""
    assert parse_time_argument(value) == LocalMoment(text=value, is_end=False)
    assert parse_time_argument(value, is_end=True) == LocalMoment(text=value, is_end=True)


def test_every_missing_field_of_an_order_is_named_at_once() -> None:
    """An empty order gets a list of all that it lacks."""
    assert set(mistakes_of()) == {"symbol", "side", "order_type", "quantity"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"order_type": OrderType.MARKET}, {"quantity"}),
        ({"order_type": OrderType.MARKET, "quantity": ONE, "quote_quantity": ONE}, {"quantity"}),
        ({"order_type": OrderType.MARKET, "quantity": ONE, "price": ONE}, {"price"}),
        ({"order_type": OrderType.MARKET, "quantity": ONE, "time_in_force": TimeInForce.IOC}, {"time_in_force"}),
        ({"order_type": OrderType.MARKET, "quantity": ONE, "stop_price": ONE}, {"stop_price"}),
        ({"order_type": OrderType.LIMIT, "quantity": ONE}, {"price"}),
        ({"order_type": OrderType.LIMIT, "quote_quantity": ONE, "price": ONE}, {"quote_quantity"}),
        ({"order_type": OrderType.LIMIT, "quantity": ONE, "price": ONE, "stop_price": ONE}, {"stop_price"}),
        (
            {"order_type": OrderType.LIMIT_MAKER, "quantity": ONE, "price": ONE, "time_in_force": TimeInForce.GTC},
            {"time_in_force"},
        ),
        ({"order_type": OrderType.STOP_LOSS_LIMIT, "quantity": ONE, "price": ONE}, {"stop_price"}),
        ({"order_type": OrderType.TAKE_PROFIT_LIMIT, "quantity": ONE}, {"price", "stop_price"}),
        ({"order_type": OrderType.STOP_LOSS, "quantity": ONE, "price": ONE}, {"price", "stop_price"}),
        (
            {
                "order_type": OrderType.MARKET,
                "side": None,
                "quantity": ONE,
                "quote_quantity": ONE,
                "price": ONE,
                "stop_price": ONE,
                "time_in_force": TimeInForce.FOK,
            },
            {"side", "quantity", "price", "stop_price", "time_in_force"},
        ),
    ],
)
def test_fields_that_do_not_make_one_order_are_all_named(fields: dict[str, Any], named: set[str]) -> None:
    """Each field that is missing or does not belong to the order type is named, all of them at once."""
    assert set(mistakes_of(**{"symbol": "BTCUSDT", "side": OrderSide.BUY, **fields})) == named


@pytest.mark.parametrize("order_type", [OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT])
def test_limit_types_stay_until_cancelled_unless_said_otherwise(order_type: OrderType) -> None:
    """Time in force is GTC for the limit types where none was named, and what was named is kept."""
    stop = ONE if order_type is not OrderType.LIMIT else None
    fields: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": OrderSide.SELL,
        "order_type": order_type,
        "quantity": ONE,
        "price": ONE,
    }
    asked = create_order(**{**NOTHING, **fields, "stop_price": stop})
    assert present(asked.order).time_in_force is TimeInForce.GTC
    asked = create_order(**{**NOTHING, **fields, "stop_price": stop, "time_in_force": TimeInForce.FOK})
    assert present(asked.order).time_in_force is TimeInForce.FOK


def test_market_by_quote_quantity_is_one_order() -> None:
    """A MARKET order may name what it spends instead of what it buys."""
    asked = create_order(
        **{**NOTHING, "symbol": "BTCUSDT", "side": OrderSide.BUY, "order_type": OrderType.MARKET, "quote_quantity": ONE}
    )
    assert present(asked.order).quote_quantity == ONE
    assert present(asked.order).time_in_force is None


def test_token_does_not_show_in_the_request() -> None:
    """The request with a token can be printed and logged without giving it away."""
    asked = create_order(**{**NOTHING, "confirmation_token": "canary-token-1"})
    assert "canary" not in repr(asked)
    assert present(asked.confirmation_token).reveal() == "canary-token-1"


CANCEL: dict[str, Any] = {"symbol": None, "order_id": None, "client_order_id": None, "proposal_id": None}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({}, {"symbol", "order_id"}),
        ({"symbol": "BTCUSDT"}, {"order_id"}),
        ({"order_id": 1}, {"symbol"}),
        ({"symbol": "BTCUSDT", "order_id": 1, "client_order_id": "g1-x"}, {"order_id"}),
        ({"symbol": "BTCUSDT", "proposal_id": "K7QM2X"}, {"symbol"}),
        ({"order_id": 1, "client_order_id": "g1-x", "proposal_id": "K7QM2X"}, {"order_id", "client_order_id"}),
    ],
)
def test_cancel_needs_a_symbol_and_one_id_or_a_proposal_alone(given: dict[str, Any], wrong: set[str]) -> None:
    """Every field that is missing or too many is named."""
    with pytest.raises(InvalidArguments) as raised:
        cancel_order(**CANCEL | given)
    assert {mistake.field for mistake in raised.value.mistakes} == wrong


def test_cancel_is_of_an_order_or_of_a_proposal() -> None:
    """With a symbol and one id it cancels an order; with a proposal's id alone it withdraws that."""
    assert cancel_order(**CANCEL | {"symbol": "BTCUSDT", "order_id": 1}) == CancelOrder(symbol="BTCUSDT", order_id=1)
    assert cancel_order(**CANCEL | {"proposal_id": "K7QM2X"}) == WithdrawProposal(proposal_id="K7QM2X")


@pytest.mark.parametrize("given", [{"order_id": 1}, {"client_order_id": "g1-1"}, {"proposal_id": "K7QM2X"}])
def test_cancel_of_all_takes_a_symbol_or_nothing_else(given: dict[str, Any]) -> None:
    """An id beside `all` is a mistake, and nothing is cancelled by either; `all` false is leaving it out."""
    assert cancel_order(**CANCEL | {"all": True}) == CancelAll()
    assert cancel_order(**CANCEL | {"all": True, "symbol": "BTCUSDT"}) == CancelAll(symbol="BTCUSDT")
    with pytest.raises(InvalidArguments, match="not together with all"):
        cancel_order(**CANCEL | {"all": True, "symbol": "BTCUSDT"} | given)
    with pytest.raises(InvalidArguments, match="unless proposal_id or all is given"):
        cancel_order(**CANCEL | {"all": False})


NO_ORDERS: dict[str, Any] = dict.fromkeys(("symbol", "status", "order_id", "client_order_id", "start_time", "end_time"))


@pytest.mark.parametrize(
    ("given", "status", "is_assumed"),
    [
        ({}, "open", True),
        ({"status": OrdersWanted.OPEN}, "open", False),
        ({"status": OrdersWanted.ALL}, "all", False),
        ({"start_time": 5}, "all", False),
        ({"end_time": 5}, "all", False),
        ({"symbol": "BTCUSDT"}, "all", False),
        ({"symbol": "BTCUSDT", "start_time": 5, "end_time": 5 + 400 * 86_400_000, "cursor": "o1.0"}, "all", False),
    ],
)
def test_orders_without_a_status_are_the_open_ones_or_those_of_what_is_named(
    given: dict[str, Any], status: str, is_assumed: bool
) -> None:
    """Without symbol, times and status the open ones are meant, which the reply then says; a period has no limit."""
    request = get_orders(**NO_ORDERS | given)
    assert (request.status.value, request.is_status_assumed) == (status, is_assumed)
    assert request.symbol == given.get("symbol")


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"order_id": 1}, {"symbol"}),
        ({"cursor": "o1.0"}, {"cursor"}),
        ({"symbol": "BTCUSDT", "order_id": 1, "client_order_id": "g1-1"}, {"order_id"}),
        ({"symbol": "BTCUSDT", "order_id": 1, "start_time": 5}, {"start_time"}),
        ({"symbol": "BTCUSDT", "status": OrdersWanted.OPEN, "end_time": 5}, {"end_time"}),
        ({"start_time": 6, "end_time": 5}, {"start_time"}),
    ],
)
def test_orders_by_what_does_not_go_together_are_refused(given: dict[str, Any], wrong: set[str]) -> None:
    """Each mistake is named by its argument."""
    with pytest.raises(InvalidArguments) as raised:
        get_orders(**NO_ORDERS | given)
    assert {mistake.field for mistake in raised.value.mistakes} == wrong


def test_period_is_bounded_on_both_sides() -> None:
    """A period must not run backwards and not be longer than the exchange takes; open ends are fine."""
    check_period(None, 1)
    check_period(5, 5, most_days=1)
    with pytest.raises(InvalidArguments, match="must not be after"):
        check_period(2, 1)
    with pytest.raises(InvalidArguments, match="90 days"):
        check_period(0, 90 * 86_400_000 + 1, most_days=90)
    check_period(0, 90 * 86_400_000, most_days=90)
