"""Every fault of the paper exchange on every order type, created and cancelled.

`python -m tests.longrun.fault_matrix` runs it all. Time-outs are shortened to TIMEOUT_S, the waiting of the resolver is
jumped over, and the faults are real ones over HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

from guardian.domain.codes import Outcome
from guardian.domain.order_states import UNRESOLVED_STATES, OrderState
from guardian.domain.orders import OrderReport, OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.exchange.http.client import GuardedClient
from guardian.gate.base.replies import Reply
from guardian.paper.rest.faults import ORDER, FaultKind
from tests.longrun.desk import (
    BIG,
    OPEN_AT_EXCHANGE,
    SYMBOL,
    Desk,
    a_desk,
    a_folder,
    chain,
    differences,
    exposure,
    held,
    position_off,
    sent_twice,
    state_of,
    uncounted,
)
from tests.longrun.desk import without_intent as orphans
from tests.longrun.table import Progress, conditions, table, tally, whole
from tests.support.world import WIDE, World, a_world

TIMEOUT_S = 0.5
"""For a write."""
SILENCE_S = 0.7
"""For a read, which is then asked again."""
LATE_S = 1.0
"""Longer than both."""
AT_ONCE = 2
"""Cases side by side: most of their time is waiting."""
IN_HAND = 500
"""Cases that are handed out together."""

TYPES = (
    OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT,
)  # fmt: skip
OPERATIONS = {"create": "POST", "cancel": "DELETE"}


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One row of the matrix: a fault with its settings, and where else it strikes."""

    name: str
    kind: FaultKind | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked_too: Mapping[str, Any] | None = None
    """A second fault: on asking for the order."""
    lasts_s: float = 0.0
    """What has to pass before it is over."""
    at_the_send: bool = False
    """It begins when all facts are there and the order is on disk."""
    until_told: bool = False
    """Asking does not get better by itself: until it is put right, the order has to stay unknown, and counted."""


def _plain(name: str, kind: FaultKind, lasts_s: float = 0.0, **settings: Any) -> Trouble:
    return Trouble(name=name, kind=kind, settings=settings, lasts_s=lasts_s)


def _then(name: str, kind: FaultKind, times: int = 2, lasts_s: float = 0.0, **settings: Any) -> Trouble:
    """The reply is lost, and then asking for the order goes wrong too."""
    asked = {"kind": kind, "times": times, **settings}
    named = f"reply lost, then {name} on asking"
    return Trouble(name=named, kind=FaultKind.REPLY_LOST, asked_too=asked, lasts_s=lasts_s)


TROUBLES = (
    Trouble(name="none", kind=None),
    _plain("delay", FaultKind.DELAY, seconds=0.1),
    _plain("delay past the time-out", FaultKind.DELAY, LATE_S, seconds=LATE_S),
    _plain("hang", FaultKind.HANG, LATE_S, seconds=LATE_S),
    _plain("hang, executed", FaultKind.HANG, LATE_S, seconds=LATE_S, execute=True),
    _plain("reply lost", FaultKind.REPLY_LOST),
    _plain("reset before", FaultKind.RESET_BEFORE),
    _plain("reset after", FaultKind.RESET_AFTER),
    _plain("500", FaultKind.STATUS, status=500),
    _plain("500, executed", FaultKind.STATUS, status=500, execute=True),
    _plain("503", FaultKind.STATUS, status=503),
    _plain("503, executed", FaultKind.STATUS, status=503, execute=True),
    _plain("-1007", FaultKind.TIMEOUT_1007),
    _plain("-1007, not executed", FaultKind.TIMEOUT_1007, execute=False),
    _plain("HTML 502", FaultKind.HTML_502),
    _plain("HTML 502, executed", FaultKind.HTML_502, execute=True),
    _plain("HTML 403", FaultKind.HTML_403),
    _plain("429", FaultKind.RETRY_AFTER_429, 1.1, seconds=1),
    _plain("418", FaultKind.BAN_418, 1.1, seconds=1),
    _plain("empty 200", FaultKind.EMPTY_200),
    _plain("empty 200, not executed", FaultKind.EMPTY_200, execute=False),
    _plain("bad JSON", FaultKind.BAD_JSON),
    _plain("bad JSON, not executed", FaultKind.BAD_JSON, execute=False),
    _plain("clock skew +10 s", FaultKind.CLOCK_SKEW, seconds=10.0),
    _plain("clock skew -10 s", FaultKind.CLOCK_SKEW, seconds=-10.0),
    Trouble(name="clock +10 s at the send", kind=FaultKind.CLOCK_SKEW, settings={"seconds": 10.0}, at_the_send=True),
    Trouble(name="clock -10 s at the send", kind=FaultKind.CLOCK_SKEW, settings={"seconds": -10.0}, at_the_send=True),
    Trouble(
        name="reply lost, then -2013 for 1 s",
        kind=FaultKind.REPLY_LOST,
        asked_too={"kind": FaultKind.UNSEEN_2013, "times": 10_000, "seconds": 1.0},
        lasts_s=0.0,
    ),
    Trouble(
        name="reply lost, then -2013 four times",
        kind=FaultKind.REPLY_LOST,
        asked_too={"kind": FaultKind.NOT_FOUND_2013, "times": 4},
    ),
    Trouble(
        name="not sent, then 500 on asking",
        kind=FaultKind.RESET_BEFORE,
        asked_too={"kind": FaultKind.STATUS, "times": 5, "status": 500},
    ),
    _plain("partial fill, the rest cancelled", FaultKind.PARTIAL_FILL),
    _then("a delay", FaultKind.DELAY, seconds=0.2),
    _then("a hang", FaultKind.HANG, times=2, seconds=LATE_S),
    _then("a lost reply", FaultKind.REPLY_LOST),
    _then("a reset before", FaultKind.RESET_BEFORE),
    _then("a reset after", FaultKind.RESET_AFTER),
    _then("503", FaultKind.STATUS, times=4, status=503),
    _then("-1007", FaultKind.TIMEOUT_1007),
    _then("HTML 502", FaultKind.HTML_502, times=4),
    _then("HTML 403", FaultKind.HTML_403),
    _then("429", FaultKind.RETRY_AFTER_429, lasts_s=1.1, seconds=1),
    _then("418", FaultKind.BAN_418, times=1, lasts_s=1.1, seconds=1),
    _then("empty 200", FaultKind.EMPTY_200),
    _then("bad JSON", FaultKind.BAD_JSON),
    Trouble(
        name="reply lost, then -2013 while the lists have it",
        kind=FaultKind.REPLY_LOST,
        asked_too={"kind": FaultKind.NOT_FOUND_2013, "times": 1_000_000},
        until_told=True,
    ),
    Trouble(
        name="not sent, then 500 for an hour",
        kind=FaultKind.RESET_BEFORE,
        asked_too={"kind": FaultKind.STATUS, "times": 1_000_000, "status": 500},
        until_told=True,
    ),
)
"""All kinds are here: a test holds them against FaultKind."""


def covered() -> set[FaultKind]:
    asked = {FaultKind(t.asked_too["kind"]) for t in TROUBLES if t.asked_too is not None}
    return {t.kind for t in TROUBLES if t.kind is not None} | asked


def spec_of(order_type: OrderType) -> OrderSpec:
    """A buy that rests, or for MARKET fills: the market is 60000 to 60001."""
    prices = {
        OrderType.LIMIT: ("59000", None),
        OrderType.LIMIT_MAKER: ("59000", None),
        OrderType.MARKET: (None, None),
        OrderType.STOP_LOSS_LIMIT: ("61100", "61000"),
        OrderType.TAKE_PROFIT_LIMIT: ("59100", "59000"),
    }
    price, stop_price = (None if text is None else Decimal(text) for text in prices[order_type])
    timed = order_type not in {OrderType.MARKET, OrderType.LIMIT_MAKER}
    return OrderSpec(
        symbol=SYMBOL, side=OrderSide.BUY, order_type=order_type, quantity=Decimal("0.002"), price=price,
        stop_price=stop_price, time_in_force=TimeInForce.GTC if timed else None,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    trouble: Trouble
    order_type: OrderType
    operation: str

    def __str__(self) -> str:
        return f"{self.operation} {self.order_type} with {self.trouble.name}"


@dataclass(frozen=True, kw_only=True)
class Result:
    case: Case
    answer: str
    """What the call was answered at once."""
    requests: int
    """How many POSTs or DELETEs of this call came to the exchange."""
    at_exchange: str
    state: str
    """Guardian's, after resolution."""
    wrong: tuple[str, ...]


CASES = tuple(
    Case(trouble=trouble, order_type=order_type, operation=operation)
    for trouble, order_type, operation in product(TROUBLES, TYPES, OPERATIONS)
)


@contextmanager
def short_time_outs() -> Iterator[None]:
    with (
        patch.object(GuardedClient, "WRITE_TIMEOUT_S", TIMEOUT_S),
        patch.object(GuardedClient, "READ_TIMEOUT_S", 2.0),
        patch.object(GuardedClient, "SILENCE_S", SILENCE_S),
    ):
        yield


async def one(case: Case, world: World) -> Result:
    """One case in a world of its own."""
    trouble, method = case.trouble, OPERATIONS[case.operation]
    wrong: list[str] = []
    async with a_desk(world) as desk:
        began = held(world) - desk.position()
        if case.operation == "cancel":
            placed = await desk.create(spec_of(case.order_type))
            if placed.outcome is not Outcome.DONE:
                wrong.append(f"the order to cancel: {placed.outcome}")
            if trouble.kind is FaultKind.PARTIAL_FILL:
                _fill_a_part(world)
        before = {verb: len(world.controls.requests(verb, ORDER)) for verb in ("POST", "DELETE")}
        reply = await _struck(case, desk, world)
        wrong += _untrue(case, reply, world) + _unstruck(case, world)
        wrong += _counted_too_little(world, desk, "before resolution")
        await asyncio.sleep(trouble.lasts_s)
        if trouble.kind is FaultKind.CLOCK_SKEW:
            world.controls.clear_faults()
        await desk.resolve(4)
        if trouble.until_told:
            wrong += await _as_long_as_nobody_answers(case, world, desk)
        if trouble.asked_too is not None and "seconds" in trouble.asked_too:
            await asyncio.sleep(trouble.asked_too["seconds"])
        await desk.resolve()
        requests = len(world.controls.requests(method, ORDER)) - before[method]
        other = "DELETE" if method == "POST" else "POST"
        wrong += [f"sent {requests} times"] if requests > 1 else []
        wrong += [f"a {other} was sent too"] if len(world.controls.requests(other, ORDER)) > before[other] else []
        wrong += [f"{name} came twice" for name in sent_twice(world)]
        wrong += [f"{name} has no intent" for name in orphans(world)]
        wrong += [*differences(world, desk), *chain(world), *position_off(world, desk, began)]
        orders, taken = desk.orders(), world.controls.orders()
        if len(taken) > 1 or len(orders) > 1:
            wrong.append(f"{len(taken)} orders at the exchange, {len(orders)} in the store")
        wrong += [f"{o.client_order_id} is still {o.state}" for o in orders if o.state in UNRESOLVED_STATES]
        wrong += _counted_too_little(world, desk, "after resolution")
        world.controls.clear_faults()  # what has ended need not be asked for, so one may be left over
        wrong += await _told_otherwise(world, desk)
    wrong += [f"the exchange failed: {error!r}" for error in world.paper.troubles]
    return Result(
        case=case, answer=_said(reply), requests=requests, wrong=tuple(wrong),
        at_exchange=", ".join(map(_stands, taken)) or "no order",
        state=", ".join(o.state for o in orders) or "no order",
    )  # fmt: skip


def _counted_too_little(world: World, desk: Desk, when: str) -> list[str]:
    found = uncounted(world, desk)
    if (sums := exposure(world, desk)).is_below_the_truth:
        found.append(str(sums))
    return [f"{when} {line}" for line in found]


def _unstruck(case: Case, world: World) -> list[str]:
    """A fault that waits still has hit nothing, and a case without its fault shows nothing."""
    method = OPERATIONS[case.operation]
    waiting = [fault for fault in world.controls.faults() if fault["method"] == method]
    return [f"the fault did not strike: {fault}" for fault in waiting]


async def _as_long_as_nobody_answers(case: Case, world: World, desk: Desk) -> list[str]:
    """After minutes of useless answers guardian does not make up an end; then it is put right."""
    await desk.resolve(8)
    wrong = []
    if case.operation == "create":
        states = [row.state for row in desk.orders()]
        if states != [OrderState.UNKNOWN]:
            wrong.append(f"nobody has told what became of it, and it is {states}")
        again = await desk.create(replace(spec_of(OrderType.LIMIT), price=Decimal(58000)))
        if again.outcome is not Outcome.DENIED:
            wrong.append(f"another order of a symbol whose order is unknown was answered {_said(again)}")
        if not (await desk.gate.status()).unresolved:
            wrong.append("the status does not show it")
    wrong += _counted_too_little(world, desk, "while nobody answers")
    world.controls.clear_faults()
    desk.waiting.jump(61)
    return wrong


async def _told_otherwise(world: World, desk: Desk) -> list[str]:
    """What the assistant and the owner see, against what is there."""
    found = []
    for order in world.controls.orders():
        view = await desk.told(order["clientOrderId"])
        told = None if view is None else (view.state, view.executed_quantity)
        truth = (state_of(order["status"]).value, Decimal(order["executedQty"]))
        if told != truth:
            found.append(f"get_orders tells {told}, and the exchange has {truth}")
    status = await desk.gate.status()
    shown = [view.client_order_id for view in status.unresolved]
    found += [f"the status shows as unresolved: {shown}"] if shown else []
    open_now = {o["clientOrderId"] for o in world.controls.orders() if o["status"] in OPEN_AT_EXCHANGE}
    if {view.client_order_id for view in status.open_orders} != open_now:
        found.append(f"the status shows {len(status.open_orders)} open orders, and there are {len(open_now)}")
    return found


async def _struck(case: Case, desk: Desk, world: World) -> Reply:
    """The call, with its fault."""
    trouble, method = case.trouble, OPERATIONS[case.operation]
    if not trouble.at_the_send:
        _strike(trouble, method, world)
        return await _call(case, desk)
    exchange = (await desk.context.connector.connect(needs_keys=True)).exchange

    def late(real: Callable[..., Awaitable[OrderReport]]) -> Callable[..., Awaitable[OrderReport]]:
        async def write(*arguments: Any, **fields: Any) -> OrderReport:
            _strike(trouble, method, world)
            return await real(*arguments, **fields)

        return write

    with (
        patch.object(exchange, "place_order", late(exchange.place_order)),
        patch.object(exchange, "cancel_order", late(exchange.cancel_order)),
    ):
        return await _call(case, desk)


def _strike(trouble: Trouble, method: str, world: World) -> None:
    if trouble.kind is None or (trouble.kind is FaultKind.PARTIAL_FILL and method == "DELETE"):
        return
    world.controls.fault(method, ORDER, trouble.kind, **trouble.settings)
    if trouble.asked_too is not None:
        world.controls.fault("GET", ORDER, **trouble.asked_too)


def _fill_a_part(world: World) -> None:
    """The market comes to the order, with half of what it asks for, and goes again."""
    world.market("60999", "61000")  # what waits for a rise is triggered
    world.controls.set_book(SYMBOL, "58999", "59000", "0.001")
    world.market("60000", "60001")


async def _call(case: Case, desk: Desk) -> Reply:
    if case.operation == "create":
        return await desk.create(spec_of(case.order_type))
    return await desk.cancel(desk.orders()[0].client_order_id)


def _said(reply: Reply) -> str:
    return reply.outcome.value if reply.error is None else f"{reply.outcome.value} {reply.error.code.name}"


def _stands(order: Mapping[str, str]) -> str:
    part = 0 < Decimal(order["executedQty"]) < Decimal(order["origQty"])
    return order["status"] + (" part-filled" if part else "")


def _untrue(case: Case, reply: Reply, world: World) -> list[str]:
    """What the first answer says that is not so. `unknown` says nothing; it is for the resolution."""
    taken = world.controls.orders()
    if reply.outcome is Outcome.UNKNOWN:
        return []
    if case.operation == "create":
        if (reply.outcome is Outcome.DONE) != bool(taken):
            return [f"answered {_said(reply)} with {len(taken)} orders at the exchange"]
        return []
    ended = all(order["status"] == "CANCELED" for order in taken)
    if reply.outcome is Outcome.DONE and not ended:
        return ["answered done and the order is not cancelled"]
    if reply.outcome is not Outcome.DONE and ended:
        return [f"answered {_said(reply)} and the order is cancelled"]
    return []


def run(
    cases: Sequence[Case], folder: Path, results: list[Result] | None = None, progress: Progress | None = None
) -> list[Result]:
    """All these cases, each with an exchange and a home of its own."""
    results = [] if results is None else results
    with short_time_outs(), ThreadPoolExecutor(AT_ONCE) as pool:
        for first in range(0, len(cases), IN_HAND):
            hand = list(enumerate(cases))[first : first + IN_HAND]
            futures = [pool.submit(_alone, case, folder / str(number)) for number, case in hand]
            try:
                for future in as_completed(futures):
                    results.append(future.result())
                    if progress is not None:
                        progress.at(len(results), f"cases; wrong: {sum(bool(result.wrong) for result in results)}")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return results


def _alone(case: Case, own: Path) -> Result:
    own.mkdir()
    try:
        with a_world(own) as world:
            world.policy(WIDE, BIG)
            return asyncio.run(one(case, world))
    finally:
        shutil.rmtree(own, ignore_errors=True)


def sample(count: int, seed: int) -> list[Case]:
    """A number of cases, in which every trouble comes at least once where the count allows it."""
    dice = random.Random(seed)
    first = [
        Case(trouble=trouble, order_type=dice.choice(TYPES), operation=dice.choice(list(OPERATIONS)))
        for trouble in TROUBLES
    ]
    rest = [case for case in CASES if case not in first]
    dice.shuffle(rest)
    return (first + rest)[:count]


def report(results: Sequence[Result]) -> str:
    rows = []
    for operation, trouble in product(OPERATIONS, TROUBLES):
        own = [r for r in results if r.case.operation == operation and r.case.trouble is trouble]
        if own:
            rows.append(
                (
                    operation, trouble.name, len(own), tally(r.answer for r in own), max(r.requests for r in own),
                    tally(r.at_exchange for r in own), tally(r.state for r in own), sum(bool(r.wrong) for r in own),
                )
            )  # fmt: skip
    heads = (
        "call",
        "fault",
        "cases",
        "answered at once",
        "sent at most",
        "at the exchange",
        "guardian's state",
        "wrong",
    )
    lines = [table(heads, rows)]
    lines += [f"WRONG {r.case}: {r.answer}; {'; '.join(r.wrong)}" for r in results if r.wrong]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how often the whole matrix")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only faults with this in their name")
    asked = parser.parse_args()
    started = time.monotonic()
    cases = [case for case in CASES if asked.only in case.trouble.name] * asked.rounds
    random.Random(asked.seed).shuffle(cases)
    results: list[Result] = []

    def work() -> None:
        with a_folder() as folder:
            run(cases, folder, results, Progress(len(cases)))

    def told() -> tuple[str, int]:
        seconds = round(time.monotonic() - started)
        last = conditions(cases=len(results), seed=asked.seed, seconds=seconds, time_out=TIMEOUT_S)
        return f"{report(results)}\n{last}", sum(bool(result.wrong) for result in results) + (not results)

    whole(work, told)


if __name__ == "__main__":
    main()
