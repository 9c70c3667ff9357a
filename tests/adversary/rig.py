"""Guardian, whole but for sockets and sleep, in front of the true exchange: processes on one home, one clock."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from guardian.bootstrap import Guardian, open_guardian
from guardian.cli.orders.proposals import reject
from guardian.cli.trading.resuming import resume, trading_shown
from guardian.connector import Connection, StoredKeys
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.requests import CancelOrder, CreateOrder, Request
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment, TradingState
from guardian.errors import StoreError
from guardian.exchange.environments import EnvironmentSpec
from guardian.exchange.exchange import Exchange
from guardian.gate.base.replies import OrderProposed, Reply
from guardian.gate.pipeline import Gate
from guardian.gate.recovery.resolve import Resolver
from guardian.home import opened as opened_home
from guardian.store.opening import begin_log, is_lost
from tests.adversary.rest import Front, Wire
from tests.adversary.venue import Venue
from tests.support.person import approve_at_terminal as approve
from tests.support.world import merged, toml

T = TypeVar("T")
START_MS = 1_750_000_000_000
ACCOUNT = "uid-1"
KEYS = ApiKeyPair(
    environment="testnet",
    family=KeyFamily.SPOT,
    kind=KeyKind.HMAC,
    api_key=Secret("k" * 64),
    signing_key=Secret("s" * 64),
)
SYMBOL: dict[str, Any] = {
    "max_notional": "100",
    "max_quantity": "10",
    "max_position": "10",
    "order_types": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
}
POLICY: dict[str, Any] = {
    "schema": 1,
    "environment": "testnet",
    "accounting": {
        "currency": "USDT",
        "conversions": {"BTC": "BTCUSDT", "ETH": "ETHUSDT", "BNB": "BNBUSDT", "USDC": "USDCUSDT"},
    },
    "tools": {"allow": "all", "deny": []},
    "limits": {
        "max_open_notional": "1000000",
        "rolling_notional": [{"window": "24h", "max": "1000000"}],
        "max_orders": [{"window": "1m", "max": 100000}],
        "max_open_orders": 100000,
        "max_daily_loss": "1000000",
        "duplicate_window": "1s",
        "halt_after_orders": 100000,
        "max_calls_per_minute": 100000,
    },
    "confirmation": {"required_above": "1000000", "channel": "terminal", "max_outstanding": 20},
    "symbols": {name: dict(SYMBOL) for name in ("BTCUSDT", "ETHUSDT", "ETHBTC", "BTCUSDC")},
}
"""Nothing but `max_notional` is in the way of anything."""


class Clock:
    """True time, and a wall clock that somebody can set; pauses take no time to wait for."""

    def __init__(self) -> None:
        self.true_ms = START_MS
        self.wrong_ms = 0
        self.later: list[tuple[int, Callable[[], None]]] = []
        """What happens at the exchange at a time: when, and what."""

    def now_ms(self) -> int:
        return self.true_ms + self.wrong_ms

    def truth(self) -> int:
        return self.true_ms

    def monotonic(self) -> float:
        return (self.true_ms - START_MS) / 1000 + 1000

    def forward(self, seconds: float) -> None:
        self.true_ms += int(seconds * 1000)
        due = [one for one in self.later if one[0] <= self.true_ms]
        self.later = [one for one in self.later if one[0] > self.true_ms]
        for _, happens in due:
            happens()

    async def pause(self, seconds: float) -> None:
        self.forward(seconds)
        await asyncio.sleep(0)


class WireConnector:
    """Hands out the one connection of a process, through guardian's own door and the wire."""

    has_wallet = False

    def __init__(self, environment: Environment, front: Front, clock: Clock, dice: random.Random) -> None:
        self.environment = environment
        spec = EnvironmentSpec(environment=environment)
        self.exchange = Exchange(
            spec, spot=replace(KEYS, environment=environment.value), futures=None, clock=clock,
            random_fraction=dice.random,
        )  # fmt: skip
        self._front = front

    async def connect(self, *, needs_keys: bool) -> Connection:
        wire: Any = Wire(self._front)
        self.exchange._session.client().session = wire
        return Connection(exchange=self.exchange, account=ACCOUNT, has_keys=True)

    async def stored_keys(self) -> StoredKeys:
        return StoredKeys(account=ACCOUNT, keys_from=None)

    async def mark_disconnected(self) -> None:
        """The way is always the same."""

    async def close(self) -> None:
        await self.exchange.close()


class Process:
    """One guardian process on the home."""

    def __init__(self, rig: Rig) -> None:
        clock = rig.clock

        def connector(environment: Environment, *_: object, **__: object) -> WireConnector:
            return WireConnector(environment, rig.front, clock, rig.dice)

        with patch.object(opened_home, "ExchangeConnector", connector):
            opened = open_guardian(home=rig.home, clock=clock)
        opened.policy_file.remembers = True  # as a server's does
        journal = opened.journal

        async def run(work: Callable[[], Any], **_: Any) -> Any:
            await asyncio.sleep(0)
            done = work()
            await asyncio.sleep(0)
            return done

        journal.run = run  # calls take turns where they wait, so a play can be repeated
        with suppress(StoreError):  # a log that is lost: every call says so
            journal.store()
        self.context = replace(opened.gate.context, random_bytes=rig.dice.randbytes)
        self.gate = Gate(self.context)
        self.guardian: Guardian = replace(opened, gate=self.gate)
        self.began_nowhere = rig.is_nowhere()
        self.resolver = Resolver(context=self.context)

    @property
    def journal(self) -> Any:
        return self.guardian.journal

    async def acall(self, request: Request, arguments: Mapping[str, object]) -> Reply:
        call = await self.gate.open_call(request.tool, dict(arguments), client="adversary")
        reply = await self.gate.handle(call, request)
        await self.gate.close_call(call, reply)
        return reply

    def close(self) -> None:
        self.journal.close()


class Rig:
    """One home, one policy file, one exchange, and the processes that are asked in turn."""

    def __init__(self, folder: Path, *changes: Mapping[str, Any], seed: int = 0) -> None:
        self.folder, self.home = folder, folder / "home"
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.policy_path = self.home / "policy.toml"
        self.dice = random.Random(seed)
        self.clock = Clock()
        self.venue = Venue(self.clock.truth)
        self.front = Front(self.venue, wait=self.clock.forward)
        self.runner = asyncio.Runner()
        self.changes: tuple[Mapping[str, Any], ...] = changes
        self.policy(*changes)
        self.processes = [Process(self)]
        self.at = 0

    # -- the home

    def policy(self, *changes: Mapping[str, Any]) -> None:
        """From now on the policy file is this."""
        self.changes = changes
        self.write(toml(merged(POLICY, *changes)))

    def write(self, text: str) -> None:
        if not self.policy_path.exists():
            begin_log(self.home)  # as `guardian init` does
        new = self.policy_path.with_suffix(".new")
        new.write_text(text, "utf-8")
        new.chmod(0o600)
        os.replace(new, self.policy_path)

    @property
    def process(self) -> Process:
        return self.processes[self.at]

    def another(self) -> None:
        """One more process, which is asked from now on."""
        self.processes.append(Process(self))
        self.at = len(self.processes) - 1

    def restart(self) -> None:
        """The process that is asked ends, and another takes its place."""
        self.process.close()
        self.processes[self.at] = Process(self)

    def restart_all(self, between: Callable[[], None] = lambda: None) -> None:
        """Every process ends; then one starts."""
        for process in self.processes:
            process.close()
        between()
        self.processes, self.at = [Process(self)], 0

    def is_nowhere(self) -> bool:
        """Whether nothing in the home names an environment: neither the policy file nor a policy that was good."""
        return "environment" not in self.policy_path.read_text("utf-8") and not self.sql("SELECT digest FROM policies")

    def copy_home(self, name: str) -> None:
        """Keep a copy of the home's database as it is now."""
        target = self.folder / name
        shutil.rmtree(target, ignore_errors=True)
        for process in self.processes:
            process.close()
        shutil.copytree(self.home, target)

    def close(self) -> None:
        for process in self.processes:
            process.close()
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    # -- the assistant

    def ask(self, order: OrderSpec) -> Reply:
        return self.run(self.process.acall(CreateOrder(order=order), order.as_dict()))

    def use(self, token: str) -> Reply:
        request = CreateOrder(confirmation_token=Secret(token))
        return self.run(self.process.acall(request, {"confirmation_token": token}))

    def cancel(self, symbol: str, **ids: Any) -> Reply:
        return self.run(self.process.acall(CancelOrder(symbol=symbol, **ids), {"symbol": symbol, **ids}))

    # -- the owner

    def approve(self, proposal_id: str) -> str:
        return approve(self.process.guardian, proposal_id)

    def reject(self, proposal_id: str) -> None:
        reject(self.process.guardian.journal, proposal_id)

    def resume(self, target: TradingState = TradingState.ACTIVE) -> None:
        """What `guardian resume` does once the owner has said yes."""
        guardian = self.process.guardian
        resume(guardian, trading_shown(guardian), target)

    def confirmed(self, order: OrderSpec) -> Reply:
        """The order, with a person who agrees where one is asked."""
        reply = self.ask(order)
        return self.use(self.approve(reply.data.proposal_id)) if isinstance(reply.data, OrderProposed) else reply

    # -- the store, seen by another connection

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        import sqlite3

        if is_lost(self.home):
            return []
        other = sqlite3.connect(self.home / "guardian.db")
        try:
            return other.execute(statement, values).fetchall()
        finally:
            other.close()


@contextmanager
def a_rig(folder: Path, *changes: Mapping[str, Any], seed: int = 0) -> Iterator[Rig]:
    rig = Rig(folder, *changes, seed=seed)
    try:
        yield rig
    finally:
        rig.close()


def spec(
    symbol: str = "BTCUSDT",
    side: str = "BUY",
    quantity: str | Decimal = "0.001",
    price: str | Decimal | None = None,
    kind: str = "LIMIT",
    stop: str | Decimal | None = None,
    time_in_force: str | None = "GTC",
) -> OrderSpec:
    """An order; with neither price nor stop it is a MARKET order."""
    kind = "MARKET" if price is None else kind
    without = kind in {"MARKET", "LIMIT_MAKER"}
    return OrderSpec(
        symbol=symbol,
        side=OrderSide(side),
        order_type=OrderType(kind),
        quantity=Decimal(quantity),
        price=None if price is None else Decimal(price),
        stop_price=None if stop is None else Decimal(stop),
        time_in_force=None if without or time_in_force is None else TimeInForce(time_in_force),
    )
