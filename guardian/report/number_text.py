"""How the report writes numbers, times and durations: in this module alone.

Amounts are exact Decimals to the last; only what is called `rounded` is not, and it is for headings. The minus is the
typographic one, which is as wide as a plus and is not broken from its number.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from guardian.domain.money import plain

MINUS: Final = "\N{MINUS SIGN}"
_CENT: Final = Decimal("0.01")
_NEAR_ZERO: Final = 4
"""Significant digits that are left of what is below a cent."""
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""In English whatever the locale is, as all else on the page."""
NONE: Final = "\N{EN DASH}"


def exact(value: Decimal | None, *, signed: bool = False) -> str:
    """Returns every digit, thousands apart: `1,234.50001`."""
    if value is None:
        return NONE
    whole, dot, fraction = plain(abs(value)).partition(".")
    return f"{_sign(value, signed=signed)}{int(whole):,}{dot}{fraction}"


def rounded(value: Decimal | None, *, signed: bool = False) -> str:
    """Returns an amount of money to the cent, or to a few digits where it is less: `1,234.50`, `0.000012`."""
    if value is None:
        return NONE
    step = _CENT
    if value and abs(value) < _CENT:
        step = Decimal(1).scaleb(value.adjusted() - _NEAR_ZERO + 1)
    found = value.quantize(step, ROUND_HALF_EVEN)
    text = f"{abs(found):,f}"
    return _sign(found, signed=signed) + text


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Returns `1 order`, `2 orders`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def percent(part: Decimal) -> str:
    """Returns a share as whole percent, rounded up where it is small: `1 %` of what is not nothing."""
    share = part * 100
    return f"{max(round(share), 1) if share > 0 else 0} %"


def moment(milliseconds: int | None) -> str:
    """Returns `12 Nov 2026, 16:20:30` where the person is; a dash where the log has no time."""
    if milliseconds is None:
        return NONE
    found = _local(milliseconds)
    return f"{day(milliseconds)}, {found:%H:%M:%S}"


def day(milliseconds: int) -> str:
    """Returns `12 Nov 2026` where the person is."""
    found = _local(milliseconds)
    return f"{found.day} {MONTHS[found.month - 1]} {found.year}"


def zone(milliseconds: int) -> str:
    """Returns the zone of these times: `UTC+01:00`."""
    offset = _local(milliseconds).isoformat()[-6:]
    return "UTC" if offset == "+00:00" else f"UTC{offset}"


def duration(milliseconds: int) -> str:
    """Returns `850 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min` or `3 d 4 h`."""
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds // 1_000}.{milliseconds % 1_000 // 100} s"
    seconds = milliseconds // 1_000
    for unit, name, part, part_name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit:
            rest = seconds % unit // part
            return f"{seconds // unit} {name}" + (f" {rest} {part_name}" if rest else "")
    raise AssertionError("seconds are at least a minute here")


def _sign(value: Decimal, *, signed: bool) -> str:
    if value < 0:
        return MINUS
    return "+" if signed and value > 0 else ""


def _local(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000).astimezone()
