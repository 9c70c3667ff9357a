"""A laptop that is suspended in mid-order: `python -m tests.longrun.suspended --rounds 1 --seconds 60`.

The process is stopped (SIGSTOP) at each of three points and continued later; all points are tried side by side, each in
a world of its own.
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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guardian.bootstrap import open_guardian
from guardian.exchange.exchange import Exchange
from guardian.paper.faults import ORDER, FaultKind
from guardian.store.reading import database_path, read_only
from tests.longrun.crashes import a_market
from tests.longrun.desk import a_desk, a_folder, chain, differences, exposure, limit, sent_twice, without_intent
from tests.longrun.table import conditions, say, table
from tests.world import World

ROOT = Path(__file__).parent.parent.parent
POINTS = ("between intent and send", "during the send", "between send and outcome")
RECEIVE_WINDOW_S = 5


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


def trap(point: str) -> None:
    """Stop this process at the point, once. That it is `during the send` is seen from outside, at the exchange."""
    asleep: list[str] = []

    def sleep_once(there: str) -> None:
        if there == point and not asleep:
            asleep.append(there)
            stop()

    real = Exchange.place_order

    async def place_order(self: Exchange, *arguments: Any, **fields: Any) -> Any:
        sleep_once("between intent and send")
        report = await real(self, *arguments, **fields)
        sleep_once("between send and outcome")
        return report

    Exchange.place_order = place_order  # type: ignore[method-assign]


async def sleeper(policy: str, home: str, point: str) -> None:
    """The process: one order that is slept through, and one more."""
    from tests.longrun.desk import Desk, Waiting

    trap(point)
    guardian = open_guardian(Path(policy), home=Path(home))
    try:
        desk = Desk(guardian, Waiting())
        desk.gate = guardian.gate  # with the real clocks and pauses
        replies = [await desk.create(limit("59000")), await desk.create(limit("58900"))]
    finally:
        await guardian.close()
    answers = [f"{r.outcome} {'' if r.error is None else r.error.code.name}".strip() for r in replies]
    sys.stdout.write(json.dumps(answers) + "\n")


def nap(point: str, seconds: float, folder: Path) -> Nap:
    """One order, slept through at this point."""
    found = Nap(point=point, seconds=seconds)
    with a_market(folder) as world:
        if point == "during the send":
            world.controls.fault("POST", ORDER, FaultKind.DELAY, seconds=1.5)
        process = subprocess.Popen(
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
        )
        watch = threading.Timer(seconds + 60, process.kill)
        watch.start()
        try:
            _put_to_sleep(point, process, world, found)
            asyncio.run(_look_while_asleep(world, point, found))
            time.sleep(seconds)
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
        asyncio.run(_look_after(world, found))
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
    """Another process sees the order and counts it."""
    await asyncio.sleep(1.6 if point == "during the send" else 0)
    async with a_desk(world) as desk:
        states = [row.state.value for row in desk.orders()]
        if states != ["reserved"]:
            found.wrong.append(f"while asleep it was {states}")
        if (told := exposure(world, desk)).is_below_the_truth or not told.told_open:
            found.wrong.append(f"while asleep {told}")


async def _look_after(world: World, found: Nap) -> None:
    taken = world.controls.orders()
    async with a_desk(world) as desk:
        await desk.resolve()
        rows = desk.orders()
        first = rows[0]
        mine = [order for order in taken if order["clientOrderId"] == first.client_order_id]
        found.state, found.at_exchange = first.state.value, ", ".join(o["status"] for o in mine) or "no order"
        found.wrong += differences(world, desk)
        if (told := exposure(world, desk)).is_below_the_truth:
            found.wrong.append(f"afterwards {told}")
        if len(rows) != 2:
            found.wrong.append(f"{len(rows)} orders are in the store")
    with read_only(database_path(world.home)) as connection:
        (open_calls,) = connection.execute(
            "SELECT count(*) FILTER (WHERE phase = 'call') - count(*) FILTER (WHERE phase = 'outcome') FROM audit"
        ).fetchone()
    found.wrong += [f"{open_calls} calls have no outcome"] if open_calls else []
    found.wrong += [*sent_twice(world), *without_intent(world), *chain(world)]
    late = found.point == "between intent and send" and found.seconds > RECEIVE_WINDOW_S
    wanted = "unavailable ORDER_NOT_SENT" if late else "done"
    if found.answer != wanted:
        found.wrong.append(f"answered {found.answer}, not {wanted}")
    if bool(mine) is late:
        found.wrong.append(f"{len(mine)} orders at the exchange")
    if found.next_answer != "done":
        found.wrong.append(f"the next order was answered {found.next_answer}")


def run(seconds: float, folder: Path, points: Sequence[str] = POINTS) -> list[Nap]:
    """All these points at once."""
    with ThreadPoolExecutor(len(points)) as pool:
        return list(pool.map(lambda point: nap(point, seconds, folder / point.replace(" ", "-")), points))


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
    with a_folder() as folder:
        naps = [one for n in range(asked.rounds) for one in run(asked.seconds, folder / str(n))]
    say(report(naps))
    say(conditions(rounds=asked.rounds))


if __name__ == "__main__":
    main()
