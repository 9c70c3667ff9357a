"""What guardian's trading lost within 24 hours: realised and marked to market, in the accounting currency.

Of each symbol, against not having traded within the 24 hours:

    gain = what came in less what was paid, by asset, fees among it
         + position now * price now - position then * price then

`price now` is the bid of what is held, and the ask of what was sold beyond that (the owner's own). `price then` is the
first price of the exchange's rolling 24 hours; what had been sold by then is no gain or loss of this day. A loss is
converted at the dearer side of each book on the path and a gain at the cheaper one: the sum is never too small.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.money import ZERO, minus, negated, plus, times
from guardian.policy.case import fresh_path, is_fresh
from guardian.policy.facts import DayTrading, Fact, Facts
from guardian.policy.model import Policy
from guardian.policy.notional import convert, convert_down


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
    """What the loss of this trading depends on."""
    days = tuple(traded)
    return LossNeeds(
        books=frozenset(day.symbol for day in days if day.position != 0 or day.position_before < 0),
        opens=frozenset(day.symbol for day in days if day.position_before > 0),
        assets=frozenset(asset for day in days for asset in (day.quote_asset, *day.cash)),
    )


def day_loss(traded: Iterable[DayTrading], facts: Facts, policy: Policy) -> Decimal | str:
    """The loss in the accounting currency, below zero where it is a gain; or why it cannot be told."""
    gains: dict[str, Decimal] = {}
    for day in traded:
        value = _change_of_value(day, facts, policy)
        if isinstance(value, str):
            return value
        for asset, change in (*day.cash.items(), (day.quote_asset, value)):
            gains[asset] = plus(gains.get(asset, ZERO), change)
    loss = ZERO
    for asset, gain in gains.items():
        path = () if gain == 0 else fresh_path(asset, facts, policy)
        if isinstance(path, str):
            return path
        if gain < 0:
            loss = plus(loss, convert(negated(gain), path, facts.books))
        else:
            loss = minus(loss, convert_down(gain, path, facts.books))
    return loss


def _change_of_value(day: DayTrading, facts: Facts, policy: Policy) -> Decimal | str:
    """What the position gained by itself, in the quote asset; or why that cannot be told."""
    if day.position == 0 and day.position_before == 0:
        return ZERO
    if _is_gone(day.symbol, facts):
        # Nothing that cannot be sold is worth anything, and no gain of such a symbol makes up for a loss elsewhere.
        return negated(max(day.cash.get(day.quote_asset, ZERO), ZERO))
    now = then = ZERO
    book = facts.books.get(day.symbol)
    if day.position != 0 or day.position_before < 0:
        if book is None or not book.is_usable or not is_fresh(book, facts, policy):
            return f"there is no fresh price of {day.symbol}"
        now = times(day.position, book.bid if day.position > 0 else book.ask)
        then = times(day.position_before, book.ask)
    if day.position_before > 0:
        opened = facts.day_opens.get(day.symbol, ZERO)
        if opened <= 0:
            why = facts.missing.get(Fact.DAY, "the exchange did not say")
            return f"the price of {day.symbol} 24 hours ago could not be had: {why}"
        then = times(day.position_before, opened)
    return minus(now, then)


def _is_gone(symbol: str, facts: Facts) -> bool:
    """Whether the exchange is known not to trade it now."""
    instrument = facts.instruments.get(symbol)
    return symbol in facts.unlisted if instrument is None else not instrument.is_trading
