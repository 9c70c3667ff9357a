"""The two amounts that a first policy is made of, as a person types them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

LEAST: Final = Decimal(10)
"""Binance takes no order that is worth much less."""
MOST_PER_ORDER: Final = Decimal(10_000)
MOST_PER_DAY: Final = Decimal(100_000)
"""In the currency of the policy. A larger cap is an edit of the policy, which is read before it is made."""
USUAL_PER_ORDER: Final = Decimal(100)
USUAL_PER_DAY: Final = Decimal(500)
_ORDERS_A_DAY: Final = 5
_PLAIN: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Caps:
    """At most this much an order, and this much in any 24 hours, in the currency of the policy."""

    per_order: Decimal
    per_day: Decimal


def read_cap(text: str, least: Decimal, most: Decimal) -> Decimal:
    """Returns an amount in plain digits. Raises ValueError with what is wrong, for a person."""
    text = text.strip()
    if not _PLAIN.fullmatch(text):
        raise ValueError("write an amount in digits, such as 50 or 50.25")
    amount = Decimal(text)
    if amount < least:
        raise ValueError(f"{amount} is too little; the least is {least}")
    if amount > most:
        raise ValueError(f"{amount} is too much to begin with; the most is {most}, and more is an edit of the policy")
    return amount


def usual_per_order(per_day: Decimal | None) -> Decimal:
    """Returns the cap of an order where none is given."""
    return USUAL_PER_ORDER if per_day is None else min(USUAL_PER_ORDER, per_day)


def usual_per_day(per_order: Decimal) -> Decimal:
    """Returns the cap of a day where none is given: that of five orders."""
    return per_order * _ORDERS_A_DAY
