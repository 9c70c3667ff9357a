"""A laptop that is suspended in mid-order: `python -m tests.longrun.suspended --rounds 1 --seconds 60`.

The process is stopped (SIGSTOP) at each of several points and continued later; all points are tried side by side, each
in a world of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from guardian.bootstrap import open_guardian
from guardian.exchange.exchange import Exchange
from guardian.paper.rest.faults import ORDER, FaultKind
from guardian.store.database import Store
from guardian.store.log.read_only import database_path, read_only
from guardian.store.schema.records import Entry, Phase, Record
from guardian.store.transaction.audit import AuditPart
from tests.longrun.crashes import a_market
from tests.longrun.desk import (
    a_desk,
    a_folder,
    chain,
    differences,
    exposure,
    held,
    limit,
    position_off,
    sent_twice,
    uncounted,
    without_intent,
)
from tests.longrun.table import Progress, conditions, table, whole
from tests.support import prefork
from tests.support.world import World

ROOT = Path(__file__).parent.parent.parent
POINTS = (
    "with the facts in hand",
    "in the reservation",
    "between intent and send",
    "during the send",
    "between send and outcome",
    "in the outcome row",
    "between the cancel's call and its send",
    "between the cancel's send and its reply",
)
CANCELS = POINTS[-2:]
LATE_POINTS = ("in the reservation", "between intent and send")
"""Slept through here for longer than the exchange takes a request, an order must not be sent any more."""
IN_TRANSACTION = ("in the reservation", "in the outcome row")
"""Here the sleeper holds the store: nobody else can reserve anything past it."""
RECEIVE_WINDOW_S = 5
PRICES_LAST_MS = 5000
"""By the policy here."""


ANSWERS = {
    "with the facts in hand": "done or denied PRICE_STALE",
    CANCELS[0]: "unavailable ORDER_NOT_SENT",
}
"""What is answered after a long sleep, where it is not done: nothing that was sent is ever told as not sent."""
ENDS = {
    CANCELS[0]: ["open"],
    CANCELS[1]: ["cancelled"],
}


@dataclass(kw_only=True)
class Nap:
    """One order whose process slept."""

    point: str
    seconds: float
    answer: str = ""
    at_exchange: str = ""
    state: str = ""
    next_answer: str = ""
    """Of another order, in the same process, right after waking."""
    wrong: list[str] = field(default_factory=list)


def stop() -> None:
    sys.stdout.write("stopping\n")
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.1)  # another thread may take the signal, and this one goes on until it has


def trap(point: str) -> None:
    """Stop this process at the point, once. That it is `during the send` is seen from outside, at the exchange."""
    asleep: list[str] = []

    def sleep_once(there: str) -> None:
        if there == point and not asleep:
            asleep.append(there)
            stop()

    real_place, real_cancel, real_slot = Exchange.place_order, Exchange.cancel_order, Exchange.order_slot
    real_transaction, real_append = Store.transaction, AuditPart.append

    async def place_order(self: Exchange, *arguments: Any, **fields: Any) -> Any:
        sleep_once("between intent and send")
        report = await real_place(self, *arguments, **fields)
        sleep_once("between send and outcome")
        return report

    async def cancel_order(self: Exchange, *arguments: Any, **fields: Any) -> Any:
        sleep_once("between the cancel's call and its send")
        report = await real_cancel(self, *arguments, **fields)
        sleep_once("between the cancel's send and its reply")
        return report

    def order_slot(self: Exchange) -> Any:
        sleep_once("with the facts in hand")
        return real_slot(self)

    def append(audit: AuditPart, record: Record) -> Entry:
        written = real_append(audit, record)
        audit.__dict__.setdefault("rows", []).append((record.phase, record.tool))
        return written

    @contextmanager
    def transaction(store: Store, **waits: Any) -> Iterator[Any]:
        with real_transaction(store, **waits) as tx:
            yield tx
            rows = tx.audit.__dict__.get("rows", [])
            if (Phase.INTENT, "create_order") in rows:
                sleep_once("in the reservation")
            if (Phase.OUTCOME, "create_order") in rows:
                sleep_once("in the outcome row")

    Exchange.place_order = place_order
    Exchange.cancel_order = cancel_order
    Exchange.order_slot = order_slot
    AuditPart.append = append  # type: ignore[assignment]  # fits the calls that are made
    Store.transaction = transaction  # type: ignore[assignment]  # fits the calls that are made


async def sleeper(policy: str, home: str, point: str) -> None:
    """The process: one order that is slept through, and one more."""
    from tests.longrun.desk import Desk, Waiting

    trap(point)
    guardian = open_guardian(Path(policy), home=Path(home))
    try:
        desk = Desk(guardian, Waiting())
        desk.gate = guardian.gate  # with the real clocks and pauses
        replies = [await desk.create(limit("59000"))]
        if point in CANCELS:
            replies = [await desk.cancel(desk.orders()[0].client_order_id)]
        replies.append(await desk.create(limit("58900")))
    finally:
        await guardian.close()
    answers = [f"{r.outcome} {'' if r.error is None else r.error.code.name}".strip() for r in replies]
    sys.stdout.write(json.dumps(answers) + "\n")


def nap(point: str, seconds: float, folder: Path, broken_off: threading.Event) -> Nap:
    """One order, slept through at this point."""
    found = Nap(point=point, seconds=seconds)
    with a_market(folder) as world:
        began = held(world)
        if point == "during the send":
            world.controls.fault("POST", ORDER, FaultKind.DELAY, seconds=1.5)
        process = prefork.popen(
            [
                sys.executable,
                "-m",
                "tests.longrun.suspended",
                "--sleeper",
                point,
                str(world.policy_path),
                str(world.home),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is ours: it ends it when it is time
        )
        watch = threading.Timer(seconds + 60, process.kill)
        watch.start()
        try:
            _put_to_sleep(point, process, world, found)
            asyncio.run(_look_while_asleep(world, point, found))
            if broken_off.wait(seconds):
                found.wrong.append("it was broken off")
                return found
            os.kill(process.pid, signal.SIGCONT)
            out, err = process.communicate()
        finally:
            watch.cancel()
            process.kill()
            process.communicate()
        lines = [line for line in out.splitlines() if line.startswith("[")]
        if not lines:
            found.wrong.append(f"it did not go on: {err[-1000:]}")
            return found
        found.answer, found.next_answer = json.loads(lines[-1])
        asyncio.run(_look_after(world, found, began))
    return found


def _put_to_sleep(point: str, process: subprocess.Popen[str], world: World, found: Nap) -> None:
    if point != "during the send":
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "stopping":
                return
        found.wrong.append("it never came to the point")
        return
    end = time.monotonic() + 30
    while not world.sent():
        if time.monotonic() > end:
            found.wrong.append("it never came to the point")
            return
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGSTOP)


async def _look_while_asleep(world: World, point: str, found: Nap) -> None:
    """Another process sees what there is, and counts it."""
    await asyncio.sleep(1.6 if point == "during the send" else 0)
    if point in IN_TRANSACTION:
        with read_only(database_path(world.home)) as connection:
            rows = connection.execute("SELECT state FROM orders").fetchall()
        # What is not committed has not happened; what has its answer still counts as it was reserved.
        wanted_rows = [] if point == "in the reservation" else [("reserved",)]
        if rows != wanted_rows or len(world.sent()) != len(wanted_rows):
            found.wrong.append(f"while asleep the store had {rows}, and {len(world.sent())} orders had been sent")
        return
    async with a_desk(world) as desk:
        states = [row.state.value for row in desk.orders()]
        wanted = {"with the facts in hand": [], CANCELS[0]: ["open"], CANCELS[1]: ["open"]}.get(point, ["reserved"])
        if states != wanted:
            found.wrong.append(f"while asleep it was {states}, not {wanted}")
        told = exposure(world, desk)
        if told.is_below_the_truth or (wanted and not told.told_open):
            found.wrong.append(f"while asleep {told}")
        found.wrong += uncounted(world, desk)


async def _look_after(world: World, found: Nap, began: Decimal) -> None:
    taken = world.controls.orders()
    async with a_desk(world) as desk:
        await desk.resolve()
        rows = [row for row in desk.orders() if row.price == Decimal(59000)]
        mine = [order for order in taken if Decimal(order["price"]) == Decimal(59000)]
        found.state = ", ".join(row.state.value for row in rows) or "no order"
        found.at_exchange = ", ".join(order["status"] for order in mine) or "no order"
        found.wrong += [*differences(world, desk), *position_off(world, desk, began), *uncounted(world, desk)]
        if (told := exposure(world, desk)).is_below_the_truth:
            found.wrong.append(f"afterwards {told}")
        ends = ENDS.get(found.point, ["open"] if found.answer == "done" else [])
        if [row.state.value for row in rows] != ends and not _is_late(found):
            found.wrong.append(f"it ended as {found.state}")
    with read_only(database_path(world.home)) as connection:
        (open_calls,) = connection.execute(
            "SELECT count(*) FILTER (WHERE phase = 'call') - count(*) FILTER (WHERE phase = 'outcome') FROM audit"
        ).fetchone()
    found.wrong += [f"{open_calls} calls have no outcome"] if open_calls else []
    found.wrong += [*sent_twice(world), *without_intent(world), *chain(world)]
    wanted = "unavailable ORDER_NOT_SENT" if _is_late(found) else ANSWERS.get(found.point, "done")
    if found.seconds <= RECEIVE_WINDOW_S:
        wanted = "done"
    if found.point == "with the facts in hand" and found.answer == "done":
        found.wrong += _judged_by_old_facts(world)
    if found.answer not in wanted.split(" or "):
        found.wrong.append(f"answered {found.answer}, not {wanted}")
    if len(mine) != (found.answer == "done" or found.point in CANCELS):
        found.wrong.append(f"{len(mine)} orders at the exchange")
    if len(world.controls.requests("DELETE", ORDER)) > 1:
        found.wrong.append("cancelled twice")
    if found.next_answer != "done":
        found.wrong.append(f"the next order was answered {found.next_answer}")


def _judged_by_old_facts(world: World) -> list[str]:
    """Prices that were slept through are fetched again before anything is sent."""
    sent = next(one.time for one in world.controls.journal if (one.method, one.path) == ("POST", ORDER))
    books = [one.time for one in world.controls.journal if one.path.endswith("bookTicker") and one.time <= sent]
    return [] if sent - max(books) < PRICES_LAST_MS else ["it was judged by prices from before the sleep"]


def _is_late(found: Nap) -> bool:
    return found.point in LATE_POINTS and found.seconds > RECEIVE_WINDOW_S


def run(
    seconds: float, folder: Path, points: Sequence[str] = POINTS, broken_off: threading.Event | None = None
) -> list[Nap]:
    """All these points at once."""
    event = broken_off or threading.Event()
    with ThreadPoolExecutor(len(points)) as pool:
        futures = [pool.submit(nap, point, seconds, folder / str(n), event) for n, point in enumerate(points)]
        try:
            wait(futures)
        finally:
            event.set()
        return [future.result() for future in futures]


def report(naps: Sequence[Nap]) -> str:
    rows = [(n.point, n.seconds, n.answer, n.at_exchange, n.state, n.next_answer, len(n.wrong)) for n in naps]
    heads = (
        "stopped",
        "seconds",
        "answered after waking",
        "at the exchange",
        "guardian's state",
        "next order",
        "wrong",
    )
    return "\n".join([table(heads, rows), *(f"WRONG {n.point}: {line}" for n in naps for line in n.wrong)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="not used: nothing is left to chance here")
    parser.add_argument("--sleeper", nargs=3, metavar=("POINT", "POLICY", "HOME"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sleeper:
        point, policy, home = asked.sleeper
        asyncio.run(sleeper(policy, home, point))
        return
    naps: list[Nap] = []

    def work() -> None:
        progress = Progress(asked.rounds * len(POINTS))
        progress.at(0, f"naps of {asked.seconds:.0f} s, {len(POINTS)} side by side")
        with a_folder() as folder:
            for n in range(asked.rounds):
                naps.extend(run(asked.seconds, folder / str(n)))
                progress.at(len(naps), f"naps; wrong: {sum(len(one.wrong) for one in naps)}")

    def told() -> tuple[str, int]:
        return f"{report(naps)}\n{conditions(rounds=asked.rounds)}", sum(len(n.wrong) for n in naps) + (not naps)

    whole(work, told)


if __name__ == "__main__":
    main()
