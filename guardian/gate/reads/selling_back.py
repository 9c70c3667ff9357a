"""What guardian bought and can sell back now, by symbol, in orders that all pass."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from guardian.domain.money import total
from guardian.domain.orders import OrderSide, OrderSpec, OrderType
from guardian.errors import CredentialsError, ExchangeError, ExchangeUnavailable
from guardian.gate.base.context import GateContext
from guardian.gate.base.facts import Basis, basis_of, gather_facts, usage_now
from guardian.gate.base.policy_file import PolicyInForce
from guardian.policy.case import build_case
from guardian.policy.exits import exit_orders
from guardian.policy.facts import Facts
from guardian.policy.model import Policy
from guardian.store.database import Transaction
from guardian.store.schema.records import Scope

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange

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
