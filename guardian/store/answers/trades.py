"""What guardian bought, sold, paid and gained in a period, from the rows of its ledger. Pure: rows in, figures out.

What a flow gained is worked out twice, by average cost and first in, first out; both follow from all flows before it,
whatever the period. An amount that is not in the accounting currency counts at the price that the log has for the time
when guardian learnt of it; one without any price is named in `unpriced`, and no sum pretends to contain it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from guardian.domain.money import ZERO, minus, negated, plus, total
from guardian.domain.orders import BUY, SELL, OrderSide
from guardian.store.answers.average_cost import CostPool, joined
from guardian.store.answers.fifo import FifoPool
from guardian.store.answers.past_prices import Rates
from guardian.store.schema.records import CORRECTION, Scope
from guardian.store.transaction.ledger import Flow, FlowKind


class EntryKind(StrEnum):
    """What an entry of the account is about."""

    BUY = "buy"
    SELL = "sell"
    PRICE = "price"
    """What an order paid or brought turned out to be other than was known before."""
    FEE = "fee"
    """A fee that became known after the fill that it is for."""
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeEntry:
    """What became known at one time of one order or correction.

    `amount`, `fifo` and `average` are in the quote asset; what ends in `_worth` is the same in the accounting currency,
    None where no price is known. Gains are after fees in the base and the quote asset; `fees_apart` are the others.
    """

    time_ms: int
    symbol: str
    base_asset: str
    quote_asset: str
    kind: EntryKind
    side: OrderSide | None
    """Of the order; None for a correction."""
    source: str
    """The client order id, or the key of the correction's row of the log."""
    quantity: Decimal
    """In the base asset; below zero where a correction took off."""
    amount: Decimal
    """What was paid or received, before fees; of PRICE how much more, or below zero less."""
    amount_worth: Decimal | None
    fees: Mapping[str, Decimal]
    fees_worth: Mapping[str, Decimal | None]
    fees_apart: Mapping[str, Decimal]
    fifo: Decimal
    fifo_worth: Decimal | None
    average: Decimal
    average_worth: Decimal | None


_MOVES_MONEY: Final = frozenset({EntryKind.BUY, EntryKind.SELL, EntryKind.PRICE})


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCounted:
    """An order that the figures do not have in full, and why."""

    client_order_id: str
    symbol: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLedger:
    """All that the figures of one environment and account are made of."""

    scope: Scope
    flows: tuple[Flow, ...]
    """All of them, in their order."""
    pairs: Mapping[str, tuple[str, str]]
    """The base and the quote asset of each symbol."""
    rates: Rates
    not_counted: tuple[NotCounted, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolTrades:
    """One symbol in the period: quantities in the base asset, the rest in the quote asset."""

    symbol: str
    base_asset: str
    quote_asset: str
    orders: int
    bought: Decimal
    bought_for: Decimal
    sold: Decimal
    sold_for: Decimal
    fees: Mapping[str, Decimal]
    fifo: Decimal
    """Realised, after fees in the base and the quote asset."""
    average: Decimal
    unknown_cost: Decimal
    """How much of what was sold guardian had not bought on this symbol: it is no gain."""
    unknown_cost_for: Decimal
    corrected: Decimal
    """By how much the owner corrected the position."""
    opening: Decimal
    """The position before the period."""
    position: Decimal
    """At the end of the period: bought less sold and fees in the base asset, with what the owner corrected."""
    held: Decimal
    """How much of it has a cost, which is that of `fifo_cost` and of `average_cost`."""
    fifo_cost: Decimal
    average_cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalTrades:
    """All symbols together, in the accounting currency; None where a part has no price. Gains are after all fees."""

    currency: str
    bought: Decimal | None
    sold: Decimal | None
    fees: Decimal
    """Of those that have a price."""
    fifo: Decimal | None
    average: Decimal | None
    unpriced: Mapping[str, Decimal]
    """By asset what was paid, received or charged and has no price in the log, the signs left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeFigures:
    """The answer for one environment and account."""

    scope: Scope
    since_ms: int | None
    until_ms: int | None
    symbols: tuple[SymbolTrades, ...]
    total: TotalTrades
    positions: Mapping[str, Decimal]
    """By asset, over all symbols and with corrections that belong to none, at the end of the period."""
    entries: tuple[TradeEntry, ...]
    """Those of the period, in their order."""
    not_counted: tuple[NotCounted, ...]


@dataclass(slots=True)
class _Account:
    """One symbol while its flows are taken in."""

    average: CostPool
    fifo: FifoPool
    opening: Decimal = ZERO
    position: Decimal = ZERO
    entries: list[tuple[int, TradeEntry]] = field(default_factory=list)


def figures_of(
    ledger: AccountLedger, *, since_ms: int | None = None, until_ms: int | None = None, symbol: str | None = None
) -> TradeFigures:
    """Returns the figures of a period, of one symbol or of all. `until_ms` is exclusive; None is without an end."""
    flows = [flow for flow in ledger.flows if until_ms is None or flow.time_ms < until_ms]
    of_symbol: dict[str, list[Flow]] = defaultdict(list)
    for flow in flows:
        of_symbol[flow.symbol].append(flow)
    wanted = sorted(name for name in ledger.pairs if symbol in {None, name} and of_symbol[name])
    accounts = {name: _account(name, of_symbol[name], ledger, since_ms) for name in wanted}
    numbered = sorted((one for account in accounts.values() for one in account.entries), key=lambda one: one[0])
    entries = tuple(entry for _, entry in numbered)
    return TradeFigures(
        scope=ledger.scope,
        since_ms=since_ms,
        until_ms=until_ms,
        symbols=tuple(_symbol(name, account) for name, account in accounts.items() if _is_of_interest(account)),
        total=_total(entries, ledger.rates),
        positions=_positions(flows if symbol is None else of_symbol[symbol]),
        entries=entries,
        not_counted=tuple(one for one in ledger.not_counted if symbol in {None, one.symbol}),
    )


def _is_of_interest(account: _Account) -> bool:
    return bool(account.entries or account.position or account.opening)


def _account(symbol: str, flows: list[Flow], ledger: AccountLedger, since_ms: int | None) -> _Account:
    base, quote = ledger.pairs[symbol]
    account = _Account(CostPool(base, quote), FifoPool(base, quote))
    for group in _groups(flows, quote):
        first = group[0][0]
        counts = since_ms is None or first.time_ms >= since_ms
        moved = total(flow.change for flow, _ in group if flow.asset == base)
        account.position = plus(account.position, moved)
        if not counts:
            account.opening = account.position
        average, fifo, apart = account.average, account.fifo, dict(account.average.gains.fees_apart)
        before = average.gains.realised, fifo.gains.realised
        for flow, paid in group:
            average.take(flow, paid, counts=counts)
            fifo.take(flow, paid, counts=counts)
        if counts:
            gained = minus(average.gains.realised, before[0]), minus(fifo.gains.realised, before[1])
            now = average.gains.fees_apart
            new = {asset: minus(fee, apart.get(asset, ZERO)) for asset, fee in now.items()}
            account.entries.append((first.number, _entry(group, account.average, gained, new, ledger.rates)))
    return account


def _groups(flows: list[Flow], quote: str) -> Iterator[list[tuple[Flow, Decimal]]]:
    """Yields what becomes one entry: a fill with the fees that became known with it, or anything else alone."""
    group: list[tuple[Flow, Decimal]] = []
    for flow, paid in joined(flows, quote):
        first = group[0][0] if group else None
        belongs = first is not None and flow.kind is FlowKind.FEE and first.kind is not FlowKind.CORRECTION
        if first is not None and belongs and (first.source, first.time_ms) == (flow.source, flow.time_ms):
            group.append((flow, paid))
            continue
        if group:
            yield group
        group = [(flow, paid)]
    if group:
        yield group


def _entry(
    group: list[tuple[Flow, Decimal]],
    pool: CostPool,
    gained: tuple[Decimal, Decimal],
    apart: Mapping[str, Decimal],
    rates: Rates,
) -> TradeEntry:
    first, paid = group[0]
    kind, quote, time_ms = _kind(first, pool.quote_asset), pool.quote_asset, first.time_ms
    is_buy = pool.is_buy(first.source)
    quantity = amount = ZERO
    if kind is EntryKind.CORRECTION:
        quantity = first.change
    elif kind is EntryKind.PRICE:
        amount = negated(first.change) if is_buy else first.change
    elif kind is not EntryKind.FEE:
        quantity, amount = first.change.copy_abs(), paid.copy_abs()
    fees: dict[str, Decimal] = {}
    for flow, _ in group:
        if flow.kind is FlowKind.FEE:
            fees[flow.asset] = minus(fees.get(flow.asset, ZERO), flow.change)
    average, fifo = gained
    return TradeEntry(
        time_ms=time_ms,
        symbol=first.symbol,
        base_asset=pool.base_asset,
        quote_asset=quote,
        kind=kind,
        side=None if is_buy is None else BUY if is_buy else SELL,
        source=first.source,
        quantity=quantity,
        amount=amount,
        amount_worth=rates.worth(quote, amount, time_ms),
        fees=fees,
        fees_worth={asset: rates.worth(asset, fee, time_ms) for asset, fee in fees.items()},
        fees_apart={asset: fee for asset, fee in apart.items() if fee},
        fifo=fifo,
        fifo_worth=rates.worth(quote, fifo, time_ms),
        average=average,
        average_worth=rates.worth(quote, average, time_ms),
    )


def _kind(flow: Flow, quote_asset: str) -> EntryKind:
    if flow.kind is FlowKind.TRADE:
        if flow.asset == quote_asset:
            return EntryKind.PRICE
        return EntryKind.BUY if flow.change > 0 else EntryKind.SELL
    return EntryKind.FEE if flow.kind is FlowKind.FEE else EntryKind.CORRECTION


def _symbol(name: str, account: _Account) -> SymbolTrades:
    average, fifo = account.average, account.fifo
    gains = average.gains
    return SymbolTrades(
        symbol=name,
        base_asset=average.base_asset,
        quote_asset=average.quote_asset,
        orders=sum(not source.startswith(CORRECTION) for source in gains.sources),
        bought=gains.bought,
        bought_for=gains.bought_for,
        sold=gains.sold,
        sold_for=gains.sold_for,
        fees=gains.fees,
        fifo=fifo.gains.realised,
        average=gains.realised,
        unknown_cost=gains.unknown_cost,
        unknown_cost_for=gains.unknown_cost_for,
        corrected=gains.corrected,
        opening=account.opening,
        position=account.position,
        held=average.held,
        fifo_cost=fifo.cost,
        average_cost=average.cost,
    )


class _Sum:
    """A sum in the accounting currency that knows whether anything in it has no price."""

    def __init__(self) -> None:
        self.known = ZERO
        self.is_whole = True

    def add(self, worth: Decimal | None) -> bool:
        """Adds an amount; False where its worth is not known."""
        if worth is None:
            self.is_whole = False
            return False
        self.known = plus(self.known, worth)
        return True

    def less(self, amount: Decimal) -> Decimal | None:
        """Returns the sum less an amount; None where the sum is not whole."""
        return minus(self.known, amount) if self.is_whole else None


def _total(entries: Iterable[TradeEntry], rates: Rates) -> TotalTrades:
    bought, sold, fees, apart, fifo, average = (_Sum() for _ in range(6))
    unpriced: dict[str, Decimal] = {}

    def note(asset: str, amount: Decimal) -> None:
        unpriced[asset] = plus(unpriced.get(asset, ZERO), amount.copy_abs())

    for entry in entries:
        if entry.kind in _MOVES_MONEY and not (bought if entry.side is BUY else sold).add(entry.amount_worth):
            note(entry.quote_asset, entry.amount)
        for asset, fee in entry.fees.items():
            if not fees.add(entry.fees_worth[asset]):
                note(asset, fee)
        for asset, fee in entry.fees_apart.items():
            apart.add(rates.worth(asset, fee, entry.time_ms))
        fifo.add(entry.fifo_worth)
        average.add(entry.average_worth)
    return TotalTrades(
        currency=rates.currency,
        bought=bought.less(ZERO),
        sold=sold.less(ZERO),
        fees=fees.known,
        fifo=fifo.less(apart.known),
        average=average.less(apart.known),
        unpriced=unpriced,
    )


def _positions(flows: Iterable[Flow]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for flow in flows:
        if flow.kind is not FlowKind.WORTH:
            sums[flow.asset] = plus(sums.get(flow.asset, ZERO), flow.change)
    return {asset: held for asset, held in sorted(sums.items()) if held}
