"""What guardian's trading lost within 24 hours: realised and marked to market, in the accounting currency.

Of each symbol, against not having traded within the 24 hours:

    gain = what came in less what was paid, by asset, fees among it
         + position now * price now - position then * price then

`price now` is the bid of what is held, and the ask of what was sold beyond that (the owner's own). `price then` is the
first price of the exchange's rolling 24 hours; what had been sold by then is no gain or loss of this day. A loss is
converted at the dearer side of each book on the path and a gain at the cheaper one: the sum is never too small.

Each of these prices passed every check of a price, or the loss is not known. Only a leftover too small to be traded
counts at its last known price instead: it must not be able to deny anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from guardian.domain.instruments import Instrument
from guardian.domain.money import ZERO, minus, negated, plus, times
from guardian.policy.conversion import Unpriced, convert_gain, priced_path, unpriced_by
from guardian.policy.facts import DayTrading, Facts
from guardian.policy.model import Policy
from guardian.policy.prices import PriceFault, UsablePrice, usable_open, usable_price


@dataclass(frozen=True, slots=True, kw_only=True)
class LossNeeds:
    """What a loss depends on besides the store."""

    books: frozenset[str]
    """Symbols whose best prices are needed."""
    opens: frozenset[str]
    """Symbols whose price of 24 hours ago is needed."""
    assets: frozenset[str]
    """What has to be converted to the accounting currency."""

    def covers(self, other: LossNeeds) -> bool:
        """Whether the other needs nothing more."""
        return other.books <= self.books and other.opens <= self.opens and other.assets <= self.assets


def loss_needs(traded: Iterable[DayTrading]) -> LossNeeds:
    """Returns what the loss of this trading depends on."""
    days = tuple(traded)
    return LossNeeds(
        books=frozenset(day.symbol for day in days if day.position != 0 or day.position_before < 0),
        opens=frozenset(day.symbol for day in days if day.position_before > 0),
        assets=frozenset(asset for day in days for asset in (day.quote_asset, *day.cash)),
    )


def day_loss(traded: Iterable[DayTrading], facts: Facts, policy: Policy) -> Decimal | Unpriced:
    """Returns the loss in the accounting currency, below zero where it is a gain; or why it is not known."""
    days = tuple(traded)
    gains: dict[str, Decimal] = {}
    for day in days:
        value = _change_of_value(day, facts, policy)
        if isinstance(value, Unpriced):
            return value
        for asset, change in (*day.cash.items(), (day.quote_asset, value)):
            gains[asset] = plus(gains.get(asset, ZERO), change)
    loss = ZERO
    for asset, gain in gains.items():
        found = _converted_loss(asset, gain, facts, policy)
        if isinstance(found, Unpriced):
            is_fee = all(asset != day.quote_asset for day in days)
            paid = f"fees were paid in {asset}" if is_fee else f"orders were paid in {asset}"
            return replace(found, reason=f"{paid}, and {found.reason}")
        loss = plus(loss, found)
    return loss


def _converted_loss(asset: str, gain: Decimal, facts: Facts, policy: Policy) -> Decimal | Unpriced:
    """Returns a gain of an asset as a loss in the accounting currency, with the other sign; or why it is not known.

    A loss below the least quantity that its symbol trades, as fees are, needs no usable price: it counts at the average
    price and at most as the least notional. A gain that small counts as nothing.
    """
    path = () if gain == 0 else priced_path(asset, facts, policy)
    if not isinstance(path, Unpriced):
        return negated(convert_gain(gain, path))
    symbol = policy.accounting.conversions.get(asset, "")
    instrument, average = facts.instruments.get(symbol), facts.averages.get(symbol)
    if instrument is None or instrument.base_asset != asset or gain.copy_abs() >= _least_quantity(instrument):
        return path
    worth = ZERO if average is None or gain > 0 else times(gain, max(average.price, ZERO))
    return _converted_loss(instrument.quote_asset, max(worth, negated(instrument.min_notional)), facts, policy)


def _least_quantity(instrument: Instrument) -> Decimal:
    return max(instrument.lot.minimum, instrument.lot.step)


def _change_of_value(day: DayTrading, facts: Facts, policy: Policy) -> Decimal | Unpriced:
    """Returns what the position gained by itself, in the quote asset; or why that is not known."""
    if day.position == 0 and day.position_before == 0:
        return ZERO
    if day.symbol in facts.unlisted:
        # Nothing that cannot be sold is worth anything, and no gain of such a symbol makes up for a loss elsewhere.
        return negated(max(day.cash.get(day.quote_asset, ZERO), ZERO))
    price = usable_price(day.symbol, facts, policy)
    now = _worth(day, day.position, price, facts)
    then = _worth(
        day,
        day.position_before,
        usable_open(day.symbol, facts, policy) if day.position_before > 0 else price,
        facts,
    )
    if isinstance(now, PriceFault):
        return _unusable(day, now, facts)
    return unpriced_by(then) if isinstance(then, PriceFault) else minus(now, then)


def _unusable(day: DayTrading, fault: PriceFault, facts: Facts) -> Unpriced:
    """Returns that a held symbol has no usable price and, if it is not traded now, what to do if it never will be."""
    found, instrument = unpriced_by(fault), facts.instruments.get(day.symbol)
    if instrument is None or instrument.is_trading:
        return found
    command = f"`guardian position set {instrument.base_asset} 0`"
    return replace(found, hint=f"{found.hint}; if {day.symbol} is never traded again, the owner can run {command}")


def _worth(
    day: DayTrading, quantity: Decimal, price: UsablePrice | Decimal | PriceFault, facts: Facts
) -> Decimal | PriceFault:
    """Returns the value of a quantity of the base asset at a price; or why it is unknown.

    A leftover that is too small to be traded counts at its last known price where there is no usable one.
    """
    if quantity == 0:
        return ZERO
    if isinstance(price, PriceFault):
        last = _last_known(day, quantity, facts)
        return price if last is None else times(quantity, last)
    if isinstance(price, UsablePrice):
        price = price.bid if quantity > 0 else price.ask
    return times(quantity, price)


def _last_known(day: DayTrading, quantity: Decimal, facts: Facts) -> Decimal | None:
    """Returns the last known price of a leftover; None where the quantity is enough to be traded, or that is not known.

    It is a leftover below the least quantity of LOT_SIZE, or below the least notional at guardian's own last price and
    at the exchange's average: one of the two alone could make a holding look small.
    """
    instrument, average = facts.instruments.get(day.symbol), facts.averages.get(day.symbol)
    if instrument is None:
        return None
    amount = quantity.copy_abs()
    known = [price for price in (day.last_price, None if average is None else average.price) if price is not None]
    if amount < _least_quantity(instrument):
        return known[0] if known else ZERO
    if day.last_price is None or times(amount, max(known)) >= instrument.min_notional:
        return None
    return day.last_price
