"""What one line says, and how values of the log are put into it.

A log may hold anything: it records what a model wrote, and somebody may have changed it. So every value is taken as it
comes, of any type, cleaned and bounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final

from guardian.cli.support.render import Tone
from guardian.domain.money import plain
from guardian.domain.text.escaping import clean

MAX_SHOWN: Final = 300
"""Characters of one value that a line shows."""
_CENTS: Final = Decimal("0.01")
_DIGITS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What was asked or happened, how it ended, and the tone of the latter. Both texts are cleaned."""

    what: str
    result: str = ""
    tone: Tone | None = None

    @property
    def text(self) -> str:
        """Returns the whole as one text."""
        return f"{self.what} {self.result}".strip()


def shown(value: object, most: int = MAX_SHOWN) -> str:
    """Returns a value of the log as one cleaned text: its words, or its JSON."""
    if not isinstance(value, str):
        try:
            value = json.dumps(value, ensure_ascii=False, sort_keys=True, default=repr)
        except (TypeError, ValueError, RecursionError):
            value = repr(value)
    return clean(value, most)


def named(data: Mapping[str, object], name: str) -> str:
    """Returns a field as text; empty where it is missing or null."""
    value = data.get(name)
    return "" if value is None else shown(value)


def part(data: Mapping[str, object], *names: str) -> Mapping[str, object]:
    """Returns the object at the end of a path of names; an empty one where it is missing."""
    for name in names:
        found = data.get(name)
        data = found if isinstance(found, dict) else {}
    return data


def listed(value: object) -> list[object]:
    """Returns a list of the log, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def amount(value: object) -> Decimal | None:
    """Returns the decimal that a text holds; None where it holds none."""
    if not isinstance(value, str | Decimal) or len(str(value)) > MAX_SHOWN:
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() and -64 < found.adjusted() < 64 else None


def money(value: Decimal, asset: str, rounding: str = ROUND_HALF_EVEN) -> str:
    """Returns `53.94 USDT`: to the cent, or to eight significant digits below 1."""
    is_large = abs(value) >= 1 and value.adjusted() < 20
    rounded = value.quantize(_CENTS, rounding) if is_large else rounded_to_digits(value)
    return f"{plain(rounded)} {asset}".rstrip()


def rounded_to_digits(value: Decimal) -> Decimal:
    """Returns the value to eight significant digits."""
    if value == 0:
        return Decimal(0)
    return value.quantize(Decimal(1).scaleb(value.adjusted() - _DIGITS + 1))


def joined(*parts: str, by: str = ", ") -> str:
    """Returns the parts that say something, joined."""
    return by.join(one for one in parts if one)


def short_id(name: str) -> str:
    """Returns an order's id, or a digest, by its beginning: enough to recognise it, and too little to copy."""
    return name if len(name) <= 12 else f"{name[:11]}.."
