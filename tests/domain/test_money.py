"""Amounts: what is read, how it is written, and arithmetic that is exact or raises."""

from __future__ import annotations

import ast
import inspect
import re
from decimal import Decimal, DivisionByZero, Inexact, localcontext
from fractions import Fraction
from math import ceil, floor
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.domain import instruments, money
from guardian.domain.money import (
    AMOUNT_PATTERN,
    MAX_FRACTION_DIGITS,
    MAX_INTEGER_DIGITS,
    absolute_difference,
    ceil_to,
    divided_down,
    divided_up,
    floor_to,
    is_multiple,
    minus,
    parse_amount,
    parse_exchange_number,
    parse_positive,
    plain,
    plus,
    round_down,
    round_up,
    times,
    total,
)
from guardian.policy import case, conversion, engine, loss, notional, prices
from guardian.policy.rules import budget, listed, market
from guardian.store.transaction import ledger

calm = settings(deadline=None)
"""A busy machine is no fault of what is tested."""

REFUSED = [
    "",
    " ",
    "NaN",
    "nan",
    "sNaN",
    "Infinity",
    "-Infinity",
    "inf",
    "1e5",
    "1e-5",
    "1E+2",
    "1_000",
    "\uff11\uff12",  # full-width digits
    "\u0663",  # an Arabic digit
    "1\n",
    "\n1",
    " 1",
    "1 ",
    "+1",
    "-1",
    "-0",
    "01",
    "00",
    "00.5",
    "1.",
    ".5",
    "1.2.3",
    "1,5",
    "0x10",
    "1" * 21,
    "0." + "1" * 21,
    "true",
    "1\x00",
    "\u00bd",
    "\u22121",  # the minus sign of typographers
]
ACCEPTED = ["0", "0.0", "1", "0.001", "100.10", "9" * 20, "0." + "9" * 20, "9" * 20 + "." + "9" * 20]

amounts = st.from_regex(AMOUNT_PATTERN.removeprefix("^").removesuffix("$"), fullmatch=True).map(Decimal)
positives = amounts.filter(lambda value: value > 0)
steps = st.builds(lambda digits, places: Decimal(digits).scaleb(-places), st.integers(1, 500), st.integers(0, 20))


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_plain_ascii_decimal_is_refused(text: str) -> None:
    """Signs, exponents, underscores, spaces, leading zeros, other scripts, NaN and Infinity are no amounts."""
    with pytest.raises(ValueError, match="not a plain decimal"):
        parse_amount(text)
    with pytest.raises(ValueError, match="not a plain decimal"):
        parse_positive(text)
    assert re.search(AMOUNT_PATTERN.replace("$", r"\Z"), text) is None


@pytest.mark.parametrize("text", ACCEPTED)
def test_plain_decimals_of_at_most_twenty_digits_a_side_are_read_exactly(text: str) -> None:
    """The value read is the value written, to the last of twenty digits before and after the point."""
    assert parse_amount(text).compare_total(Decimal(text)) == 0
    assert MAX_INTEGER_DIGITS == MAX_FRACTION_DIGITS == 20


@calm
@given(st.one_of(st.text(max_size=30), st.from_regex(r"[-+0-9eE._]{1,30}", fullmatch=True), st.decimals().map(str)))
def test_whatever_is_accepted_is_plain_and_comes_back_the_same(text: str) -> None:
    """An accepted text matches Binance's own rule, is finite, not negative, and survives being written and read."""
    try:
        value = parse_amount(text)
    except ValueError:
        return
    assert re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?", text, re.ASCII)
    assert value.is_finite()
    assert not value.is_signed()
    assert parse_amount(plain(value)) == value
    assert Fraction(plain(value)) == Fraction(text)


@calm
@given(amounts)
def test_every_text_of_the_pattern_is_accepted(value: Decimal) -> None:
    """The pattern in the JSON schema and the parser admit the same texts."""
    assert parse_amount(format(value, "f")) == value


@pytest.mark.parametrize("text", ["0", "0.0", "0.00000000000000000000"])
def test_zero_is_no_positive_amount(text: str) -> None:
    """Zero is refused where an amount must be greater than zero."""
    with pytest.raises(ValueError, match="greater than zero"):
        parse_positive(text)
    assert parse_positive("0.00000000000000000001") > 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0.00100000", "0.001"), ("-12.5", "-12.5"), (7, "7"), (-7, "-7"), ("00.5", "0.5"), ("0.00000000", "0")],
)
def test_the_exchanges_numbers_are_signed_decimal_strings_or_integers(value: object, expected: str) -> None:
    """A decimal string with or without a sign, and a JSON integer, are read exactly."""
    assert plain(parse_exchange_number(value)) == expected


@pytest.mark.parametrize("value", [1.5, True, False, None, "", "NaN", "1e5", "+1", "1\n", "\uff11", [], "1" * 31, b"1"])
def test_anything_else_is_no_number_of_the_exchanges(value: object) -> None:
    """Floats, booleans and every other shape are refused, since they may have lost digits already."""
    with pytest.raises(ValueError, match="not a decimal string"):
        parse_exchange_number(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E-7", "0.0000001"),
        ("1E+5", "100000"),
        ("100", "100"),
        ("100.00", "100"),
        ("0.10", "0.1"),
        ("0", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("0E+9", "0"),
        ("0E-9", "0"),
        ("-1.50", "-1.5"),
    ],
)
def test_plain_never_shows_an_exponent_or_trailing_zeros(value: str, text: str) -> None:
    """Whatever its exponent, a number is written in plain notation and in one way only."""
    assert plain(Decimal(value)) == text


@calm
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**25), max_value=10**25, places=25))
def test_plain_loses_no_digit(value: Decimal) -> None:
    """What is written is exactly the value, whatever the thread's own precision is."""
    with localcontext() as context:
        context.prec = 3
        text = plain(value)
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", text)
    assert Fraction(text) == Fraction(value)


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_plain_refuses_what_is_not_finite(value: str) -> None:
    """NaN and infinities are never written."""
    with pytest.raises(ValueError, match="finite"):
        plain(Decimal(value))


@calm
@given(amounts, amounts, amounts)
def test_sums_products_and_differences_are_exact(first: Decimal, second: Decimal, third: Decimal) -> None:
    """Forty digits times forty digits lose nothing, whatever the thread's own precision is."""
    one, two, three = Fraction(first), Fraction(second), Fraction(third)
    with localcontext() as context:
        context.prec = 3
        assert Fraction(times(times(first, second), third)) == one * two * three
        assert Fraction(plus(plus(first, second), third)) == one + two + three
        assert Fraction(total([first, second, third])) == one + two + three
        assert Fraction(minus(first, second)) == one - two
        assert Fraction(absolute_difference(first, second)) == abs(one - two)
    assert total([]) == 0


@calm
@given(amounts, positives)
def test_quotients_err_on_the_side_they_are_named_for(dividend: Decimal, divisor: Decimal) -> None:
    """Rounded up is never too small and rounded down never too large, and neither is off by anything that counts."""
    exact = Fraction(dividend) / Fraction(divisor)
    up, down = Fraction(divided_up(dividend, divisor)), Fraction(divided_down(dividend, divisor))
    assert down <= exact <= up
    assert up - down < Fraction(1, 10**100)


def test_no_quotient_by_zero() -> None:
    """A division by zero raises; it is never an infinity."""
    with pytest.raises(DivisionByZero):
        divided_up(Decimal(1), Decimal(0))
    with pytest.raises(DivisionByZero):
        divided_down(Decimal(1), Decimal(0))


@calm
@given(amounts)
def test_rounding_is_at_the_eighth_digit_and_in_the_direction_asked_for(value: Decimal) -> None:
    """A notional is counted rounded up at the eighth digit; a budget is rounded down there."""
    eighths = Fraction(value) * 10**8
    assert Fraction(round_up(value)) == Fraction(ceil(eighths), 10**8)
    assert Fraction(round_down(value)) == Fraction(floor(eighths), 10**8)


@calm
@given(amounts, steps)
def test_floor_ceil_and_multiple_are_exact(value: Decimal, step: Decimal) -> None:
    """The multiples below and above a value are the true ones, and a multiple is distinguished from its neighbours."""
    count = Fraction(value) / Fraction(step)
    assert Fraction(floor_to(value, step)) == floor(count) * Fraction(step)
    assert Fraction(ceil_to(value, step)) == ceil(count) * Fraction(step)
    assert is_multiple(value, step) is (count.denominator == 1)
    assert is_multiple(floor_to(value, step), step)


@calm
@given(positives, steps)
def test_a_negative_value_is_floored_downwards(value: Decimal, step: Decimal) -> None:
    """Floor and ceiling mean below and above for negative values too."""
    value = value.copy_negate()
    count = Fraction(value) / Fraction(step)
    assert Fraction(floor_to(value, step)) == floor(count) * Fraction(step)
    assert Fraction(ceil_to(value, step)) == ceil(count) * Fraction(step)


@calm
@given(amounts)
def test_a_step_of_zero_is_disabled(value: Decimal) -> None:
    """With a step of zero every value is a multiple, and nothing is rounded."""
    zero = Decimal("0.00000000")
    assert floor_to(value, zero) == ceil_to(value, zero) == value
    assert is_multiple(value, zero)


def test_what_would_have_to_round_raises() -> None:
    """A product or a sum that does not fit raises instead of losing a digit silently."""
    long = Decimal("1." + "3" * 150)
    with pytest.raises(Inexact):
        times(long, long)
    with pytest.raises(Inexact):
        plus(Decimal(10) ** 150, Decimal(10) ** -150)
    with pytest.raises(Inexact):
        minus(Decimal(10) ** 150, Decimal(10) ** -150)


@pytest.mark.parametrize(
    "module",
    [
        instruments,
        money,
        case,
        conversion,
        engine,
        ledger,
        loss,
        notional,
        prices,
        budget,
        listed,
        market,
    ],
)
def test_amounts_are_worked_with_by_name_only(module: ModuleType) -> None:
    """No bare operator and no `abs`, `round` or `sum` touches an amount: those round to the thread's 28 digits.

    What is left is integers, sets, strings and types; each such place is listed here.
    """
    allowed = {
        "facts.clock_ms - book.fetched_ms",
        "facts.clock_ms - average.traded_ms",
        "usage.open_orders + 1",
        "listed.count + usage.open_orders_on_symbol",
        "listed.stops + usage.open_stop_orders_on_symbol",
        "sent + 1",
        "milliseconds % length",
        "milliseconds // length",
        "needs - {Fact.BALANCES}",
        "ALWAYS + LISTED",
        "abs(skew)",
        "self.now_ms - window_ms",
        "-CLOCK_LIMIT_MS",
    }
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        arithmetic = isinstance(node, ast.BinOp) and not isinstance(node.op, ast.BitOr)
        call = (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"abs", "round", "sum"}
        )
        sign = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        if arithmetic or call or sign or isinstance(node, ast.AugAssign):
            found.add(ast.unparse(node))
    assert found <= allowed
