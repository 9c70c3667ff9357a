"""Guardian processes that trade until they are killed: `python -m tests.longrun.victims`, one line of JSON for a round.

A line is a list of plans; each becomes a process of its own (a fork of this one, so that Python's imports are paid for
once). The answer is a line with the process ids, and one with the exit statuses when all have ended.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from guardian.bootstrap import Guardian, open_guardian
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.requests import CancelOrder, CreateOrder, Request
from guardian.domain.secrets import Secret
from guardian.errors import GuardianError
from guardian.exchange.exchange import Exchange
from guardian.exchange.http.client import GuardedClient
from guardian.gate.base.replies import Reply
from guardian.gate.pipeline import Gate
from guardian.gate.recovery.reconcile import Reconciler
from guardian.gate.recovery.resolve import Resolver
from guardian.store.database import Store
from guardian.store.schema.records import Entry, Phase, Record
from guardian.store.transaction.audit import AuditPart
from tests.longrun.desk import limit

STEPS = (
    "before the call row",
    "in the call row",
    "after the call row",
    "after the facts",
    "with a slot in the limits",
    "in the reservation",
    "after the reservation",
    "before the send",
    "in the send",
    "before the reply is read",
    "after the send",
    "before the outcome row",
    "in the outcome row",
    "after the outcome row",
    "before a cancel",
    "in a cancel",
    "before the reply to a cancel is read",
    "after a cancel",
    "while resolving",
    "after an answer in resolving",
    "in the row of what was found",
    "after the row of what was found",
    "while reconciling",
    "after the lists of reconciling",
    "after the fees",
    "in any transaction",
    "after any commit",
    "at a random time",
)
"""Where a process is killed: by itself, but for the last. `in` a row is before its commit, `after` it right behind."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one process does. `nth` is at which time of passing the step it ends."""

    policy: str
    home: str
    step: str
    nth: int
    seed: int
    calls: int
    quantity: str = "0.001"
    cancels: float = 0.3
    workers: int = 3
    looks_s: float = 0.1
    """Between two rounds of asking for orders and of reconciling."""
    same_order: bool = False
    """Every order is the same one."""
    token: str | None = None
    """Every order is the one that this confirmation token stands for."""

    def line(self) -> dict[str, Any]:
        return asdict(self)


def note_of(plan: Plan, pid: int) -> Path:
    """A file that says that this process ended itself at its step."""
    return Path(plan.policy).with_name(f"killed-{pid}")


class Trap:
    """Ends this process when the step of its plan comes for the nth time."""

    def __init__(self, plan: Plan) -> None:
        self._step, self._left, self._note = plan.step, plan.nth, note_of(plan, os.getpid())
        self._dice = random.Random(plan.seed)

    def at(self, step: str) -> None:
        if step == self._step:
            self._left -= 1
            if self._left <= 0:
                self._note.touch()
                os.kill(os.getpid(), signal.SIGKILL)

    def set(self) -> None:
        """Lay it around every step."""
        self._around(Gate, "open_call", "before the call row", "after the call row")
        self._around(Exchange, "place_order", "before the send", "after the send")
        self._around(Exchange, "cancel_order", "before a cancel", "after a cancel")
        self._around(Exchange, "order", "while resolving", "after an answer in resolving")
        self._around(Exchange, "all_orders", "while reconciling", "after the lists of reconciling")
        self._around(Exchange, "my_trades", None, "after the fees")
        self._around_the_slot()
        self._in_the_send()
        self._before_the_reply()
        self._in_transactions()

    def _around(self, owner: Any, name: str, before: str | None, after: str | None) -> None:
        real = getattr(owner, name)

        async def trapped(*arguments: Any, **fields: Any) -> Any:
            self.at(before or "")
            answer = await real(*arguments, **fields)
            self.at(after or "")
            return answer

        setattr(owner, name, trapped)

    def _around_the_slot(self) -> None:
        real = Exchange.order_slot

        @asynccontextmanager
        async def order_slot(exchange: Exchange) -> AsyncIterator[Any]:
            self.at("after the facts")
            async with real(exchange) as slot:
                self.at("with a slot in the limits")
                yield slot

        Exchange.order_slot = order_slot  # type: ignore[assignment]  # fits the calls that are made

    def _in_the_send(self) -> None:
        real = GuardedClient._sent

        async def sent(client: GuardedClient, endpoint: Any, *arguments: Any) -> Any:
            step = {"POST": "in the send", "DELETE": "in a cancel"}.get(endpoint.method)
            if step == self._step:
                # The request is somewhere between this process, the wire and the exchange.
                asyncio.get_running_loop().call_later(self._dice.random() * 0.006, self.at, step)
            return await real(client, endpoint, *arguments)

        GuardedClient._sent = sent  # type: ignore[assignment]  # fits the calls that are made

    def _before_the_reply(self) -> None:
        real = aiohttp.ClientSession._request

        async def answered(session: aiohttp.ClientSession, method: str, *arguments: Any, **fields: Any) -> Any:
            response = await real(session, method, *arguments, **fields)
            # The exchange has carried it out and answered, and nobody has looked at the answer.
            steps = {"POST": "before the reply is read", "DELETE": "before the reply to a cancel is read"}
            self.at(steps.get(method, ""))
            return response

        aiohttp.ClientSession._request = answered  # type: ignore[assignment]  # fits the calls that are made

    def _in_transactions(self) -> None:
        real_transaction, real_append = Store.transaction, AuditPart.append

        def append(audit: AuditPart, record: Record) -> Entry:
            if _row_of(record) == "the outcome row":
                self.at("before the outcome row")
            written = real_append(audit, record)
            audit.__dict__.setdefault("rows", []).append(_row_of(record))
            return written

        @contextmanager
        def transaction(store: Store, **waits: Any) -> Iterator[Any]:
            rows: list[str] = []
            with real_transaction(store, **waits) as tx:
                yield tx
                rows = tx.audit.__dict__.get("rows", [])
                for row in ("any transaction", *rows):
                    self.at(f"in {row}")
            for row in ("any commit", *rows):
                self.at(f"after {row}")

        AuditPart.append = append  # type: ignore[assignment]  # fits the calls that are made
        Store.transaction = transaction  # type: ignore[assignment]  # fits the calls that are made


def _row_of(record: Record) -> str:
    """Which step of an order's way a row of the log belongs to."""
    if record.phase is Phase.CALL:
        return "the call row" if record.tool == CreateOrder.tool else "the call row of a cancel"
    if record.phase is Phase.INTENT:
        return "the reservation"
    if record.phase is Phase.OUTCOME:
        return "the outcome row" if record.tool == CreateOrder.tool else "the outcome row of a cancel"
    return "the row of what was found"


class Trader:
    """Orders and cancels, one after the other and several side by side, by the dice."""

    def __init__(self, guardian: Guardian, plan: Plan) -> None:
        self._guardian, self._plan = guardian, plan
        self._dice = random.Random(plan.seed)
        self._left = plan.calls
        self.outcomes: list[str] = []

    async def work(self) -> None:
        await asyncio.gather(self._look(), *(self._trade() for _ in range(self._plan.workers)))

    async def _look(self) -> None:
        """What a server does in the background, without its pauses."""
        context = self._guardian.gate.context
        resolver = Resolver(context=context)
        while True:
            with suppress(GuardianError):
                await resolver.run_once()
            with suppress(GuardianError):
                await Reconciler(context).run(("BTCUSDT",))
            if self._left <= 0:
                await resolver.leaseholder.release()
                return
            await asyncio.sleep(self._plan.looks_s)

    async def _trade(self) -> None:
        while self._left > 0:
            self._left -= 1
            name = self._one_of_ours() if self._dice.random() < self._plan.cancels else None
            if self._plan.token is not None:
                request = CreateOrder(confirmation_token=Secret(self._plan.token))
                reply = await self._ask(request, {"confirmation_token": self._plan.token})
            elif name is None:
                order = self._order()
                reply = await self._ask(CreateOrder(order=order), order.as_dict())
            else:
                cancel = CancelOrder(symbol="BTCUSDT", client_order_id=name)
                reply = await self._ask(cancel, {"symbol": "BTCUSDT", "client_order_id": name})
            code = "" if reply.error is None else f" {reply.error.code.name}"
            self.outcomes.append(f"{reply.outcome}{code}")

    async def _ask(self, request: Request, arguments: Mapping[str, object]) -> Reply:
        gate = self._guardian.gate
        call = await gate.open_call(request.tool, arguments, client="victim")
        reply = await gate.handle(call, request)
        await gate.close_call(call, reply)
        return reply

    def _order(self) -> OrderSpec:
        if self._plan.same_order:
            return limit("59000", self._plan.quantity)
        if self._dice.random() < 0.15:
            quantity = Decimal(self._plan.quantity) + Decimal(self._dice.randrange(1, 90)) / 100_000
            return OrderSpec(symbol="BTCUSDT", side=OrderSide.BUY, order_type=OrderType.MARKET, quantity=quantity)
        price = Decimal(self._dice.randrange(5_850_000, 5_990_000)) / 100
        return OrderSpec(
            symbol="BTCUSDT", side=OrderSide.BUY, order_type=OrderType.LIMIT, quantity=Decimal(self._plan.quantity),
            price=price, time_in_force=TimeInForce.GTC,
        )  # fmt: skip

    def _one_of_ours(self) -> str | None:
        with self._guardian.journal.transaction() as tx:
            names = [row.client_order_id for row in tx.orders.live()]
        return self._dice.choice(names) if names else None


async def live(plan: Plan) -> list[str]:
    guardian = open_guardian(Path(plan.policy), home=Path(plan.home))
    trader = Trader(guardian, plan)
    try:
        await trader.work()
    finally:
        await guardian.close()
    return trader.outcomes


def child(plan: Plan, gate_in: int) -> None:
    """The life of one process; it never returns to the caller's code."""
    status = 1
    try:
        Trap(plan).set()
        os.read(gate_in, 1)  # until all are there
        outcomes = asyncio.run(live(plan))
        Path(plan.home, f"told-{os.getpid()}.json").write_text(json.dumps(outcomes), "utf-8")
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it was, the process ends here, and says so
        traceback.print_exc()
    finally:
        os._exit(status)


def one_round(plans: list[Plan]) -> Iterator[object]:
    """Start them all at once; yields their process ids, then their exit statuses."""
    gate_in, gate_out = os.pipe()
    pids = []
    for plan in plans:
        pid = os.fork()
        if pid == 0:
            os.close(gate_out)
            child(plan, gate_in)
        pids.append(pid)
    os.close(gate_in)
    time.sleep(0.01)
    os.close(gate_out)  # all that wait at the gate go on at once
    yield pids
    yield [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def main() -> None:
    # Where the machine is full, a process may wait too long for the file of the rate limits; it then counts alone and
    # says so, as it should. Whatever else is said on stderr is a fault.
    logging.getLogger("guardian.exchange").setLevel(logging.ERROR)
    for line in sys.stdin:
        for told in one_round([Plan(**fields) for fields in json.loads(line)]):
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
