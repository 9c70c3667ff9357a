"""A home with a gate that has a real store and a real policy, in front of a made exchange, clock and connector."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from guardian.connector import Connection, StoredKeys
from guardian.domain.orders import (
    OrderSide,
    OrderSpec,
    OrderType,
    TimeInForce,
)
from guardian.domain.requests import CancelOrder, CreateOrder, Request
from guardian.domain.secrets import Secret
from guardian.domain.trading import Environment
from guardian.gate.base.calls import CallInfo
from guardian.gate.base.context import GateContext
from guardian.gate.base.journal import Journal
from guardian.gate.base.policy_file import PolicyFile
from guardian.gate.base.replies import OrderProposed, Reply
from guardian.gate.pipeline import Gate
from guardian.gate.recovery.resolve import Resolver
from guardian.policy.facts import Usage
from guardian.policy.loading.load import load_policy
from guardian.store.schema.records import OrderRow, Scope
from tests.gate.support.fake_clock import FakeClock
from tests.gate.support.fake_exchange import FakeExchange
from tests.support.world import BASE, WIDE, merged, toml

T = TypeVar("T")
D = Decimal
ACCOUNT = "account-1"


@dataclass
class FakeConnector:
    """Hands out one connection; `failure` is raised where keys are needed."""

    exchange: FakeExchange
    environment: Environment = Environment.PAPER
    has_wallet: bool = True
    account: str = ACCOUNT
    is_account_known: bool = True
    failure: BaseException | None = None
    down: BaseException | None = None
    connects: int = 0
    losses: int = 0

    async def connect(self, *, needs_keys: bool) -> Connection:
        self.connects += 1
        if self.down is not None:
            raise self.down
        if needs_keys and self.failure is not None:
            raise self.failure
        exchange: Any = self.exchange
        return Connection(exchange=exchange, account=self.account, has_keys=self.failure is None)

    async def stored_keys(self) -> StoredKeys:
        if self.failure is not None:
            raise self.failure
        return StoredKeys(account=self.account if self.is_account_known else None, keys_from=None)

    async def mark_disconnected(self) -> None:
        self.losses += 1

    async def close(self) -> None:
        """Nothing was opened."""


class Room:
    """One home with one gate; `again` is a restart: everything but the exchange and the clock is made again."""

    def __init__(self, folder: Path, *changes: Mapping[str, Any], clock: FakeClock | None = None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.clock = clock or FakeClock()
        self.exchange = FakeExchange(self.clock)
        self.connector = FakeConnector(self.exchange)
        self.policy_path = folder / "policy.toml"
        self.runner = asyncio.Runner()
        self.calls = 0
        self.is_compared = True
        """Whether a process that starts takes its orders for compared, so that no first order asks for them."""
        self.policy(*changes)
        self.start()

    def policy(self, *changes: Mapping[str, Any]) -> None:
        self.write(toml(merged(BASE, WIDE, *changes)))

    def write(self, text: str) -> None:
        new = self.policy_path.with_suffix(".new")
        new.write_text(text, "utf-8")
        new.chmod(0o600)
        os.replace(new, self.policy_path)

    def start(self) -> None:
        self.journal = Journal(self.home, self.clock)
        self.journal.emergency.preallocate()
        self.policy_file = PolicyFile(self.policy_path, load_policy, self.journal, packaged=False)
        context = GateContext(
            environment=self.connector.environment,
            connector=self.connector,
            connector_to=lambda _environment: self.connector,
            journal=self.journal,
            policy_file=self.policy_file,
            clock=self.clock,
            random_bytes=os.urandom,
        )
        self.context = context
        if self.is_compared:
            context.compared.done.add(self.scope)
        self.gate = Gate(context)
        self.resolver = Resolver(context=context)

    def again(self) -> None:
        self.run(self.gate.settle())
        self.journal.close()
        if not self.journal.emergency.is_empty():
            fresh = Journal(self.home, self.clock)
            fresh.emergency.import_into(fresh.store())
            fresh.close()
        self.start()

    def close(self) -> None:
        self.run(self.gate.settle())
        self.journal.close()
        self.runner.close()

    # -- calls

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def acall(self, request: Request, arguments: Mapping[str, object] | None = None) -> Reply:
        call = await self.gate.open_call(request.tool, dict(arguments or {}), client="test")
        reply = await self.gate.handle(call, request)
        await self.gate.close_call(call, reply)
        await self.gate.settle()
        return reply

    def call(self, request: Request, arguments: Mapping[str, object] | None = None) -> Reply:
        return self.run(self.acall(request, arguments))

    def open(self, tool: str = "create_order", **arguments: object) -> CallInfo:
        return self.run(self.gate.open_call(tool, arguments))

    def ask(self, **fields: Any) -> Reply:
        """One `create_order`."""
        return self.call(CreateOrder(order=limit(**fields)))

    def use(self, token: str, **stated: str) -> Reply:
        """The order that a token represents."""
        request = CreateOrder(confirmation_token=Secret(token), stated=tuple(sorted(stated.items())))
        return self.call(request, {"confirmation_token": token})

    def cancel(self, **ids: Any) -> Reply:
        return self.call(CancelOrder(symbol="BTCUSDT", **ids), ids)

    def propose(self, **fields: Any) -> OrderProposed:
        reply = self.ask(**fields)
        assert isinstance(reply.data, OrderProposed), reply
        return reply.data

    # -- what is on the disk, seen by another connection

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.home / "guardian.db") as other:
            rows = other.execute(statement, values).fetchall()
        other.close()
        return rows

    def phases(self) -> list[str]:
        return [phase for (phase,) in self.sql("SELECT phase FROM audit WHERE phase <> 'state' ORDER BY seq")]

    def log_text(self) -> str:
        return "\n".join(bytes(body).decode() for (body,) in self.sql("SELECT body FROM audit ORDER BY seq"))

    def fees(self, name: str) -> dict[str, Decimal]:
        """What the store knows to have been taken as fees of an order, by asset."""
        with self.journal.transaction() as tx:
            return tx.ledger.fees_of(name)

    def row(self, name: str) -> OrderRow:
        with self.journal.transaction() as tx:
            found = tx.orders.get(name)
        assert found is not None
        return found

    def last(self) -> OrderRow:
        """The order that was reserved last."""
        ((name,),) = self.sql("SELECT client_order_id FROM orders ORDER BY intent_seq DESC LIMIT 1")
        return self.row(name)

    @property
    def scope(self) -> Scope:
        return Scope(environment=self.connector.environment.value, account=self.connector.account)

    def usage(self, spec: OrderSpec | None = None) -> Usage:
        """What an order would be judged on now, besides what the exchange says."""
        wanted = spec or limit()
        limits = self.policy_file.current().policy.limits
        assets = (wanted.symbol[:3], wanted.symbol[3:])
        with self.journal.transaction() as tx:
            snapshot = tx.snapshots.take(self.scope)
            return tx.usage.of(self.scope, wanted, limits, currency="USDT", assets=assets, snapshot=snapshot)

    def entered(self) -> Decimal:
        """What counts in the rolling windows now."""
        limits = self.policy_file.current().policy.limits
        with self.journal.transaction() as tx:
            usage = tx.usage.status(self.scope, limits, "USDT")
        return max(usage.entered.values())


def limit(
    side: str = "BUY", quantity: str = "0.001", price: str = "60000", symbol: str = "BTCUSDT", kind: str = "LIMIT"
) -> OrderSpec:
    """A limit order, or with `kind="MARKET"` a market order."""
    market = kind == "MARKET"
    return OrderSpec(
        symbol=symbol,
        side=OrderSide(side),
        order_type=OrderType(kind),
        quantity=D(quantity),
        price=None if market else D(price),
        time_in_force=None if market else TimeInForce.GTC,
    )


def denials(reply: Reply) -> set[str]:
    """The names of all codes of a reply."""
    assert reply.error is not None, reply
    return {denial.code.name for denial in reply.error.denials} | {reply.error.code.name}
