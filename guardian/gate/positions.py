"""What guardian bought, what the account has, and what can be sold back, by asset; and the owner's correction of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.money import ZERO, plain, plus
from guardian.errors import ExchangeUnavailable, GuardianError
from guardian.exchange.exchange import Exchange
from guardian.gate.connection import Connection
from guardian.gate.parts import Parts
from guardian.policy.facts import Facts
from guardian.policy.prices import PriceFault, usable_price
from guardian.store.records import CORRECTION, Phase, Record, Scope


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
    """What the owner is asked about: the position as it is, what it becomes, and the prices that it is set at."""

    scope: Scope
    position: Position
    quantity: Decimal
    prices: dict[str, Decimal]


class Positions:
    """Lists and corrects positions of the account that the stored key is of."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def all(self) -> tuple[Position, ...]:
        """Every asset that guardian has a position in. Raises ExchangeError, CredentialsError and StoreError."""
        connection, scope = await self._connect()
        return await self._of(connection, scope, None)

    async def prepare(self, asset: str, quantity: Decimal) -> Correction:
        """Everything that a correction depends on. Raises as `all` does, and PolicyInvalid where there is no policy.

        Raises GuardianError: the account does not have so much, so that it could not be sold back.
        """
        connection, scope = await self._connect()
        (position,) = await self._of(connection, scope, asset)
        if quantity > position.has:
            raise GuardianError(
                f"the account has {plain(position.has)} {asset}, so guardian cannot hold {plain(quantity)} of it",
                hint=f"`guardian position set {asset} {plain(position.has)}` is the most",
            )
        held = await self._parts.journal.run(lambda: self._held(scope, asset))
        exchange = connection.exchange
        prices = {symbol: await _price(self._parts, exchange, symbol, held[symbol]) for symbol in held}
        return Correction(scope=scope, position=position, quantity=quantity, prices=prices)

    def correct(self, correction: Correction) -> None:
        """Set the position and say so in the log, in one transaction.

        Raises StoreError, and GuardianError where the position is no longer as it was shown.
        """
        scope, asset, was = correction.scope, correction.position.asset, correction.position.bought
        with self._parts.journal.transaction() as tx:
            if tx.position(scope, asset) != was:
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
            tx.append(
                Record(phase=Phase.EVENT, environment=scope.environment, account=scope.account, key=key, body=body)
            )
            tx.correct_position(scope, asset, correction.quantity, correction.prices, key)

    async def _connect(self) -> tuple[Connection, Scope]:
        connection = await self._parts.connector.connect(needs_keys=True)
        return connection, Scope(environment=self._parts.environment.value, account=connection.account)

    async def _of(self, connection: Connection, scope: Scope, asset: str | None) -> tuple[Position, ...]:
        balances = {balance.asset: balance for balance in (await connection.exchange.balances()).balances}
        bought, sellable = await self._parts.journal.run(lambda: self._stored(scope))
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

    def _stored(self, scope: Scope) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        with self._parts.journal.transaction() as tx:
            return tx.positions(scope), tx.sellable(scope)

    def _held(self, scope: Scope, asset: str) -> dict[str, Decimal]:
        with self._parts.journal.transaction() as tx:
            return tx.correction_symbols(scope, asset)


async def _price(parts: Parts, exchange: Exchange, symbol: str, held: Decimal) -> Decimal:
    """What the loss of the day counts the symbol at: the bid of what is held, the ask of what was sold too much.

    It passes every check of a price. Zero for a symbol that the exchange no longer lists, which the loss counts as
    worth nothing too, and for what is held of one that it does not trade now: it cannot be sold.

    Raises ExchangeUnavailable: there is no usable price now.
    """
    instruments = await exchange.instruments((symbol,))
    instrument = instruments.get(symbol)
    if instrument is None or (held > 0 and not instrument.is_trading):
        return ZERO
    books, average = await asyncio.gather(exchange.book_tops((symbol,)), exchange.average_price(symbol))
    facts = Facts(
        now_ms=0,
        clock_ms=parts.now_ms(),
        environment=parts.environment,
        instruments=instruments,
        books=books,
        averages={symbol: average},
    )
    price = usable_price(symbol, facts, parts.policy_file.current().policy)
    if isinstance(price, PriceFault):
        raise ExchangeUnavailable(f"there is no usable price of {symbol} now: {price}", hint="try again in a moment")
    return price.bid if held > 0 else price.ask
