"""Prices that may be used: one type, made in one place, only where every check of a price passed.

The order's own symbol, each leg of a conversion, each symbol in the daily loss and each fee asset are held to the same
checks: the symbol is TRADING, its book has two sides that do not cross and was fetched within `prices.max_age`, its
average price is known, it traded within `prices.max_trade_age`, the book's middle is within `prices.max_divergence` of
the average, and its two sides are at most twice that apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from guardian.domain.market import AveragePrice, BookTop
from guardian.domain.money import ZERO, absolute_difference, minus, plain, plus, times
from guardian.policy.facts import Fact, Facts
from guardian.policy.model import Policy

CLOCK_LIMIT_MS: Final = 1000
"""Binance refuses requests from more than 1 s ahead; windows and ages mean nothing on a clock that is off by more."""


class PriceCheck(StrEnum):
    """The checks of a price, in their order."""

    TRADING = "trading"
    BOOK = "book"
    AGE = "age"
    AVERAGE = "average"
    LAST_TRADE = "last trade"
    DIVERGENCE = "divergence"
    DAY_OPEN = "day's open"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFault:
    """One check that a price does not pass: a sentence, what was seen and what the limit is."""

    check: PriceCheck
    message: str
    observed: str | None = None
    limit: str | None = None

    def __str__(self) -> str:
        numbers = ", ".join(
            f"{name} {value}" for name, value in (("seen", self.observed), ("limit", self.limit)) if value is not None
        )
        return f"{self.message}{f' ({numbers})' if numbers else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsablePrice:
    """The best prices of a symbol that passed every check. Only `usable_price` makes one."""

    symbol: str
    bid: Decimal
    ask: Decimal


def usable_price(symbol: str, facts: Facts, policy: Policy) -> UsablePrice | PriceFault:
    """Returns the symbol's price where it passes every check, else the first check that it does not pass."""
    faults = price_faults(symbol, facts, policy)
    if faults:
        return faults[0]
    book = facts.books[symbol]
    return UsablePrice(symbol=symbol, bid=book.bid, ask=book.ask)


def price_faults(symbol: str, facts: Facts, policy: Policy) -> tuple[PriceFault, ...]:
    """Returns every check that the symbol's price does not pass; none where it may be used."""
    book, average = facts.books.get(symbol), facts.averages.get(symbol)
    found = [_trading(symbol, facts), _book(symbol, book, facts, policy)]
    if average is None or average.price <= ZERO:
        message = f"there is no average price of {symbol}: {facts.why_missing(Fact.AVERAGE, symbol)}"
        found.append(PriceFault(check=PriceCheck.AVERAGE, message=message))
    else:
        found.append(_last_trade(symbol, average, facts, policy))
        if book is not None and book.is_usable:
            found.append(_divergence(symbol, book, average, policy))
    return tuple(filter(None, found))


def _trading(symbol: str, facts: Facts) -> PriceFault | None:
    instrument = facts.instruments.get(symbol)
    if instrument is None:
        message = f"the exchange's rules for {symbol} are missing: {facts.why_missing(Fact.INSTRUMENT)}"
        if symbol in facts.unlisted:
            message = f"the exchange does not list {symbol}"
        return PriceFault(check=PriceCheck.TRADING, message=message)
    if not instrument.is_trading:
        return PriceFault(
            check=PriceCheck.TRADING,
            message=f"the exchange takes no new orders for {symbol} now",
            observed=instrument.status,
            limit="TRADING",
        )
    if not facts.statuses_known:
        message = f"it is not known whether {symbol} is traded now: {facts.why_missing(Fact.STATUS)}"
        return PriceFault(check=PriceCheck.TRADING, message=message)
    return None


def _book(symbol: str, book: BookTop | None, facts: Facts, policy: Policy) -> PriceFault | None:
    if book is None:
        message = f"there is no price of {symbol}: {facts.why_missing(Fact.BOOK)}"
        return PriceFault(check=PriceCheck.BOOK, message=message)
    if not book.is_usable:
        return PriceFault(
            check=PriceCheck.BOOK,
            message=f"one side of the book of {symbol} is empty, or its sides cross",
            observed=f"bid {plain(book.bid)}, ask {plain(book.ask)}",
        )
    if not is_fresh(book, facts, policy):
        return PriceFault(
            check=PriceCheck.AGE,
            message=f"the price of {symbol} is too old to judge by",
            observed=f"{facts.clock_ms - book.fetched_ms} ms",
            limit=f"{policy.prices.max_age_ms} ms",
        )
    return None


def is_fresh(book: BookTop, facts: Facts, policy: Policy) -> bool:
    """Whether a book was fetched within `prices.max_age`; a time in the future is not fresh either."""
    return 0 <= facts.clock_ms - book.fetched_ms <= policy.prices.max_age_ms


def _last_trade(symbol: str, average: AveragePrice, facts: Facts, policy: Policy) -> PriceFault | None:
    age, most = facts.clock_ms - average.traded_ms, policy.prices.max_trade_age_ms
    # The exchange's clock may be ahead by what the clock rule admits; a trade beyond that is no fact.
    if -CLOCK_LIMIT_MS <= age <= most:
        return None
    return PriceFault(
        check=PriceCheck.LAST_TRADE,
        message=f"the exchange has seen no trade of {symbol} for too long, or says it saw one in the future",
        observed=f"{age} ms",
        limit=f"{most} ms",
    )


def _divergence(symbol: str, book: BookTop, average: AveragePrice, policy: Policy) -> PriceFault | None:
    # Twice each, so that the middle needs no division.
    twice_middle, twice_average = plus(book.bid, book.ask), plus(average.price, average.price)
    most = times(twice_average, policy.prices.max_divergence)
    if absolute_difference(twice_middle, twice_average) > most:
        return PriceFault(
            check=PriceCheck.DIVERGENCE,
            message=f"the middle of the book of {symbol} and the average price are too far apart to trust either",
            observed=f"middle {plain(times(twice_middle, Decimal('0.5')))}, average {plain(average.price)}",
            limit=percent_text(policy.prices.max_divergence),
        )
    # Two stray levels can have the average in their middle: each side is then as far from it as the other.
    if minus(book.ask, book.bid) > most:
        return PriceFault(
            check=PriceCheck.DIVERGENCE,
            message=f"the two sides of the book of {symbol} are too far apart to trust either",
            observed=f"bid {plain(book.bid)}, ask {plain(book.ask)}, average {plain(average.price)}",
            limit=f"{percent_text(times(policy.prices.max_divergence, Decimal(2)))} of the average",
        )
    return None


def usable_open(symbol: str, facts: Facts, policy: Policy) -> Decimal | PriceFault:
    """Returns the price of 24 hours ago if it is within the day's prices and near the trade before it; else why not.

    The first trade of the 24 hours is one trade: a stray one would hide a loss or invent one.
    """
    opened = facts.day_opens.get(symbol)
    if opened is None:
        message = f"the price of {symbol} 24 hours ago is missing: {facts.why_missing(Fact.DAY, symbol)}"
        return PriceFault(check=PriceCheck.DAY_OPEN, message=message)
    is_within = 0 < opened.low <= opened.price <= opened.high
    if is_within and opened.previous > 0 and not diverges(opened.price, opened.previous, policy):
        return opened.price
    return PriceFault(
        check=PriceCheck.DAY_OPEN,
        message=f"the price of {symbol} 24 hours ago disagrees with the trade before it or with the day's prices",
        observed=f"{plain(opened.price)}, before it {plain(opened.previous)}, "
        f"the day's {plain(opened.low)} to {plain(opened.high)}",
        limit=percent_text(policy.prices.max_divergence),
    )


def diverges(price: Decimal, reference: Decimal, policy: Policy) -> bool:
    """Whether a price is further from the reference than `prices.max_divergence`."""
    return absolute_difference(price, reference) > times(reference, policy.prices.max_divergence)


def percent_text(fraction: Decimal) -> str:
    """Returns a fraction as people write it: 0.03 is `3%`."""
    return f"{plain(times(fraction, Decimal(100)))}%"
