"""Single values of the policy file: strict text to data. Each reader takes what TOML gave and returns the value.

Every reader raises Unfit for what does not fit. There are no floats: TOML's arrive as `FloatText`, which fits nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final, TypeVar

from guardian.domain.milliseconds import HOUR_MS, MINUTE_MS, SECOND_MS
from guardian.domain.money import parse_amount
from guardian.domain.text.names import NAME_RULE, is_name
from guardian.domain.text.nearest import nearest

E = TypeVar("E", bound=Enum)


# No balance, price or cap on the exchange needs more; beyond it is a typing error, and exact arithmetic stays exact.
_MOST_INTEGER_DIGITS: Final = 15
_MOST_FRACTION_DIGITS: Final = 8
_MOST_ECHOED: Final = 40

_UNITS_MS: Final = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS}
_DURATION: Final = re.compile(r"(0|[1-9][0-9]{0,8})(ms|s|m|h)", re.ASCII)
_PERCENTAGE: Final = re.compile(r"((?:0|[1-9][0-9]{0,2})(?:\.[0-9]{1,6})?)%", re.ASCII)


class Unfit(Exception):
    """A value that does not fit: what is wrong, and what to write instead. It never leaves `guardian.policy`."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class FloatText:
    """What a float of the file was written as. It is never turned into a number."""

    text: str


def shown(value: object) -> str:
    """Returns a value of the file in few plain ASCII characters, for a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**_MOST_ECHOED else "a huge number"
    if isinstance(value, FloatText):
        return shortened(value.text)
    if isinstance(value, str):
        return f'"{shortened(value)}"'
    if isinstance(value, dict):
        return "a table"
    return "a list" if isinstance(value, list) else "a date"


def shortened(text: str, most: int = _MOST_ECHOED) -> str:
    """Returns at most `most` characters of a text, everything that is not printable ASCII escaped."""
    cut = text if len(text) <= most else text[:most] + "..."
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in cut)


def refuse_float(value: object) -> None:
    """Raises Unfit for a TOML float, saying how to write it."""
    if isinstance(value, FloatText):
        digits = value.text if re.fullmatch(r"[0-9]{1,20}\.[0-9]{1,20}", value.text) else "100.10"
        raise Unfit(f"{shown(value)} is a float, which is not exact", f'write it as a string: "{digits}"')


def amount(value: object) -> Decimal:
    """Returns a decimal amount, zero or more: a plain decimal string or an integer."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**_MOST_INTEGER_DIGITS:
        value = str(value)
    if not isinstance(value, str):
        raise Unfit(f"{shown(value)} is not an amount", 'write a decimal string such as "100.50"')
    if value.startswith("-"):
        raise Unfit(f"{shown(value)} is negative")
    try:
        parsed = parse_amount(value)
    except ValueError as error:
        raise Unfit(f"{shown(value)} is {error}") from None
    whole, _, fraction = value.partition(".")
    if len(whole) > _MOST_INTEGER_DIGITS or len(fraction) > _MOST_FRACTION_DIGITS:
        limit = f"{_MOST_INTEGER_DIGITS} digits before the point and {_MOST_FRACTION_DIGITS} after it"
        raise Unfit(f"{shown(value)} has too many digits", f"at most {limit}")
    return parsed


def positive(value: object) -> Decimal:
    """Returns an amount greater than zero: here zero would mean nothing, and never means unlimited."""
    parsed = amount(value)
    if parsed == 0:
        raise Unfit("must be greater than zero", "zero never means unlimited; there is no unlimited")
    return parsed


def count(value: object, *, least: int = 1, most: int = 1_000_000) -> int:
    """Returns a whole number within bounds: an integer, or the same in a string."""
    number = value
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9][0-9]{0,9})", value, re.ASCII):
        number = int(value)
    if not isinstance(number, int) or isinstance(number, bool):
        raise Unfit(f"{shown(value)} is not a whole number", "write an integer such as 5")
    if number < least:
        hint = "zero never means unlimited; there is no unlimited" if number == 0 else None
        raise Unfit(f"{shown(value)} is too small, the least is {least}", hint)
    if number > most:
        raise Unfit(f"{shown(value)} is too large, the most is {most}")
    return number


def duration(most_ms: int, *, least_ms: int = 1) -> Callable[[object], int]:
    """Returns a reader of durations such as "250ms", "60s", "15m" or "24h", in milliseconds, within bounds."""

    def read(value: object) -> int:
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise Unfit(f"{shown(value)} is not a duration", 'a number and its unit: "250ms", "60s", "15m", "24h"')
        milliseconds = int(found[1]) * _UNITS_MS[found[2]]
        if milliseconds < least_ms:
            least = "it must be longer than zero" if least_ms == 1 else f"the least is {least_ms // 1000}s"
            raise Unfit(f"{shown(value)} is too short, {least}")
        if milliseconds > most_ms:
            raise Unfit(f"{shown(value)} is too long, the most is {most_ms // HOUR_MS}h")
        return milliseconds

    return read


def percentage(value: object) -> Decimal:
    """Returns a percentage such as "3%" as a fraction: `0.03`. From 0% to 100%."""
    found = _PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Unfit(f"{shown(value)} is not a percentage", 'write a string with a percent sign: "3%" or "0.5%"')
    percent = Decimal(found[1])
    if percent > 100:
        raise Unfit(f"{shown(value)} is over 100%")
    return percent.scaleb(-2)


def flag(value: object) -> bool:
    """Returns `true` or `false`; takes nothing that only looks like it."""
    if not isinstance(value, bool):
        raise Unfit(f"{shown(value)} is neither true nor false", "write true or false, without quotes")
    return value


def text(most: int) -> Callable[[object], str]:
    """Returns a reader of words for people: a string of at most `most` printable characters, not empty."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise Unfit(f"{shown(value)} is not a string", "put it in quotes")
        if not value.strip():
            raise Unfit("is empty")
        if len(value) > most:
            raise Unfit(f"is longer than {most} characters")
        if not value.isprintable():
            raise Unfit("has characters that cannot be seen, or more than one line")
        return value

    return read


def secret_text(value: object) -> str:
    """Returns a key or secret: printable ASCII. The messages never show it."""
    if not isinstance(value, str) or not 1 <= len(value) <= 256 or not re.fullmatch(r"[!-~]+", value, re.ASCII):
        raise Unfit("is not a key", "a string of 1 to 256 ASCII characters, without blanks")
    return value


def choice(kind: type[E]) -> Callable[[object], E]:
    """Returns a reader of one of an enum's values, spelt exactly."""
    known = [str(member.value) for member in kind]

    def read(value: object) -> E:
        word = one_of(known)(value)
        return next(member for member in kind if member.value == word)

    return read


def one_of(known: list[str]) -> Callable[[object], str]:
    """Returns a reader of one of these words, spelt exactly."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in known:
            return value
        like = nearest(value, known) or nearest(value.upper(), known) if isinstance(value, str) else None
        hint = f'did you mean "{like}"?' if like else None
        if len(known) <= 20:
            hint = f"{hint + ' ' if hint else ''}one of: {', '.join(known)}"
        raise Unfit(f"{shown(value)} is not known here", hint)

    return read


def asset(value: object) -> str:
    """Returns an asset's name such as BTC."""
    if not isinstance(value, str) or not is_name(value):
        raise Unfit(f"{shown(value)} is not the name of an asset", f'{NAME_RULE}, such as "USDT"')
    return value


def symbol(value: object) -> str:
    """Returns a symbol's name such as BTCUSDT."""
    if not isinstance(value, str) or not is_name(value):
        raise Unfit(f"{shown(value)} is not the name of a symbol", f'{NAME_RULE}, such as "BTCUSDT"')
    return value
