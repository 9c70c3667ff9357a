"""The text of a first policy: a ready-made one with the owner's two amounts in the place of its own.

All that is counted in money follows from the two, in the proportions of the ready-made policy, so that no cap makes
another one pointless; its examples are scaled with it, and still hold. Comments stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Final

from guardian.cli.init.caps import USUAL_PER_DAY, USUAL_PER_ORDER, Caps
from guardian.domain.money import plain

_CENT: Final = Decimal("0.01")
_STEP: Final = Decimal("0.00001")
"""Of the quantities in examples."""
_DIGITS: Final = 3
"""Significant digits of the caps on quantities."""
_COMMENT: Final = re.compile(r"( {2,})(#.*)$")
_AMOUNT: Final = re.compile(r'"([0-9.]+)"')
_SHORT_WINDOW: Final = re.compile(r'\{ window = "5m", max = "[0-9.]+" \}, ')
_SPENT: Final = '"450"'
"""What of the day's budget is spent in the example that shows its end."""
_SPENT_NAME: Final = "an order of 60 does not fit where 450 of the day's 500 are spent"


def policy_text(ready_made: str, caps: Caps, date: str) -> str:
    """Returns the ready-made policy with these caps. `date` is in its first line."""
    head = (
        f"# Made by `guardian init` on {date}: at most {plain(caps.per_order)} an order, and "
        f"{plain(caps.per_day)} in any 24 hours.\n#\n"
    )
    lines = [_aligned(line, _scaled_line(line, caps)) for line in ready_made.splitlines()]
    return head + "\n".join(lines) + "\n"


def _scaled_line(line: str, caps: Caps) -> str:
    if line.startswith("#"):
        return line
    order, day = caps.per_order, caps.per_day
    if "rolling_notional" in line:
        if 2 * order >= day:
            line = _SHORT_WINDOW.sub("", line)  # it could never deny
        line = line.replace('"200"', _text(2 * order))
        return line.replace('"500"', _text(day))
    if _SPENT in line:
        return line.replace(_SPENT, _text(day - 3 * order / 10))
    if _SPENT_NAME in line:
        name = (
            f"an order of {_rounded(6 * order / 10)} does not fit where {_rounded(day - 3 * order / 10)} of the day's "
            f"{plain(day)} are spent"
        )
        return line.replace(_SPENT_NAME, name)
    for pattern, scaled in _KEYS:
        line = pattern.sub(lambda match, scaled=scaled: match[1] + scaled(match[2], caps), line)  # type: ignore[misc]
    return line


def _money(of_caps: Callable[[Caps], Decimal]) -> Callable[[str, Caps], str]:
    return lambda _before, caps: _text(of_caps(caps))


def _quantity_cap(of_caps: Callable[[Caps], Decimal]) -> Callable[[str, Caps], str]:
    """A cap on a quantity, times a factor: not below it, to a few digits."""

    def scaled(before: str, caps: Caps) -> str:
        exact = Decimal(_inside(before)) * of_caps(caps)
        digit = Decimal(1).scaleb(exact.adjusted() - _DIGITS + 1)
        return f'"{plain(exact.quantize(digit, ROUND_UP))}"'

    return scaled


def _example_quantity(before: str, caps: Caps) -> str:
    """A quantity of an example, in proportion to an order; one that is there to be far too large stays."""
    quantity = Decimal(_inside(before))
    if quantity >= 1:
        return before
    return f'"{plain((quantity * _order_factor(caps)).quantize(_STEP, ROUND_DOWN))}"'


def _order_factor(caps: Caps) -> Decimal:
    return caps.per_order / USUAL_PER_ORDER


def _day_factor(caps: Caps) -> Decimal:
    return caps.per_day / USUAL_PER_DAY


def _key(name: str) -> re.Pattern[str]:
    return re.compile(rf'(?<![A-Za-z_])({name} = )("[0-9.]+")')


_KEYS: Final = (
    (_key("max_notional"), _money(lambda caps: caps.per_order)),
    (_key("max_open_notional"), _money(lambda caps: min(3 * caps.per_order, caps.per_day))),
    (_key("max_daily_loss"), _money(lambda caps: caps.per_day / 5)),
    (_key("max_quantity"), _quantity_cap(_order_factor)),
    (_key("max_position"), _quantity_cap(lambda caps: max(_day_factor(caps), _order_factor(caps)))),
    (_key("quote_quantity"), _money(lambda caps: 6 * caps.per_order / 10)),
    (_key("entered"), _money(lambda caps: caps.per_day)),
    (_key("quantity"), _example_quantity),
    (_key("position"), _example_quantity),
)
"""What each key becomes, wherever it is."""


def _inside(quoted: str) -> str:
    match = _AMOUNT.fullmatch(quoted)
    return quoted if match is None else match[1]


def _rounded(amount: Decimal) -> str:
    return plain(amount.quantize(_CENT, ROUND_DOWN))


def _text(amount: Decimal) -> str:
    return f'"{_rounded(amount)}"'


def _aligned(before: str, after: str) -> str:
    """The line with its comment where it was, as far as the new text leaves room."""
    old, new = _COMMENT.search(before), _COMMENT.search(after)
    if old is None or new is None or before == after:
        return after
    return f"{after[: new.start()].ljust(old.start(2) - 2)}  {new[2]}"
