"""Exact decimal arithmetic: strict parsing, plain formatting, and rounding whose direction is always named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from typing import Final

MAX_INTEGER_DIGITS: Final = 20
MAX_FRACTION_DIGITS: Final = 20
"""Binance takes `^([0-9]{1,20})(\\.[0-9]{1,20})?$` and nothing else."""

# Written with [0-9], not \d, which also matches digits of other scripts; used with fullmatch, since `$` matches
# before a trailing newline.
_AMOUNT: Final = re.compile(r"(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?", re.ASCII)
_SIGNED: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
AMOUNT_PATTERN: Final = f"^{_AMOUNT.pattern}$"
"""The same rule for JSON schemas."""

# Forty digits before and after the point, squared, fit: whatever is computed here is exact, or it raises.
_EXACT: Final = Context(prec=200, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
_UP: Final = Context(prec=200, rounding=ROUND_UP, traps=[InvalidOperation, DivisionByZero, Overflow])
_DOWN: Final = Context(prec=200, rounding=ROUND_DOWN, traps=[InvalidOperation, DivisionByZero, Overflow])

# The context's own methods: a judgement calls them thirty times, and a function around one takes longer than the sum.
plus: Final[Callable[[Decimal, Decimal], Decimal]] = _EXACT.add
"""Returns the exact sum of two amounts; `total` takes an iterable."""
minus: Final[Callable[[Decimal, Decimal], Decimal]] = _EXACT.subtract
"""Returns the exact difference."""
times: Final[Callable[[Decimal, Decimal], Decimal]] = _EXACT.multiply
"""Returns the exact product. Raises decimal.Inexact where it would have to round, as the sum and the difference do."""

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
EIGHTH_DIGIT: Final = Decimal("0.00000001")


def parse_amount(text: str) -> Decimal:
    """Returns a non-negative amount from plain ASCII decimal notation (`"0.001"`), with at most 20 digits on each side.

    Raises:
        ValueError: anything else: signs, exponents, spaces, underscores, other scripts, `NaN`, `Infinity`.
    """
    if _AMOUNT.fullmatch(text) is None:
        raise ValueError('not a plain decimal such as "0.001"')
    return Decimal(text)


def parse_positive(text: str) -> Decimal:
    """Returns an amount greater than zero. Raises ValueError as `parse_amount` does, and for zero."""
    value = parse_amount(text)
    if not value:
        raise ValueError("must be greater than zero")
    return value


def parse_exchange_number(value: object) -> Decimal:
    """Returns a number as the exchange writes it: a plain decimal string, signed, or a JSON integer.

    Raises:
        ValueError: anything else, floats and booleans included.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and _SIGNED.fullmatch(value) is not None:
        return Decimal(value)
    raise ValueError("not a decimal string")


def plain(value: Decimal) -> str:
    """Returns plain notation without an exponent and trailing zeros, for the wire, the log and the screen.

    Raises:
        ValueError: `value` is not finite.
    """
    if not value.is_finite():
        raise ValueError("not a finite number")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def total(values: Iterable[Decimal]) -> Decimal:
    """Returns the exact sum of any number of amounts, zero for none."""
    result = ZERO
    for value in values:
        result = plus(result, value)
    return result


def negated(value: Decimal) -> Decimal:
    """Returns the same with the other sign, exactly: Python's own minus sign rounds to 28 digits."""
    return value.copy_negate() if value else ZERO


def divided_up(dividend: Decimal, divisor: Decimal) -> Decimal:
    """Returns the quotient of two non-negative amounts, rounded up far beyond the eighth digit: never too small."""
    return _UP.divide(dividend, divisor)


def divided_down(dividend: Decimal, divisor: Decimal) -> Decimal:
    """Returns the quotient of two non-negative amounts, rounded down far beyond the eighth digit: never too large."""
    return _DOWN.divide(dividend, divisor)


def round_up(value: Decimal) -> Decimal:
    """Rounds up (away from zero) at the eighth digit: how a notional is counted."""
    return _UP.quantize(value, EIGHTH_DIGIT)


def round_down(value: Decimal) -> Decimal:
    """Rounds down (towards zero) at the eighth digit."""
    return _DOWN.quantize(value, EIGHTH_DIGIT)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Returns the largest multiple of `step` that is not above `value`.

    `value` itself where the step is zero (disabled).
    """
    return _to_step(value, step, ROUND_FLOOR)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Returns the smallest multiple of `step` that is not below `value`.

    `value` itself where the step is zero (disabled).
    """
    return _to_step(value, step, ROUND_CEILING)


def _to_step(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    if not step:
        return value
    # Rounding the quotient at its 200th digit, and in the same direction, cannot pass a whole number of steps.
    context = _DOWN if rounding == ROUND_FLOOR else _UP
    return times(context.divide(value, step).to_integral_value(rounding=rounding), step)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether `value` is a whole number of steps; a step of zero is disabled and every value is."""
    return not step or not _EXACT.remainder(value, step)


def absolute_difference(first: Decimal, second: Decimal) -> Decimal:
    """Returns the exact distance between two amounts."""
    # `abs()` would round to the 28 digits of the thread's own context.
    return minus(first, second).copy_abs()
