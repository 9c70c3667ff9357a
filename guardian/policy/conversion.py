"""Conversion to the accounting currency: the declared path, the price of each leg, and the exact arithmetic.

An amount is converted leg by leg, and a leg takes a price that passed every check of a price. Nothing is taken to be
worth the same as something else but the currency itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from guardian.domain.instruments import Instrument, largest_quantity
from guardian.domain.money import ONE, ZERO, divided_down, divided_up, negated, round_down, round_up, times
from guardian.policy.facts import Facts
from guardian.policy.model import Accounting, Policy
from guardian.policy.prices import PriceFault, UsablePrice, usable_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One step of a conversion: through `symbol`, from its base asset or from its quote asset."""

    symbol: str
    from_base: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedLeg:
    """A step of a conversion with the price that it is made at."""

    price: UsablePrice
    from_base: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """Why the worth of something in the accounting currency is unknown, and what can be done about it."""

    reason: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What an amount is multiplied by and divided by to be in the accounting currency; both exact."""

    multiplier: Decimal = ONE
    divisor: Decimal = ONE

    def convert(self, amount: Decimal) -> Decimal:
        """Returns the amount in the accounting currency, rounded up once, at the eighth digit."""
        product = times(amount, self.multiplier)
        # Most paths only multiply, and a division to 200 digits costs more than all the rest.
        return round_up(product if self.divisor == ONE else divided_up(product, self.divisor))


SAME_CURRENCY: Final = Rate()
"""The rate of the accounting currency itself."""


def conversion_path(asset: str, accounting: Accounting, instruments: Mapping[str, Instrument]) -> tuple[Leg, ...] | str:
    """Returns the declared path from an asset to the accounting currency, or why it is missing.

    Base and quote come from the exchange's listing, never from how a symbol is spelt.
    """
    legs: list[Leg] = []
    seen = {asset}
    while asset != accounting.currency:
        symbol = accounting.conversions.get(asset)
        if symbol is None:
            line = f'{asset} = "{asset}{accounting.currency}"'
            return f"`[accounting] conversions` has no symbol for {asset}; add `{line}`"
        instrument = instruments.get(symbol)
        if instrument is None:
            return f"the exchange's rules for {symbol} are missing"
        from_base = asset == instrument.base_asset
        if not from_base and asset != instrument.quote_asset:
            return f"{symbol} does not trade {asset}"
        legs.append(Leg(symbol=symbol, from_base=from_base))
        asset = instrument.quote_asset if from_base else instrument.base_asset
        if asset in seen:
            return f"the path through {symbol} goes in a circle"
        seen.add(asset)
    return tuple(legs)


def priced_path(asset: str, facts: Facts, policy: Policy) -> tuple[PricedLeg, ...] | Unpriced:
    """Returns the path from an asset to the accounting currency, or why a leg of it has no usable price."""
    path = conversion_path(asset, policy.accounting, facts.instruments)
    if isinstance(path, str):
        return Unpriced(reason=path, hint="the owner can declare the path in `[accounting] conversions`")
    legs = []
    for leg in path:
        price = usable_price(leg.symbol, facts, policy)
        if isinstance(price, PriceFault):
            return unpriced_by(price)
        legs.append(PricedLeg(price=price, from_base=leg.from_base))
    return tuple(legs)


def unpriced_by(fault: PriceFault) -> Unpriced:
    """Returns what is said of a price that did not pass a check."""
    return Unpriced(reason=str(fault), hint="ask again when that market is back")


def dearer_rate(path: tuple[PricedLeg, ...]) -> Rate:
    """Returns the rate at the dearer side of each book: the ask of a base asset, the bid of a quote asset."""
    if not path:
        return SAME_CURRENCY
    multiplier = divisor = ONE
    for leg in path:
        if leg.from_base:
            multiplier = times(multiplier, leg.price.ask)
        else:
            divisor = times(divisor, leg.price.bid)
    return Rate(multiplier=multiplier, divisor=divisor)


def convert(amount: Decimal, path: tuple[PricedLeg, ...]) -> Decimal:
    """Returns the amount in the accounting currency at each book's dearer side, rounded up at the eighth digit."""
    return dearer_rate(path).convert(amount)


def convert_down(amount: Decimal, path: tuple[PricedLeg, ...]) -> Decimal:
    """Returns what an amount brings at least in the accounting currency: at each book's cheaper side, rounded down."""
    multiplier = divisor = ONE
    for leg in path:
        if leg.from_base:
            multiplier = times(multiplier, leg.price.bid)
        else:
            divisor = times(divisor, leg.price.ask)
    product = times(amount, multiplier)
    return round_down(product if divisor == ONE else divided_down(product, divisor))


def convert_gain(amount: Decimal, path: tuple[PricedLeg, ...]) -> Decimal:
    """Returns a gain at what it brings at least and a loss (below zero) at what it costs at most: never too good."""
    return negated(convert(negated(amount), path)) if amount < ZERO else convert_down(amount, path)


def dearest_known_rate(asset: str, facts: Facts, policy: Policy) -> Rate | None:
    """Returns the rate at each leg's dearest known price, usable or not: for an exit, which no price holds back.

    None where the path is not known, or nothing is known of a leg.
    """
    path = conversion_path(asset, policy.accounting, facts.instruments)
    if isinstance(path, str):
        return None
    multiplier = divisor = ONE
    for leg in path:
        known = known_prices(leg.symbol, facts)
        if not known:
            return None
        if leg.from_base:
            multiplier = times(multiplier, max(known))
        else:
            divisor = times(divisor, min(known))
    return Rate(multiplier=multiplier, divisor=divisor)


def known_prices(symbol: str, facts: Facts) -> tuple[Decimal, ...]:
    """Returns every price above zero that the exchange gave of a symbol, unchecked: its bid, its ask, its average."""
    book, average = facts.books.get(symbol), facts.averages.get(symbol)
    sides = () if book is None else (book.bid, book.ask)
    middle = () if average is None else (average.price,)
    return tuple(price for price in (*sides, *middle) if price > 0)


def largest_passing(unit_price: Decimal, rate: Rate, step: Decimal, maximum: Decimal) -> Decimal:
    """Returns the largest quantity in whole steps whose converted notional is not above `maximum`."""
    # Notionals are rounded up at the eighth digit, in the quote asset and in the accounting currency, so the budgets
    # that they must fit are rounded down there.
    budget = divided_down(times(round_down(maximum), rate.divisor), rate.multiplier)
    return largest_quantity(round_down(budget), unit_price, step)


def market_symbols(symbol: str, policy: Policy, instruments: Mapping[str, Instrument]) -> tuple[str, ...]:
    """Returns the symbols whose prices a judgement of an order on `symbol` needs: itself, then the conversion path."""
    instrument = instruments.get(symbol)
    if instrument is None:
        return (symbol,)
    path = path_symbols(instrument.quote_asset, policy.accounting, instruments)
    return tuple(dict.fromkeys((symbol, *path)))


def path_symbols(asset: str, accounting: Accounting, instruments: Mapping[str, Instrument]) -> tuple[str, ...]:
    """Returns the symbols on the way from an asset to the accounting currency; none where there is no way."""
    path = conversion_path(asset, accounting, instruments)
    return () if isinstance(path, str) else tuple(leg.symbol for leg in path)


def next_on_path(asset: str, accounting: Accounting, instruments: Mapping[str, Instrument]) -> str | None:
    """Returns the first symbol on the way to the accounting currency whose rules are not known, or None."""
    for _ in (asset, *accounting.conversions):
        symbol = None if asset == accounting.currency else accounting.conversions.get(asset)
        instrument = None if symbol is None else instruments.get(symbol)
        if instrument is None or asset not in {instrument.base_asset, instrument.quote_asset}:
            return symbol if instrument is None else None
        asset = instrument.quote_asset if asset == instrument.base_asset else instrument.base_asset
    return None
