"""A gate in this process whose waiting costs no time, and the comparison of its store with the exchange's orders."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from guardian.bootstrap import Guardian, open_guardian
from guardian.domain.order_states import LIVE_STATES, UNRESOLVED_STATES, VOID_STATES, OrderState
from guardian.domain.orders import OrderReport, OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.requests import CancelOrder, CreateOrder, GetOrders, Request
from guardian.errors import ExchangeError, ExchangeRateLimited, StoreError
from guardian.gate.base.replies import Orders, OrderView, Reply
from guardian.gate.pipeline import Gate
from guardian.gate.recovery.poll import PollResult
from guardian.gate.recovery.resolve import Resolver
from guardian.store.log.read_only import database_path, read_only
from guardian.store.log.verify import verify
from guardian.store.schema.records import OrderRow
from guardian.system.clock import wall_clock_ms
from tests.support.world import World

SYMBOL = "BTCUSDT"
OPEN_AT_EXCHANGE = frozenset({"NEW", "PARTIALLY_FILLED"})
BIG: dict[str, Any] = {
    "symbols": {SYMBOL: {"max_notional": "1000", "max_quantity": "1", "max_position": "1000"}, "ETHUSDT": None},
    "limits": {"absence_window": "1m"},
}
"""The limits of the symbol are out of the way too, and absence is believed as soon as a policy can have it."""


class Waiting:
    """A clock that only goes forward and jumps over every pause: 60 s of asking take a moment."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now_ms(self) -> int:
        return wall_clock_ms()

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def jump(self, seconds: float) -> None:
        self._ahead += seconds

    async def pause(self, seconds: float) -> None:
        self.jump(seconds)
        await asyncio.sleep(min(seconds, 0.02))


class Desk:
    """The gate of one home, called without MCP."""

    def __init__(self, guardian: Guardian, waiting: Waiting) -> None:
        self.waiting = waiting
        self.context = replace(guardian.gate.context, clock=waiting)
        self.guardian = guardian
        self.gate = Gate(self.context)
        self._resolver = Resolver(context=self.context)

    async def ask(self, request: Request, arguments: Mapping[str, object]) -> Reply:
        call = await self.gate.open_call(request.tool, dict(arguments), client="desk")
        reply = await self.gate.handle(call, request)
        await self.gate.close_call(call, reply)
        return reply

    async def create(self, order: OrderSpec) -> Reply:
        return await self.ask(CreateOrder(order=order), order.as_dict())

    async def cancel(self, client_order_id: str, symbol: str = SYMBOL) -> Reply:
        request = CancelOrder(symbol=symbol, client_order_id=client_order_id)
        return await self.ask(request, {"symbol": symbol, "client_order_id": client_order_id})

    async def resolve(self, rounds: int = 12) -> int:
        """Ask until nothing is unresolved, and once more for the open orders' sake; how many rounds it took."""
        for done in range(rounds):
            with suppress(ExchangeError, StoreError):  # as `run_forever` does: the next round asks again
                found = await self._one_round()
                with self.guardian.journal.transaction() as tx:
                    unresolved, pending = tx.orders.unresolved(), tx.orders.has_pending(self.context.environment.value)
                # Nothing is found, either, while a process that died still has the lease of asking.
                if not unresolved and (found or not pending):
                    await self._one_round()
                    return done + 1
            self.waiting.jump(30)
        return rounds

    async def _one_round(self) -> tuple[PollResult, ...]:
        try:
            return await self._resolver.run_once()
        except ExchangeRateLimited as error:
            await asyncio.sleep(min(error.retry_after_s, 61))  # the exchange's minute is a real one
            raise

    async def leave(self) -> None:
        """Give the lease of asking back, as a process that ends in order does: the next need not wait for it."""
        with suppress(StoreError):
            await self._resolver.leaseholder.release()

    async def told(self, client_order_id: str) -> OrderView | None:
        """The status of an order as the assistant gets it, by `get_orders`."""
        request = GetOrders(symbol=SYMBOL, client_order_id=client_order_id)
        reply = await self.ask(request, {"symbol": SYMBOL, "client_order_id": client_order_id})
        views = (*reply.data.unresolved, *reply.data.orders) if isinstance(reply.data, Orders) else ()
        return next((view for view in views if view.client_order_id == client_order_id), None)

    def position(self) -> Decimal:
        """What guardian counts as bought and not sold, as its rules for exits and positions see it."""
        scopes = {row.scope for row in self.orders()}
        with self.guardian.journal.transaction() as tx:
            return sum((tx.ledger.position(scope, "BTC") for scope in scopes), Decimal(0))

    def orders(self) -> tuple[OrderRow, ...]:
        """Every order of the home, oldest first."""
        with read_only(database_path(self.guardian.home)) as connection:
            names = [name for (name,) in connection.execute("SELECT client_order_id FROM orders ORDER BY intent_seq")]
        with self.guardian.journal.transaction() as tx:
            return tuple(row for row in map(tx.orders.get, names) if row is not None)


@asynccontextmanager
async def a_desk(world: World) -> AsyncIterator[Desk]:
    guardian = open_guardian(world.policy_path, home=world.home)
    guardian.journal.store()  # the log is there before anything is asked
    desk = Desk(guardian, Waiting())
    try:
        yield desk
    finally:
        await desk.leave()
        await guardian.close()


@contextmanager
def a_folder() -> Iterator[Path]:
    """A folder for a run outside pytest, which is the user's home for as long as it lasts."""
    with tempfile.TemporaryDirectory() as name:
        own = {"HOME": name, "USERPROFILE": name, "GUARDIAN_HOME": str(Path(name) / "guardian")}
        with patch.dict(os.environ, own):
            yield Path(name)


def limit(price: str, quantity: str = "0.001", side: OrderSide = OrderSide.BUY) -> OrderSpec:
    return OrderSpec(
        symbol=SYMBOL, side=side, order_type=OrderType.LIMIT, quantity=Decimal(quantity), price=Decimal(price),
        time_in_force=TimeInForce.GTC,
    )  # fmt: skip


def quiet(world: World, still_s: float = 0.15, patience_s: float = 10) -> None:
    """Wait until no request has come to the exchange for a while: what a dead process had sent has arrived."""
    seen, since, end = len(world.controls.journal), time.monotonic(), time.monotonic() + patience_s
    while time.monotonic() - since < still_s and time.monotonic() < end:
        time.sleep(0.02)
        if len(world.controls.journal) != seen:
            seen, since = len(world.controls.journal), time.monotonic()


def state_of(status: str) -> OrderState:
    """The exchange's status in guardian's words, by guardian's own table."""
    report = OrderReport(
        symbol="", order_id=0, client_order_id="", side="", order_type="", status=status, time_in_force=None,
        price=Decimal(0), stop_price=None, quantity=Decimal(0), executed_quantity=Decimal(0),
        executed_quote_quantity=Decimal(0), time=None,
    )  # fmt: skip
    return report.state


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What is open and what was entered: by the store, and in truth."""

    told_open: Decimal
    true_open: Decimal
    told_entered: Decimal
    true_entered: Decimal

    @property
    def is_below_the_truth(self) -> bool:
        return self.told_open < self.true_open or self.told_entered < self.true_entered


def exposure(world: World, desk: Desk) -> Exposure:
    """What the store counts, against what is at the exchange at the worst price that each order could still have."""
    limits = desk.guardian.policy_file.current().policy.limits
    scopes = {row.scope for row in desk.orders()}
    with desk.guardian.journal.transaction() as tx:
        usages = [tx.usage.status(scope, limits, "USDT") for scope in scopes]
    taken = world.controls.orders()
    worth = {o["orderId"]: Decimal(o["price"]) * Decimal(o["origQty"]) for o in taken}
    left = sum(
        (
            Decimal(o["price"]) * (Decimal(o["origQty"]) - Decimal(o["executedQty"]))
            for o in taken
            if o["status"] in OPEN_AT_EXCHANGE
        ),
        Decimal(0),
    )
    return Exposure(
        told_open=sum((usage.open_notional for usage in usages), Decimal(0)),
        true_open=left,
        told_entered=sum((max(usage.entered.values()) for usage in usages), Decimal(0)),
        true_entered=sum((worth[o["orderId"]] for o in taken if o["status"] != "REJECTED"), Decimal(0)),
    )


def differences(world: World, desk: Desk) -> list[str]:
    """How guardian's orders and the exchange's differ, after everything was resolved; empty if they do not."""
    taken = {order["clientOrderId"]: order for order in world.controls.orders()}
    ours = {row.client_order_id: row for row in desk.orders()}
    found = [f"{name} is at the exchange and not in the store" for name in taken.keys() - ours.keys()]
    for name, row in ours.items():
        order = taken.get(name)
        if order is None:
            if row.state not in {OrderState.NOT_PLACED, OrderState.REJECTED}:
                found.append(f"{name} is {row.state} and not at the exchange")
            continue
        if row.state is not state_of(order["status"]):
            found.append(f"{name} is {row.state} and {order['status']} at the exchange")
        if row.executed_quantity != Decimal(order["executedQty"]):
            found.append(f"{name} executed {row.executed_quantity} and {order['executedQty']} at the exchange")
        ours_is = (str(row.order_id), row.symbol, row.side, row.wire_type, row.price, row.quantity)
        theirs = tuple(order[key] for key in ("orderId", "symbol", "side", "type"))
        if ours_is != (*theirs, Decimal(order["price"]), Decimal(order["origQty"])):
            found.append(f"{name} is {ours_is} and {order} at the exchange")
    return found


def held(world: World) -> Decimal:
    """What the account has of the base asset at the exchange, locked or not."""
    return sum(world.controls.balance("BTC"), Decimal(0))


def position_off(world: World, desk: Desk, began: Decimal) -> list[str]:
    """Whether the position that guardian counts is what the balance has moved by since it was `began`."""
    told, truth = desk.position(), held(world) - began
    return [] if told == truth else [f"guardian's position is {told}, and {truth} came to the account"]


def uncounted(world: World, desk: Desk) -> list[str]:
    """Orders that are there and count for less than they are, each by itself: one too high hides none too low."""
    rows = {row.client_order_id: row for row in desk.orders()}
    found = []
    for order in world.controls.orders():
        name, row = order["clientOrderId"], rows.get(order["clientOrderId"])
        if row is None:
            found.append(f"{name} is at the exchange and counts for nothing")
            continue
        if row.state in VOID_STATES and order["status"] != "REJECTED":
            found.append(f"{name} is {order['status']} at the exchange and {row.state}")
        if row.notional < Decimal(order["price"]) * Decimal(order["origQty"]):
            found.append(f"{name} counts for {row.notional} and is worth more")
        left = row.quantity if row.state in UNRESOLVED_STATES else row.remaining if row.state in LIVE_STATES else 0
        if order["status"] in OPEN_AT_EXCHANGE and left < Decimal(order["origQty"]) - Decimal(order["executedQty"]):
            found.append(f"{name} has {left} open by the store and more at the exchange")
    return found


def cancelled_too_often(world: World) -> list[str]:
    """Orders for whose cancel more requests came to the exchange than there were calls for it."""
    with read_only(database_path(world.home)) as connection:
        bodies = connection.execute("SELECT body FROM audit WHERE phase = 'call' AND tool = 'cancel_order'").fetchall()
    asked = Counter(_named(json.loads(body)) for (body,) in bodies)
    came = Counter(one.get("origClientOrderId") for one in world.controls.requests("DELETE", "/api/v3/order"))
    return [f"{name}: {times} cancels for {asked[name]} calls" for name, times in came.items() if times > asked[name]]


def _named(body: Mapping[str, Any]) -> str | None:
    told = body.get("data", body)
    name: str | None = told["arguments"].get("client_order_id")
    return name


def sent_twice(world: World) -> list[str]:
    """Client order ids that came to the exchange more than once, or that two orders have."""
    came = Counter(order["newClientOrderId"] for order in world.sent())
    taken = Counter(order["clientOrderId"] for order in world.controls.orders())
    return sorted(name for name, times in (came + taken).items() if came[name] > 1 or taken[name] > 1)


def without_intent(world: World) -> list[str]:
    """Orders that came to the exchange and have no intent row in the log."""
    with read_only(database_path(world.home)) as connection:
        rows = connection.execute("SELECT client_order_id FROM audit WHERE client_order_id IS NOT NULL")
        intents = {name for (name,) in rows}
    return sorted({order["newClientOrderId"] for order in world.sent()} - intents)


def chain(world: World) -> list[str]:
    """What is wrong with the log."""
    return [f"{finding.kind}: {finding.message}" for finding in verify(world.home).findings]
