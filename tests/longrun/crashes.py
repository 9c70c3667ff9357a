"""Processes that trade and are killed, at every step and at any time: `python -m tests.longrun.crashes --rounds 300`.

After each round all is held against the exchange: before anything was asked (what is counted is never less than what is
there), and after everything was found out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from guardian.domain.order_states import UNRESOLVED_STATES
from guardian.domain.trading import TradingState
from guardian.paper.host.standalone import PaperServer
from guardian.paper.rest.rate_limits import WIDE as NO_LIMITS
from tests.longrun.desk import (
    BIG,
    OPEN_AT_EXCHANGE,
    Desk,
    a_desk,
    a_folder,
    cancelled_too_often,
    chain,
    differences,
    exposure,
    held,
    position_off,
    quiet,
    sent_twice,
    uncounted,
    without_intent,
)
from tests.longrun.table import Progress, conditions, table, whole
from tests.longrun.victims import STEPS, Plan, note_of
from tests.longrun.witness import restless_market, witnessed
from tests.support import prefork
from tests.support.world import WIDE, World

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 0.7
"""For each process of a round: whose step has not come by then is killed from outside."""
ROUND_S = 300
"""For a whole round, on a machine that does other things too, or that is stopped for a minute meanwhile."""
PROCESSES_A_HOME = 12
"""After so many a new home: guardian keeps to the exchange's usual limits, and a home's minute is soon spent."""
USUAL = 6
LATEST = {
    **{step: 3 for step in STEPS if any(word in step for word in ("cancel", "resolving", "found"))},
    **{step: 1 for step in STEPS if any(word in step for word in ("reconciling", "fees"))},
    "in any transaction": 24,
    "after any commit": 24,
}
"""At which time of passing a step it ends there at the latest: what comes seldom has to come early."""
KILLED = -signal.SIGKILL if os.name == "posix" else None


class Nursery:
    """The process that forks the others."""

    def __init__(self, errors: Path) -> None:
        self._errors = errors.open("a", encoding="utf-8")
        self.process = prefork.popen(
            [sys.executable, "-m", "tests.longrun.victims"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # Ctrl-C is ours: it ends those below when it is time
        )
        self.pids: list[int] = []

    def begin(self, plans: Sequence[Plan]) -> list[int]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([plan.line() for plan in plans]) + "\n")
        self.process.stdin.flush()
        self.pids = self._line()
        return self.pids

    def end(self) -> list[int]:
        statuses: list[int] = self._line()
        self.pids = []
        return statuses

    def _line(self) -> Any:
        assert self.process.stdout is not None
        watch = threading.Timer(ROUND_S, self.process.kill)
        watch.start()
        try:
            line = self.process.stdout.readline()
        finally:
            watch.cancel()
        assert line, f"the nursery ended with {self.process.wait()}; it is killed after {ROUND_S} s without an answer"
        return json.loads(line)

    def close(self) -> None:
        """End it, and whatever it has left running."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
        self._errors.close()


@contextmanager
def a_nursery(errors: Path) -> Iterator[Nursery]:
    made = Nursery(errors)
    try:
        yield made
    finally:
        made.close()


@dataclass(kw_only=True)
class Tally:
    """What came of the rounds with N processes."""

    processes: int
    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    """By step; `at a random time` for those that were killed from outside."""
    orders: int = 0
    received: int = 0
    cancels: int = 0
    unresolved: int = 0
    """Orders that nothing was known of when the processes were dead."""
    states: Counter[str] = field(default_factory=Counter)
    """What these turned out to be."""
    orphans: int = 0
    twice: int = 0
    below: int = 0
    not_resolved: int = 0
    looks: int = 0
    """How often the store was held against the exchange while the processes lived."""
    wrong: list[str] = field(default_factory=list)


@contextmanager
def a_market(folder: Path, *changes: Any) -> Iterator[World]:
    """A world with a deep pocket and no rate limits."""
    folder.mkdir(parents=True, exist_ok=True)
    with PaperServer(limits=NO_LIMITS) as paper:
        world = World(paper, folder)
        world.controls.set_balance("USDT", "100000000")
        world.policy(WIDE, BIG, *changes)
        world.home.mkdir(mode=0o700)
        yield world


def plans_of(world: World, processes: int, dice: random.Random, steps: list[str]) -> list[Plan]:
    """Every step has its turn; which time it is passed, and what is traded, is up to the dice."""
    made = []
    for _ in range(processes):
        if not steps:
            steps += dice.sample(STEPS, len(STEPS))
        step = steps.pop()
        nth, seed = dice.randint(1, LATEST.get(step, USUAL)), dice.randrange(2**31)
        policy, home = str(world.policy_path), str(world.home)
        made.append(Plan(policy=policy, home=home, step=step, nth=nth, seed=seed, calls=400))
    return made


def kill_in_time(pids: Sequence[int], plans: Sequence[Plan], dice: random.Random) -> list[threading.Timer]:
    """Kill from outside those that do not do it themselves, and any whose step does not come."""

    def kill(pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    timers = []
    for pid, plan in zip(pids, plans, strict=True):
        by_us = plan.step == "at a random time"
        timers.append(threading.Timer(dice.uniform(0.02, 0.5) if by_us else PATIENCE_S * len(pids), kill, (pid,)))
        timers[-1].start()
    return timers


def one_round(
    world: World, nursery: Nursery, plans: list[Plan], dice: random.Random, tally: Tally, began: Decimal
) -> None:
    with witnessed(world) as witness, restless_market(world, dice.randrange(2**31)):
        pids = nursery.begin(plans)
        timers = kill_in_time(pids, plans, dice)
        try:
            statuses = nursery.end()
        finally:
            for timer in timers:
                timer.cancel()
        quiet(world, 0.1)
    tally.looks += witness.looks
    tally.below += sum("arrived" not in line for line in witness.wrong)
    tally.orphans += sum("arrived" in line for line in witness.wrong)
    tally.wrong += witness.wrong
    for plan, pid, status in zip(plans, pids, statuses, strict=True):
        if status != KILLED:
            tally.wrong.append(f"a process ended by itself with {status} at {plan.step}")
            continue
        tally.kills[plan.step if note_of(plan, pid).exists() else "at a random time"] += 1
    tally.rounds += 1
    asyncio.run(look_into(world, tally, began))


async def look_into(world: World, tally: Tally, began: Decimal) -> None:
    """Hold the store against the exchange: at the start after the crash, and when everything was queried."""
    async with a_desk(world) as desk:
        lost = [row.client_order_id for row in desk.orders() if row.state in UNRESOLVED_STATES]
        tally.unresolved += len(lost)
        counted_too_little(world, desk, tally, "before anything was asked")
        check_always(world, desk, tally)
        await desk.resolve()
        orders = {row.client_order_id: row for row in desk.orders()}
        still = [name for name, row in orders.items() if row.state in UNRESOLVED_STATES]
        tally.not_resolved += len(still)
        tally.states.update(orders[name].state.value for name in lost)
        tally.wrong += [f"not resolved: {name}" for name in still]
        tally.wrong += [*differences(world, desk), *position_off(world, desk, began)]
        counted_too_little(world, desk, tally, "after resolution")
        await clear(world, desk)
        check_always(world, desk, tally)


def counted_too_little(world: World, desk: Desk, tally: Tally, when: str) -> None:
    """Each order by itself, and their sums as the rules see them."""
    found = uncounted(world, desk)
    if (sums := exposure(world, desk)).is_below_the_truth:
        found.append(str(sums))
    tally.below += bool(found)
    tally.wrong += [f"counted too little {when}: {line}" for line in found]


def check_always(world: World, desk: Desk, tally: Tally) -> None:
    """What holds at any time."""
    orphans, twice, broken = without_intent(world), sent_twice(world), chain(world)
    tally.orphans += len(orphans)
    tally.twice += len(twice)
    tally.wrong += [f"no intent: {name}" for name in orphans] + [f"twice: {name}" for name in twice] + broken
    tally.wrong += cancelled_too_often(world)
    with desk.guardian.journal.transaction() as tx:
        state, reason = desk.guardian.journal.trading(tx)
    if state is not TradingState.ACTIVE:
        tally.wrong.append(f"trading is {state}: {reason}")


async def clear(world: World, desk: Desk) -> None:
    """Room for the next round: the exchange takes only N open orders."""
    taken = [order for order in world.controls.orders() if order["status"] in OPEN_AT_EXCHANGE]
    for order in taken if len(taken) > 60 else ():
        await desk.cancel(order["clientOrderId"])


def run(
    rounds: int, processes: int, seed: int, folder: Path, tally: Tally | None = None, progress: Progress | None = None
) -> Tally:
    """Rounds with N processes; a new home after every few."""
    dice, steps = random.Random(seed), list[str]()
    tally = tally or Tally(processes=processes)
    folder.mkdir(parents=True, exist_ok=True)
    errors = folder / "errors.log"
    with a_nursery(errors) as nursery:
        each = max(1, PROCESSES_A_HOME // processes)
        for first in range(0, rounds, each):
            with a_market(folder / f"home-{first}") as world:
                began = held(world)
                for number in range(first, min(first + each, rounds)):
                    one_round(world, nursery, plans_of(world, processes, dice, steps), dice, tally, began)
                    if progress is not None:
                        progress.at(number + 1, f"rounds with {processes} processes; wrong: {len(tally.wrong)}")
                tally.orders += len(world.controls.orders())
                tally.received += len(world.sent())
                tally.cancels += len(world.controls.requests("DELETE", "/api/v3/order"))
                tally.wrong += [f"the exchange failed: {error!r}" for error in world.paper.troubles]
    if text := errors.read_text("utf-8"):
        tally.wrong.append(text[-2000:])
    return tally


def report(tallies: Sequence[Tally]) -> str:
    heads = (
        "processes", "rounds", "kills", "orders sent", "cancels sent", "unknown after the crash", "turned out",
        "looks in between", "without an intent", "sent twice", "counted too little", "not resolved", "wrong in all",
    )  # fmt: skip
    rows = [
        (
            t.processes, t.rounds, t.kills.total(), t.received, t.cancels, t.unresolved,
            ", ".join(f"{state} {count}" for state, count in sorted(t.states.items())) or "-",
            t.looks, t.orphans, t.twice, t.below, t.not_resolved, len(t.wrong),
        )
        for t in tallies
    ]  # fmt: skip
    steps = [(step, *(t.kills[step] for t in tallies)) for step in STEPS]
    by_step = table(("killed", *(f"{t.processes} processes" for t in tallies)), steps)
    wrong = [f"WRONG with {t.processes} processes: {line}" for t in tallies for line in t.wrong]
    return "\n".join([table(heads, rows), "", by_step, *wrong])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="kills, shared by 1, 2 and 4 processes")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.monotonic()
    tallies: list[Tally] = []

    def work() -> None:
        with a_folder() as folder:
            for processes in (1, 2, 4):
                rounds = -(-asked.rounds // 3 // processes)
                tallies.append(Tally(processes=processes))
                run(rounds, processes, asked.seed + processes, folder / str(processes), tallies[-1], Progress(rounds))

    def told() -> tuple[str, int]:
        kills = sum((t.kills for t in tallies), Counter[str]())
        never = [step for step in STEPS if not kills[step]] if kills.total() >= 10 * len(STEPS) else []
        lines = [report(tallies), *(f"WRONG nobody was killed {step}: this run says nothing of it" for step in never)]
        lines.append(conditions(kills=kills.total(), seed=asked.seed, seconds=round(time.monotonic() - started)))
        return "\n".join(lines), sum(len(t.wrong) for t in tallies) + len(never)

    whole(work, told)


if __name__ == "__main__":
    main()
