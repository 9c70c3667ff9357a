"""How what guardian bought can be sold back: the orders that together leave nothing that could still be sold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from typing import Final

from guardian.domain.codes import Code
from guardian.domain.instruments import Instrument
from guardian.domain.money import EIGHTH_DIGIT, divided_down, divided_up, floor_to, minus, plain, plus, times, total
from guardian.domain.orders import OrderSide
from guardian.policy.case import Case
from guardian.policy.conversion import Rate, largest_passing
from guardian.policy.model import SymbolLimits
from guardian.policy.verdict import Denial

NAMES_EXIT: Final = frozenset(
    {
        Code.TRADING_REDUCING, Code.FILTER_QUANTITY, Code.FILTER_NOTIONAL, Code.NOTIONAL_EXCEEDS_MAX,
        Code.QUANTITY_EXCEEDS_MAX, Code.SLICING_EXCEEDS_MAX, Code.OPEN_NOTIONAL_EXCEEDS_MAX,
        Code.OPEN_ORDERS_EXCEED_MAX, Code.ROLLING_NOTIONAL_EXCEEDS_MAX, Code.ORDER_COUNT_EXCEEDS_MAX,
        Code.DAILY_LOSS_EXCEEDS_MAX, Code.DAILY_LOSS_UNKNOWN, Code.USAGE_UNKNOWN, Code.FREE_BASE_BELOW_QUANTITY,
    }
)  # fmt: skip
"""Denials of a SELL that another quantity, or an exit, would not have had."""


def exit_orders(case: Case) -> tuple[Decimal, ...]:
    """Returns quantities that together sell back all that can be sold, each within every cap and filter.

    There are no quantities where none fits. The price is that of the requested order.
    """
    priced, counted = case.priced, case.counted
    if priced is None or counted is None or case.sellable is None:
        return ()
    return orders_to_sell(
        case.sellable, priced.instrument, case.limits, counted.rate, price=priced.order.price, worst=priced.unit_price
    )


def orders_to_sell(
    sellable: Decimal,
    instrument: Instrument,
    limits: SymbolLimits | None,
    rate: Rate,
    *,
    price: Decimal,
    worst: Decimal,
) -> tuple[Decimal, ...]:
    """Returns quantities that together sell `sellable`, each within every cap and filter; none where none fits.

    `price` is what they are sent at, `worst` what a unit of them counts for, both in the quote asset.
    """
    step = instrument.lot.step or EIGHTH_DIGIT
    whole = floor_to(sellable, step)
    most = whole
    if limits is not None:
        most = min(whole, limits.max_quantity, largest_passing(worst, rate, step, limits.max_notional))
    largest, least = instrument.largest_valid(most, price), instrument.smallest_valid(price)
    return () if largest is None or least is None else split_exit(whole, largest, least, step)


def split_exit(whole: Decimal, most: Decimal, least: Decimal, step: Decimal) -> tuple[Decimal, ...]:
    """Splits `whole` into as few and as equal orders as `most` allows; a rest below `least` is left out."""
    if whole < least:
        return ()
    count = divided_up(whole, most).to_integral_value(rounding=ROUND_CEILING)
    share = floor_to(divided_down(whole, count), step)
    if share < least:
        return (most,) * int(minus(count, Decimal(1)))
    larger = int(divided_down(minus(whole, times(share, count)), step))
    return (plus(share, step),) * larger + (share,) * (int(count) - larger)


def exit_text(case: Case) -> str | None:
    """Returns what can be sold back, in words; None where there is nothing."""
    if case.instrument is None or not case.sellable:
        return None
    asset, orders = case.instrument.base_asset, exit_orders(case)
    if not orders:
        return f"what guardian bought and can sell back, {plain(case.sellable)} {asset}, fits no order of this kind now"
    if len(orders) == 1:
        return f"the largest exit is {plain(orders[0])} {asset}, all that can be sold back; it needs no budget"
    parts = " and ".join(f"{number} of {plain(quantity)}" for quantity, number in Counter(orders).items())
    return (
        f"the largest exit is {plain(orders[0])} {asset}; all that can be sold back, {plain(total(orders))}, "
        f"goes in {len(orders)} orders without a budget: {parts}"
    )


def with_exit_hints(case: Case, denials: Iterable[Denial]) -> list[Denial]:
    """Returns the denials of a SELL, with what can be sold back named first in the hints that are about a quantity."""
    found = list(denials)
    text = exit_text(case) if case.spec.side is OrderSide.SELL else None
    if text is None:
        return found
    return [
        replace(denial, hint=text if denial.hint is None else f"{text}; {denial.hint}")
        if denial.code in NAMES_EXIT
        else denial
        for denial in found
    ]
