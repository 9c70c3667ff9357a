"""Facts, fetched at once: only those that the rules in force need, and each failure kept with its reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from guardian.domain.accounts import Balances
from guardian.domain.instruments import Instrument
from guardian.domain.money import plus
from guardian.domain.orders import OrderSpec
from guardian.domain.trading import Environment
from guardian.errors import ExchangeError, ExchangeRateLimited, ExchangeRejected
from guardian.exchange.exchange import Exchange
from guardian.policy.engine import needed_facts
from guardian.policy.facts import AveragePrice, BookTop, Confirmed, Fact, Facts
from guardian.policy.loss import LossNeeds
from guardian.policy.model import Policy
from guardian.policy.notional import market_symbols, next_on_path, path_symbols

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Gathered:
    """What has come in so far."""

    instruments: dict[str, Instrument] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    books: dict[str, BookTop] = field(default_factory=dict)
    day_opens: dict[str, Decimal] = field(default_factory=dict)
    average: AveragePrice | None = None
    balances: Balances | None = None
    clock_skew_ms: int | None = None
    missing: dict[Fact, str] = field(default_factory=dict)
    limited: ExchangeRateLimited | None = None
    """Set where the exchange asked to slow down: then nothing is judged."""

    async def take(self, fact: Fact, answer: Awaitable[Answer]) -> Answer | None:
        """The answer, or None with the reason kept: a fact that cannot be had is a denial by the rule that needs it."""
        try:
            return await answer
        except ExchangeRejected as error:
            self.missing[fact] = f"the exchange refused it (code {error.code})"
        except ExchangeRateLimited as error:
            self.limited = error
            self.missing[fact] = error.message
        except ExchangeError as error:
            self.missing[fact] = error.message
        return None


async def gather_facts(
    spec: OrderSpec,
    policy: Policy,
    exchange: Exchange,
    environment: Environment,
    problems: tuple[str, ...],
    confirmed: Confirmed | None,
    loss: LossNeeds,
    *,
    may_exit: bool,
) -> Facts:
    """Everything that the rules for this order need from the exchange, in one round trip where the rules are warm.

    `loss` is what the loss of the day depends on, as the store had it a moment ago; with `may_exit` a symbol that the
    policy does not list is asked for too. The times and the usage are
    placeholders: they are read again, together, inside the reservation.

    Raises:
        ExchangeRateLimited: the exchange asked to slow down; that is no verdict on the order, and burns no token.
        CredentialsError: the balances need a key that is not there.
    """
    needs = needed_facts(spec, policy, may_exit=may_exit)
    got = _Gathered()
    if Fact.INSTRUMENT in needs:
        await _instruments(spec, policy, exchange, loss, got)
    await asyncio.gather(
        _books(spec, policy, exchange, needs, loss, got),
        _day_opens(exchange, needs, loss, got),
        _average(spec, exchange, needs, got),
        _balances(exchange, needs, got),
        _clock(exchange, needs, got),
    )
    if got.limited is not None:
        raise got.limited
    return Facts(
        now_ms=0,
        clock_ms=0,
        environment=environment,
        policy_problems=problems,
        instruments=got.instruments,
        unlisted=frozenset(got.unlisted),
        books=got.books,
        day_opens=got.day_opens,
        average=got.average,
        free=None if got.balances is None else {b.asset: b.free for b in got.balances.balances},
        held=None if got.balances is None else {b.asset: plus(b.free, b.locked) for b in got.balances.balances},
        clock_skew_ms=got.clock_skew_ms,
        confirmed=confirmed,
        missing=got.missing,
    )


async def _instruments(spec: OrderSpec, policy: Policy, exchange: Exchange, loss: LossNeeds, got: _Gathered) -> None:
    """The rules of all symbols that are looked at, conversion paths among them: from memory, once they were asked for.

    A path is walked from symbol to symbol, because only the rules of one tell which assets it trades.
    """
    wanted = dict.fromkeys((spec.symbol, *sorted(loss.books | loss.opens)))
    while wanted:
        found = await got.take(Fact.INSTRUMENT, exchange.instruments(tuple(wanted)))
        if found is None:
            return
        got.instruments.update(found)
        got.unlisted.update(wanted.keys() - found.keys())
        if spec.symbol in got.unlisted:
            return
        assets = dict.fromkeys((got.instruments[spec.symbol].quote_asset, *sorted(loss.assets)))
        steps = (next_on_path(asset, policy.accounting, got.instruments) for asset in assets)
        wanted = dict.fromkeys(symbol for symbol in steps if symbol is not None and symbol not in got.unlisted)


async def _books(
    spec: OrderSpec, policy: Policy, exchange: Exchange, needs: frozenset[Fact], loss: LossNeeds, got: _Gathered
) -> None:
    if Fact.BOOK in needs and spec.symbol in got.instruments:
        paths = (path_symbols(asset, policy.accounting, got.instruments) for asset in sorted(loss.assets))
        own = market_symbols(spec.symbol, policy, got.instruments)
        symbols = dict.fromkeys((*own, *sorted(loss.books - got.unlisted), *(leg for path in paths for leg in path)))
        got.books = await got.take(Fact.BOOK, exchange.book_tops(symbols)) or {}


async def _day_opens(exchange: Exchange, needs: frozenset[Fact], loss: LossNeeds, got: _Gathered) -> None:
    if Fact.DAY not in needs:
        return
    symbols = sorted(symbol for symbol in loss.opens if symbol in got.instruments)
    tickers = await asyncio.gather(*(got.take(Fact.DAY, exchange.ticker(symbol)) for symbol in symbols))
    got.day_opens = {ticker.symbol: ticker.open_price for ticker in tickers if ticker is not None}


async def _average(spec: OrderSpec, exchange: Exchange, needs: frozenset[Fact], got: _Gathered) -> None:
    if Fact.AVERAGE in needs and spec.symbol in got.instruments:
        got.average = await got.take(Fact.AVERAGE, exchange.average_price(spec.symbol))


async def _balances(exchange: Exchange, needs: frozenset[Fact], got: _Gathered) -> None:
    if Fact.BALANCES in needs:
        got.balances = await got.take(Fact.BALANCES, exchange.balances())


async def _clock(exchange: Exchange, needs: frozenset[Fact], got: _Gathered) -> None:
    if Fact.CLOCK in needs:
        got.clock_skew_ms = await got.take(Fact.CLOCK, exchange.clock_skew_ms())
