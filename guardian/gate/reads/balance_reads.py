"""`get_balance`: the balances with what guardian knows: what it holds, what is left of each cap, what waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.accounts import Balance, Balances
from guardian.domain.money import ZERO, plus, total
from guardian.errors import ExchangeError, StoreError
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.gate.base.replies import AccountBalances, AssetBalance, HeldPosition, Situation
from guardian.gate.orders.proposals import waiting_orders
from guardian.gate.situation.headroom import CapLeft, above_floor, cap_left
from guardian.gate.situation.selling import SellMarket, sold_on_any
from guardian.gate.situation.situations import held_assets, situation_of_store
from guardian.policy.model import Policy
from guardian.store.budgets.usage import may_bring
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ledger:
    """What the store has of the account's assets."""

    positions: Mapping[str, Decimal]
    """By asset, below zero where the owner's own was sold."""
    held: Mapping[str, Decimal]
    sellable: Mapping[str, Decimal]
    pending: tuple[OrderRow, ...]
    traded_on: tuple[str, ...]
    """Symbols on which the held assets were bought, listed by the policy or not."""

    def may_hold(self, symbol: str) -> bool:
        """Whether the base asset of a symbol can be one that is held or may come, going by the symbol's name alone."""
        coming = (asset for row in self.pending for asset in (row.base_asset, row.quote_asset))
        return any(symbol.startswith(asset) for asset in (*self.positions, *coming))

    def counted(self, asset: str) -> Decimal:
        """What counts against `max_position`: what is held, and what open and unknown orders may bring."""
        return plus(self.positions.get(asset, ZERO), total(may_bring(row, asset) for row in self.pending))


async def balances_with_situation(
    context: GateContext, exchange: Exchange, scope: Scope, policy: Policy, balances: Balances
) -> AccountBalances:
    """The balances with the situation; an asset that guardian holds is listed even where the account has none of it.

    Reading continues to work where the store does not: then both are None.
    """
    try:
        ledger = await context.journal.transact(lambda tx: _ledger(tx, scope))
        wanted = (*(symbol for symbol in sorted(policy.symbols) if ledger.may_hold(symbol)), *ledger.traded_on)
        markets = await _markets(exchange, tuple(dict.fromkeys(wanted)))
        positions = _positions(ledger, balances, markets, policy)
        caps = {**_position_caps(ledger, markets, policy), **_free_quotes(balances, markets, policy)}
        situation = await context.journal.transact(lambda tx: _situation(tx, context, scope, policy, positions, caps))
    except StoreError:
        return _listed(balances, None, None)
    return _listed(balances, positions, situation)


def _ledger(tx: Transaction, scope: Scope) -> _Ledger:
    held = held_assets(tx, scope)
    return _Ledger(
        positions=tx.ledger.positions(scope),
        held=held,
        sellable=tx.usage.sellable(scope),
        pending=tx.orders.pending(scope),
        traded_on=tuple(symbol for asset in held for symbol in tx.corrections.symbols(scope, asset)),
    )


def _situation(
    tx: Transaction,
    context: GateContext,
    scope: Scope,
    policy: Policy,
    positions: Mapping[str, HeldPosition],
    caps: Mapping[str, CapLeft],
) -> Situation:
    waiting = waiting_orders(tx, scope)
    return situation_of_store(tx, context.journal, scope, policy, waiting, positions=positions, more_caps=caps)


def _listed(
    balances: Balances, positions: Mapping[str, HeldPosition] | None, situation: Situation | None
) -> AccountBalances:
    there = {one.asset for one in balances.balances}
    lacking = (Balance(asset=asset, free=ZERO, locked=ZERO) for asset in positions or {} if asset not in there)
    return AccountBalances(
        balances=tuple(
            AssetBalance(asset=one.asset, free=one.free, locked=one.locked, sell_back=_sell_back(one.asset, positions))
            for one in (*balances.balances, *lacking)
        ),
        can_trade=balances.can_trade,
        updated=balances.updated,
        situation=situation,
    )


def _sell_back(asset: str, positions: Mapping[str, HeldPosition] | None) -> Decimal | None:
    if positions is None:
        return None
    return positions[asset].sell_back if asset in positions else ZERO


async def _markets(exchange: Exchange, symbols: tuple[str, ...]) -> dict[str, SellMarket]:
    """The rules of these symbols, each with its best prices; no prices, or nothing, where the exchange fails."""
    if not symbols:
        return {}
    try:
        instruments = await exchange.instruments(symbols)
    except ExchangeError:
        return {}
    try:
        books = await exchange.book_tops(tuple(instruments)) if instruments else {}
    except ExchangeError:
        books = {}
    return {
        symbol: SellMarket(instrument=instrument, book=books.get(symbol)) for symbol, instrument in instruments.items()
    }


def _positions(
    ledger: _Ledger, balances: Balances, markets: Mapping[str, SellMarket], policy: Policy
) -> dict[str, HeldPosition]:
    free = {one.asset: one.free for one in balances.balances}
    return {
        asset: sold_on_any(
            asset,
            held,
            max(min(ledger.sellable.get(asset, ZERO), free.get(asset, ZERO)), ZERO),
            markets,
            policy,
        )
        for asset, held in ledger.held.items()
    }


def _position_caps(ledger: _Ledger, markets: Mapping[str, SellMarket], policy: Policy) -> dict[str, CapLeft]:
    """The cap on the position of each symbol; unknown where its base asset is not known and may be held."""
    caps = {}
    for symbol, limits in sorted(policy.symbols.items()):
        counted: Decimal | None = None
        if symbol in markets:
            counted = ledger.counted(markets[symbol].instrument.base_asset)
        elif not ledger.may_hold(symbol):
            counted = ZERO
        caps[f"max_position {symbol}"] = cap_left(limits.max_position, counted)
    return caps


def _free_quotes(balances: Balances, markets: Mapping[str, SellMarket], policy: Policy) -> dict[str, CapLeft]:
    """What may be spent of each quote asset that is known to be one."""
    free, floor = {one.asset: one.free for one in balances.balances}, policy.limits.min_free_quote
    quotes = sorted({market.instrument.quote_asset for market in markets.values()})
    return {f"min_free_quote {asset}": above_floor(floor, free.get(asset, ZERO)) for asset in quotes}
