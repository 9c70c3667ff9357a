"""Fetches the facts that the rules in force need, concurrently; each failure is kept with its reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from guardian.domain.accounts import Balances
from guardian.domain.instruments import Instrument
from guardian.domain.market import AveragePrice, BookTop, DayOpen
from guardian.domain.money import ZERO, plus
from guardian.domain.orders import OrderSide, OrderSpec
from guardian.domain.trading import Environment
from guardian.errors import ExchangeError, ExchangeRateLimited, ExchangeRejected
from guardian.gate.base.journal import Journal
from guardian.gate.base.open_orders import OpenOrderLister
from guardian.policy.case import sellable
from guardian.policy.conversion import market_symbols, next_on_path, path_symbols
from guardian.policy.engine import needed_facts
from guardian.policy.facts import Confirmed, Fact, Facts, ListedOrders, Usage
from guardian.policy.loss import LossNeeds, loss_needs
from guardian.policy.model import Policy
from guardian.store.budgets.snapshots import Snapshot
from guardian.store.database import Transaction
from guardian.store.schema.records import Scope
from guardian.system.clock import Clock

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What facts depend on besides the order and the policy, read from the store before they are fetched."""

    loss: LossNeeds
    snapshot: Snapshot
    sellable: Mapping[str, Decimal]
    """By asset: what guardian bought and has neither sold nor offered."""

    def is_behind(self, spec: OrderSpec, assets: tuple[str, str] | None, usage: Usage) -> bool:
        """Whether trades since then changed what a SELL may sell back, so that its balances may be outdated."""
        if spec.side is not OrderSide.SELL or assets is None:
            return False
        return sellable(usage) != self.sellable.get(assets[0], ZERO)


def basis_of(tx: Transaction, scope: Scope) -> Basis:
    """What the facts of an order depend on, as the store has it now."""
    return Basis(
        loss=loss_needs(tx.ledger.traded(scope)), snapshot=tx.snapshots.take(scope), sellable=tx.usage.sellable(scope)
    )


def assets_of(facts: Facts, spec: OrderSpec) -> tuple[str, str] | None:
    """The base and the quote asset of an order, as the exchange lists them; None where that is not known."""
    instrument = facts.instruments.get(spec.symbol)
    return None if instrument is None else (instrument.base_asset, instrument.quote_asset)


def usage_now(
    tx: Transaction, journal: Journal, scope: Scope, spec: OrderSpec, policy: Policy, facts: Facts, basis: Basis
) -> Usage:
    """The usage that the rules count for this order in this transaction, and a halt by the emergency file."""
    usage = tx.usage.of(
        scope,
        spec,
        policy.limits,
        currency=policy.accounting.currency,
        assets=assets_of(facts, spec),
        snapshot=basis.snapshot,
        listed=facts.listed_orders,
    )
    trading, reason = journal.trading(tx)
    return replace(usage, trading=trading, halt_reason=reason)


@dataclass(slots=True)
class _Gathered:
    """The facts fetched so far."""

    instruments: dict[str, Instrument] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    statuses_known: bool = False
    books: dict[str, BookTop] = field(default_factory=dict)
    day_opens: dict[str, DayOpen] = field(default_factory=dict)
    averages: dict[str, AveragePrice] = field(default_factory=dict)
    balances: Balances | None = None
    listed_orders: ListedOrders | None = None
    clock_skew_ms: int | None = None
    missing: dict[Fact, str] = field(default_factory=dict)
    missing_of: dict[tuple[Fact, str], str] = field(default_factory=dict)
    limited: ExchangeRateLimited | None = None
    """Set where the exchange limited the rate: then nothing is judged."""

    async def take(self, fact: Fact, answer: Awaitable[Answer], symbol: str | None = None) -> Answer | None:
        """The answer, or None with the reason kept: a fact that is missing is a denial by the rule that needs it.

        With a `symbol` it is that symbol's fact alone that is missing.
        """
        try:
            return await answer
        except ExchangeRejected as error:
            reason = f"the exchange refused it (code {error.code})"
        except ExchangeRateLimited as error:
            self.limited = error
            reason = error.message
        except ExchangeError as error:
            reason = error.message
        if symbol is None:
            self.missing[fact] = reason
        else:
            self.missing_of[fact, symbol] = reason
        return None


async def gather_facts(
    spec: OrderSpec,
    policy: Policy,
    exchange: Exchange,
    environment: Environment,
    basis: Basis,
    *,
    problems: tuple[str, ...],
    confirmed: Confirmed | None,
    may_exit: bool,
    lister: OpenOrderLister | None = None,
) -> Facts:
    """Everything that the rules for this order need from the exchange, in one round trip where the rules are warm.

    `basis` is what the store had a moment ago: answers are compared with it later. `problems` are the mistakes of the
    policy's file; `confirmed` is what a person agreed to, if one did. With `may_exit` a symbol that the policy does not
    list is fetched too. Without a `lister` the open orders are left out. The times and the usage are placeholders: they
    are read again, together, inside the reservation.

    Raises:
        ExchangeRateLimited: that is no verdict on the order, and burns no token.
        CredentialsError: the key for the balances is missing.
    """
    needs, loss = needed_facts(spec, policy, may_exit=may_exit), basis.loss
    got = _Gathered()
    if Fact.INSTRUMENT in needs:
        await _instruments(spec.symbol, policy, exchange, loss, got)
    priced = _priced_symbols(spec.symbol, policy, loss, got)
    await asyncio.gather(
        _statuses(spec.symbol, exchange, needs, priced, got),
        _books(exchange, needs, priced, got),
        _averages(exchange, needs, priced, got),
        _day_opens(exchange, needs, loss, got),
        _balances(exchange, needs, got),
        _open_orders(spec, exchange, needs, basis, lister, got),
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
        statuses_known=got.statuses_known,
        books=got.books,
        day_opens=got.day_opens,
        averages=got.averages,
        free=None if got.balances is None else {b.asset: b.free for b in got.balances.balances},
        held=None if got.balances is None else {b.asset: plus(b.free, b.locked) for b in got.balances.balances},
        listed_orders=got.listed_orders,
        clock_skew_ms=got.clock_skew_ms,
        confirmed=confirmed,
        missing=got.missing,
        missing_of=got.missing_of,
    )


async def gather_prices(
    needs: LossNeeds, policy: Policy, exchange: Exchange, environment: Environment, clock: Clock
) -> Facts:
    """The prices that these symbols and assets are counted at, each with what its checks need, and nothing else.

    Raises nothing for what the exchange does not answer, its rate limit among it: that price is missing, with why.
    """
    got, facts = _Gathered(), frozenset({Fact.STATUS, Fact.BOOK, Fact.AVERAGE})
    await _instruments(None, policy, exchange, needs, got)
    priced = _priced_symbols(None, policy, needs, got)
    await asyncio.gather(
        _statuses(None, exchange, facts, priced, got),
        _books(exchange, facts, priced, got),
        _averages(exchange, facts, priced, got),
    )
    return Facts(
        now_ms=0,
        clock_ms=clock.now_ms(),
        environment=environment,
        policy_problems=(),
        instruments=got.instruments,
        unlisted=frozenset(got.unlisted),
        statuses_known=got.statuses_known,
        books=got.books,
        averages=got.averages,
        missing=got.missing,
        missing_of=got.missing_of,
    )


async def _instruments(own: str | None, policy: Policy, exchange: Exchange, loss: LossNeeds, got: _Gathered) -> None:
    """The rules of all symbols that are needed, including conversion paths; cached once they were fetched.

    `own` is the symbol of an order. A path is followed from symbol to symbol, because only a symbol's rules have the
    assets that it trades.
    """
    wanted = dict.fromkeys((*(() if own is None else (own,)), *sorted(loss.books | loss.opens)))
    wanted = wanted or _next_symbols(own, policy, loss, got)
    while wanted:
        found = await got.take(Fact.INSTRUMENT, exchange.instruments(tuple(wanted)))
        if found is None:
            return
        got.instruments.update(found)
        got.unlisted.update(wanted.keys() - found.keys())
        if own in got.unlisted:
            return
        wanted = _next_symbols(own, policy, loss, got)


def _next_symbols(own: str | None, policy: Policy, loss: LossNeeds, got: _Gathered) -> dict[str, None]:
    """The symbols whose rules are needed next, on the ways to the accounting currency."""
    quote = () if own is None else (got.instruments[own].quote_asset,)
    assets = dict.fromkeys((*quote, *sorted(loss.assets)))
    steps = (next_on_path(asset, policy.accounting, got.instruments) for asset in assets)
    return dict.fromkeys(symbol for symbol in steps if symbol is not None and symbol not in got.unlisted)


def _priced_symbols(own: str | None, policy: Policy, loss: LossNeeds, got: _Gathered) -> tuple[str, ...]:
    """Every symbol whose price counts something: the order's own, held ones, and all on the paths of conversion."""
    if own is not None and own not in got.instruments:
        return ()
    paths = (path_symbols(asset, policy.accounting, got.instruments) for asset in sorted(loss.assets))
    symbols = () if own is None else market_symbols(own, policy, got.instruments)
    return tuple(
        dict.fromkeys((*symbols, *sorted(loss.books - got.unlisted), *(leg for path in paths for leg in path)))
    )


async def _statuses(
    own: str | None, exchange: Exchange, needs: frozenset[Fact], priced: tuple[str, ...], got: _Gathered
) -> None:
    """Whether each priced symbol trades now, in one request, none where the rules have just been fetched.

    Not needed where the order's own symbol is the only one: the exchange itself takes no order for one that is halted,
    but it converts and holds nothing for guardian.
    """
    if Fact.STATUS not in needs:
        return
    if set(priced) <= {own}:
        got.statuses_known = True
        return
    found = await got.take(Fact.STATUS, exchange.current_instruments(priced))
    if found is not None:
        got.statuses_known = True
        gone = frozenset(priced) - found.keys()
        got.unlisted.update(gone)
        got.instruments = {s: kept for s, kept in got.instruments.items() if s not in gone} | found


async def _books(exchange: Exchange, needs: frozenset[Fact], priced: tuple[str, ...], got: _Gathered) -> None:
    """The best prices of all symbols, in one request."""
    if Fact.BOOK in needs and priced:
        got.books = await got.take(Fact.BOOK, exchange.book_tops(priced)) or {}


async def _averages(exchange: Exchange, needs: frozenset[Fact], priced: tuple[str, ...], got: _Gathered) -> None:
    """The average price of each symbol, all at once; one that is missing takes none of the others away."""

    async def fetch(symbol: str) -> None:
        average = await got.take(Fact.AVERAGE, exchange.average_price(symbol), symbol)
        if average is not None:
            got.averages[symbol] = average

    if Fact.AVERAGE in needs:
        await asyncio.gather(*(fetch(symbol) for symbol in priced))


async def _day_opens(exchange: Exchange, needs: frozenset[Fact], loss: LossNeeds, got: _Gathered) -> None:
    """The price of 24 hours ago of each symbol that was held then, all at once."""

    async def fetch(symbol: str) -> None:
        opened = await got.take(Fact.DAY, exchange.day_open(symbol), symbol)
        if opened is not None:
            got.day_opens[symbol] = opened

    if Fact.DAY in needs:
        await asyncio.gather(*(fetch(symbol) for symbol in sorted(loss.opens) if symbol in got.instruments))


async def _balances(exchange: Exchange, needs: frozenset[Fact], got: _Gathered) -> None:
    if Fact.BALANCES in needs:
        got.balances = await got.take(Fact.BALANCES, exchange.balances())


async def _open_orders(
    spec: OrderSpec,
    exchange: Exchange,
    needs: frozenset[Fact],
    basis: Basis,
    lister: OpenOrderLister | None,
    got: _Gathered,
) -> None:
    instrument = got.instruments.get(spec.symbol)
    if Fact.OPEN_ORDERS in needs and lister is not None and instrument is not None:
        listing = lister.listed(exchange, spec, instrument, basis.snapshot)
        got.listed_orders = await got.take(Fact.OPEN_ORDERS, listing)


async def _clock(exchange: Exchange, needs: frozenset[Fact], got: _Gathered) -> None:
    if Fact.CLOCK in needs:
        got.clock_skew_ms = await got.take(Fact.CLOCK, exchange.clock_skew_ms())
