"""What guardian bought, what the account has, and what can be sold back, by asset; and the owner's correction of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from guardian.connector import Connection
from guardian.domain.money import ZERO, plain, plus
from guardian.errors import ExchangeUnavailable, GuardianError
from guardian.gate.base.context import GateContext
from guardian.gate.recovery.refresh import refresh_order
from guardian.policy.facts import Facts
from guardian.policy.prices import PriceFault, usable_price
from guardian.store.database import Transaction
from guardian.store.schema.records import CORRECTION, OrderRow, Record, Scope

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One asset. `bought` is net of what guardian sold, spent and paid as fees, and below zero where that was more."""

    asset: str
    bought: Decimal
    has: Decimal
    """What the account has, free and locked."""
    free: Decimal
    sellable: Decimal
    """What can be sold back now, without a budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A correction for the owner to confirm: the position, its new quantity, and the prices that it is set at."""

    scope: Scope
    position: Position
    quantity: Decimal
    prices: dict[str, Decimal]


class Positions:
    """Lists and corrects positions of the account that the stored key is of."""

    def __init__(self, context: GateContext) -> None:
        self._context = context

    async def all(self) -> tuple[Position, ...]:
        """Every asset that guardian has a position in. Raises ExchangeError, CredentialsError and StoreError."""
        connection, scope = await self._connect()
        return await self._of(connection, scope, None)

    async def prepare(self, asset: str, quantity: Decimal) -> Correction:
        """Everything that a correction depends on. Raises as `all` does, and PolicyInvalid where there is no policy.

        Guardian's open orders on the asset are queried first, so that what they executed is in the position.

        Raises GuardianError: the account does not have so much, so that it could not be sold back; or an order on the
        asset is not resolved or not adopted.
        """
        connection, scope = await self._connect()
        await self._catch_up(connection, scope, asset)
        await self._context.journal.transact(lambda tx: _refuse_pending(tx, scope, asset))
        (position,) = await self._of(connection, scope, asset)
        if quantity > position.has:
            raise GuardianError(
                f"the account has {plain(position.has)} {asset}, so guardian cannot hold {plain(quantity)} of it",
                hint=f"`guardian position set {asset} {plain(position.has)}` is the most",
            )
        held = await self._context.journal.transact(lambda tx: tx.corrections.symbols(scope, asset))
        exchange = connection.exchange
        prices = {symbol: await _price(self._context, exchange, symbol, held[symbol]) for symbol in held}
        return Correction(scope=scope, position=position, quantity=quantity, prices=prices)

    async def catch_up(self, correction: Correction) -> None:
        """Take in what open orders on the asset have executed since the correction was prepared. Raises as `all`."""
        connection, scope = await self._connect()
        if scope == correction.scope:  # else none of its orders can be queried with this key
            await self._catch_up(connection, scope, correction.position.asset)

    async def correct(self, correction: Correction) -> None:
        """Set the position and say so in the log, in one transaction.

        Raises StoreError, and GuardianError where the position is no longer as it was shown, or an order on the asset
        is not resolved or not adopted.
        """
        await self._context.journal.transact(lambda tx: _correct(tx, correction))

    async def _connect(self) -> tuple[Connection, Scope]:
        connection = await self._context.connector.connect(needs_keys=True)
        return connection, Scope(environment=self._context.environment.value, account=connection.account)

    async def _catch_up(self, connection: Connection, scope: Scope, asset: str) -> None:
        """Take in what open orders on the asset have executed by now, and fees that are not known yet."""
        for row in await self._context.journal.transact(lambda tx: _unfinished(tx, scope, asset)):
            await refresh_order(self._context, connection.exchange, row)

    async def _of(self, connection: Connection, scope: Scope, asset: str | None) -> tuple[Position, ...]:
        balances = {balance.asset: balance for balance in (await connection.exchange.balances()).balances}
        bought, sellable = await self._context.journal.transact(
            lambda tx: (tx.ledger.positions(scope), tx.usage.sellable(scope))
        )
        found = []
        for name in sorted(bought) if asset is None else (asset,):
            balance = balances.get(name)
            free = ZERO if balance is None else balance.free
            found.append(
                Position(
                    asset=name,
                    bought=bought.get(name, ZERO),
                    has=ZERO if balance is None else plus(balance.free, balance.locked),
                    free=free,
                    sellable=max(min(sellable.get(name, ZERO), free), ZERO),
                )
            )
        return tuple(found)


def _correct(tx: Transaction, correction: Correction) -> None:
    scope, asset, was = correction.scope, correction.position.asset, correction.position.bought
    _refuse_pending(tx, scope, asset)
    if tx.ledger.position(scope, asset) != was:
        raise GuardianError(
            f"guardian traded {asset} while you were asked; nothing was changed",
            hint="run the command again",
        )
    key = f"{CORRECTION}{tx.head.seq + 1}"
    body = {
        "kind": "position_set",
        "by": "owner",
        "asset": asset,
        "was": plain(was),
        "is": plain(correction.quantity),
        "prices": {symbol: plain(price) for symbol, price in correction.prices.items()},
    }
    tx.audit.append(Record.event(scope, body, key=key))
    tx.corrections.set_position(scope, asset, correction.quantity, correction.prices, key)


def _unfinished(tx: Transaction, scope: Scope, asset: str) -> tuple[OrderRow, ...]:
    """The orders on the asset that may still change its position: open ones, unknown ones, and those without fees."""
    rows = (*tx.orders.live(scope), *tx.orders.in_doubt(scope), *tx.orders.with_unknown_fees(scope))
    return tuple({row.client_order_id: row for row in rows if _trades(row, asset)}.values())


def _trades(row: OrderRow, asset: str) -> bool:
    return asset in {row.base_asset, row.quote_asset}


def _refuse_pending(tx: Transaction, scope: Scope, asset: str) -> None:
    """Raise GuardianError where an order may change the position by what it executed before the owner sets it."""
    unresolved = next((row for row in tx.orders.unresolved(scope) if _trades(row, asset)), None)
    if unresolved is not None:
        name = unresolved.client_order_id
        raise GuardianError(
            f"the fate of the order `{name}` is not known yet: what it traded of {asset} would be added to that",
            hint=f"wait until `guardian status` no longer lists it, or end the wait with `guardian settle {name}`",
        )
    found = (row for row in tx.orders.not_adopted() if row.scope == scope and _trades(row, asset))
    not_adopted = next(found, None)
    if not_adopted is not None:
        raise GuardianError(
            f"the order `{not_adopted.client_order_id}` was found at the exchange, and `guardian resume` adds what it "
            f"traded of {asset} to the position",
            hint="run `guardian resume` or `guardian resume --reducing` first",
        )


async def _price(context: GateContext, exchange: Exchange, symbol: str, held: Decimal) -> Decimal:
    """What the loss of the day counts the symbol at: the bid of what is held, the ask of what was sold too much.

    It passes every check of a price. Zero for a symbol that the exchange no longer lists, which the loss counts as
    worth nothing too, and for what is held of one that it does not trade now: it cannot be sold.

    Raises ExchangeUnavailable: there is no usable price now.
    """
    instruments = await exchange.current_instruments((symbol,))
    instrument = instruments.get(symbol)
    if instrument is None or (held > 0 and not instrument.is_trading):
        return ZERO
    books, average = await asyncio.gather(exchange.book_tops((symbol,)), exchange.average_price(symbol))
    facts = Facts(
        now_ms=0,
        clock_ms=context.clock.now_ms(),
        environment=context.environment,
        policy_problems=(),
        instruments=instruments,
        statuses_known=True,
        books=books,
        averages={symbol: average},
    )
    price = usable_price(symbol, facts, context.policy_file.current().policy)
    if isinstance(price, PriceFault):
        raise ExchangeUnavailable(f"there is no usable price of {symbol} now: {price}", hint="try again in a moment")
    return price.bid if held > 0 else price.ask
