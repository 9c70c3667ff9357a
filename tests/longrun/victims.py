"""Guardian processes that trade until they are killed: `python -m tests.longrun.victims`, one line of JSON for a round.

A line is a list of plans; each becomes a process of its own (a fork of this one, so that Python's imports are paid for
once). The answer is a line with the process ids, and one with the exit statuses when all have ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from guardian.bootstrap import Guardian, open_guardian
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.requests import CancelOrder, CreateOrder, Request
from guardian.errors import GuardianError
from guardian.exchange.client import GuardedClient
from guardian.exchange.exchange import Exchange
from guardian.gate import placing
from guardian.gate.pipeline import Gate
from guardian.gate.replies import Reply
from guardian.gate.resolving import Resolver
from guardian.store.database import Store

STEPS = (
    "before the call row",
    "after the call row",
    "after the facts",
    "in a transaction",
    "after a commit",
    "before the send",
    "in the send",
    "after the send",
    "before the outcome row",
    "in the outcome row",
    "after the outcome row",
    "before a cancel",
    "in a cancel",
    "after a cancel",
    "while resolving",
    "at a random time",
)
"""Where a process is killed: by itself, but for the last."""


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
        self._sent = False

    def at(self, step: str) -> None:
        if step == self._step:
            self._left -= 1
            if self._left <= 0:
                self._note.touch()
                os.kill(os.getpid(), signal.SIGKILL)

    def set(self) -> None:
        """Lay it around every step."""
        self._around(Gate, "open_call", "before the call row", "after the call row")
        self._around(placing, "gather_facts", None, "after the facts")
        self._around(Exchange, "place_order", "before the send", "after the send")
        self._around(Exchange, "cancel_order", "before a cancel", "after a cancel")
        self._around(Exchange, "order", "while resolving", None)
        self._in_the_send()
        self._in_transactions()

    def _around(self, owner: Any, name: str, before: str | None, after: str | None) -> None:
        real = getattr(owner, name)

        async def trapped(*arguments: Any, **fields: Any) -> Any:
            self.at(before or "")
            answer = await real(*arguments, **fields)
            self._sent = self._sent or name == "place_order"
            self.at(after or "")
            return answer

        setattr(owner, name, trapped)

    def _in_the_send(self) -> None:
        real = GuardedClient._sent

        async def sent(client: GuardedClient, endpoint: Any, *arguments: Any) -> Any:
            step = {"POST": "in the send", "DELETE": "in a cancel"}.get(endpoint.method)
            if step == self._step:
                # The request is somewhere between this process, the wire and the exchange.
                asyncio.get_running_loop().call_later(self._dice.random() * 0.006, self.at, step)
            return await real(client, endpoint, *arguments)

        GuardedClient._sent = sent  # type: ignore[method-assign,assignment]

    def _in_transactions(self) -> None:
        real = Store.transaction

        @contextmanager
        def transaction(store: Store) -> Iterator[Any]:
            # With calls side by side it is not always the outcome row: then it is some other transaction just behind
            # a send.
            behind_a_send = self._sent
            if behind_a_send:
                self.at("before the outcome row")
            with real(store) as tx:
                yield tx
                self.at("in a transaction")
                if behind_a_send:
                    self.at("in the outcome row")
            self.at("after a commit")
            if behind_a_send:
                self.at("after the outcome row")

        Store.transaction = transaction  # type: ignore[method-assign,assignment]


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
        with suppress(GuardianError):
            await Resolver(parts=self._guardian.gate.parts).run_once()

    async def _trade(self) -> None:
        while self._left > 0:
            self._left -= 1
            name = self._one_of_ours() if self._dice.random() < self._plan.cancels else None
            if name is None:
                reply = await self._ask(CreateOrder(order=self._order()))
            else:
                reply = await self._ask(CancelOrder(symbol="BTCUSDT", client_order_id=name))
            code = "" if reply.error is None else f" {reply.error.code.name}"
            self.outcomes.append(f"{reply.outcome}{code}")

    async def _ask(self, request: Request) -> Reply:
        gate = self._guardian.gate
        call = await gate.open_call(request.tool, {}, client="victim")
        reply = await gate.handle(call, request)
        await gate.close_call(call, reply)
        return reply

    def _order(self) -> OrderSpec:
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
            names = [row.client_order_id for row in tx.live()]
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
    for line in sys.stdin:
        for told in one_round([Plan(**fields) for fields in json.loads(line)]):
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
