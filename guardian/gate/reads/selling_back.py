"""What guardian bought and can sell back now: by symbol in orders that all pass, and by asset beside the balances."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from guardian.domain.accounts import Balances
from guardian.domain.instruments import Instrument
from guardian.domain.market import BookTop
from guardian.domain.money import ZERO, floor_to, total
from guardian.domain.orders import OrderSide, OrderSpec, OrderType
from guardian.errors import CredentialsError, ExchangeError, ExchangeUnavailable, StoreError
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.gate.base.facts import Basis, basis_of, gather_facts, usage_now
from guardian.gate.base.policy_file import PolicyInForce
from guardian.gate.base.replies import AccountBalances, AssetBalance
from guardian.policy.case import build_case
from guardian.policy.exits import exit_orders
from guardian.policy.facts import Facts
from guardian.policy.model import Policy
from guardian.store.database import Transaction
from guardian.store.schema.records import Scope

MAX_SYMBOLS: Final = 10
"""Maximum number of symbols; a home with more holdings sees the others in `guardian position`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SellBack:
    """How an asset that guardian bought is sold back on one symbol, as MARKET orders at current prices."""

    asset: str
    symbol: str
    sellable: Decimal
    """What guardian bought, has neither sold nor offered, and the account has free."""
    quantity: Decimal
    """How much of that goes in orders that every cap and filter admits, in whole steps."""
    orders: tuple[Decimal, ...]
    """Their quantities; empty where it is too little for the exchange, or no price is usable now."""


async def sell_backs(context: GateContext, in_force: PolicyInForce) -> tuple[SellBack, ...] | None:
    """By symbol, for every asset that guardian can sell back; None where the exchange did not answer.

    Raises StoreError.
    """
    try:
        connection = await context.connector.connect(needs_keys=True)
        scope = Scope(environment=context.environment.value, account=connection.account)
        basis, symbols = await context.journal.transact(lambda tx: _held(tx, scope, in_force))
        found = await asyncio.gather(
            *(
                _on_symbol(context, connection.exchange, scope, in_force, basis, symbol, quantity)
                for symbol, quantity in list(symbols.items())[:MAX_SYMBOLS]
            )
        )
    except (CredentialsError, ExchangeError):
        return None
    return tuple(one for one in found if one is not None)


def _held(tx: Transaction, scope: Scope, in_force: PolicyInForce) -> tuple[Basis, dict[str, Decimal]]:
    """What the facts depend on, and how much may be sold on each symbol that may trade it as its base asset."""
    basis = basis_of(tx, scope)
    symbols: dict[str, Decimal] = {}
    for asset, quantity in basis.sellable.items():
        listed = (symbol for symbol in sorted(in_force.policy.symbols) if symbol.startswith(asset))
        symbols |= dict.fromkeys((*listed, *tx.corrections.symbols(scope, asset)), quantity)
    return basis, symbols


async def _on_symbol(
    context: GateContext,
    exchange: Exchange,
    scope: Scope,
    in_force: PolicyInForce,
    basis: Basis,
    symbol: str,
    quantity: Decimal,
) -> SellBack | None:
    spec = OrderSpec(symbol=symbol, side=OrderSide.SELL, order_type=OrderType.MARKET, quantity=quantity)
    facts = await gather_facts(
        spec,
        in_force.policy,
        exchange,
        context.environment,
        basis,
        problems=in_force.problems,
        confirmed=None,
        may_exit=True,
    )
    facts = await context.journal.transact(lambda tx: _now(tx, context, scope, in_force.policy, basis, spec, facts))
    case = build_case(spec, facts, in_force.policy)
    if symbol in facts.unlisted or case.sellable == 0:
        return None
    if case.instrument is None or case.sellable is None:
        raise ExchangeUnavailable(f"what can be sold back on {symbol} is unknown now")
    orders = exit_orders(case)
    return SellBack(
        asset=case.instrument.base_asset,
        symbol=symbol,
        sellable=case.sellable,
        quantity=total(orders),
        orders=orders,
    )


def _now(
    tx: Transaction, context: GateContext, scope: Scope, policy: Policy, basis: Basis, spec: OrderSpec, facts: Facts
) -> Facts:
    """The fetched facts with the usage and the times of this transaction."""
    usage = usage_now(tx, context.journal, scope, spec, policy, facts, basis)
    return replace(facts, usage=usage, now_ms=tx.now_ms, clock_ms=context.clock.now_ms())


async def with_sell_back(
    context: GateContext, exchange: Exchange, scope: Scope, symbols: tuple[str, ...], balances: Balances
) -> AccountBalances:
    """The balances with what can be sold back of each asset on a symbol of the policy, by its steps and least notional.

    Reading keeps working where the store does not: then that is None for all.
    """
    held: dict[str, Decimal] | None
    try:
        held = await context.journal.transact(lambda tx: tx.usage.sellable(scope))
    except StoreError:
        held = None
    wanted = tuple(s for s in symbols if any(s.startswith(asset) for asset in held or ()))
    markets = await _markets(exchange, wanted)
    return AccountBalances(
        balances=tuple(
            AssetBalance(
                asset=one.asset,
                free=one.free,
                locked=one.locked,
                sell_back=None
                if held is None
                else _most_on_any(max(min(held.get(one.asset, ZERO), one.free), ZERO), one.asset, markets),
            )
            for one in balances.balances
        ),
        can_trade=balances.can_trade,
        updated=balances.updated,
    )


async def _markets(exchange: Exchange, symbols: tuple[str, ...]) -> tuple[tuple[Instrument, BookTop | None], ...]:
    """The rules of these symbols, each with its best prices; no prices, or nothing, where the exchange fails."""
    if not symbols:
        return ()
    try:
        instruments = await exchange.instruments(symbols)
    except ExchangeError:
        return ()
    try:
        books = await exchange.book_tops(tuple(instruments)) if instruments else {}
    except ExchangeError:
        books = {}
    return tuple((instrument, books.get(symbol)) for symbol, instrument in instruments.items())


def _most_on_any(quantity: Decimal, asset: str, markets: tuple[tuple[Instrument, BookTop | None], ...]) -> Decimal:
    """How much of the quantity can be sold on one of the symbols that trade the asset; all of it where none does."""
    found = [_most_on(quantity, instrument, book) for instrument, book in markets if instrument.base_asset == asset]
    return max(found, default=quantity)


def _most_on(quantity: Decimal, instrument: Instrument, book: BookTop | None) -> Decimal:
    """In whole steps; zero where that is less than LOT_SIZE and NOTIONAL admit at the bid, as far as that is known."""
    whole = floor_to(quantity, instrument.lot.step)
    if book is None or not book.is_usable:
        return whole
    least = instrument.smallest_valid(book.bid)
    return ZERO if least is None or whole < least else whole
