"""Cap and halt as facts in one order, under 8 processes: `python -m tests.longrun.races --rounds 20`.

The log is walked row by row: at every reservation the cap held, and behind the halt's row there is no reservation.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from guardian.bootstrap import open_journal
from guardian.cli.halt import halt
from guardian.domain.orders import FINAL_STATES, VOID_STATES
from guardian.store.reading import database_path, read_only
from tests.longrun.crashes import Nursery, a_market, a_nursery
from tests.longrun.desk import OPEN_AT_EXCHANGE, a_folder, chain, sent_twice, without_intent
from tests.longrun.table import conditions, say, table, tally
from tests.longrun.victims import Plan
from tests.world import World

PROCESSES = 8
NEVER = "never"
ENDED = frozenset(state.value for state in FINAL_STATES)
VOID = frozenset(state.value for state in VOID_STATES)
QUANTITY = "0.002"

CAPS: Mapping[str, dict[str, Any]] = {
    "rolling_notional": {"rolling_notional": [{"window": "24h", "max": "3000"}]},
    "max_open_notional": {"max_open_notional": "1500"},
    "max_orders": {"max_orders": [{"window": "24h", "max": 25}]},
    "max_open_orders": {"max_open_orders": 12},
}
KINDS = (*CAPS, "halt")
NOTIONAL_CAP = {"rolling_notional": Decimal(3000), "max_open_notional": Decimal(1500)}
COUNT_CAP = {"max_orders": 25, "max_open_orders": 12}


@dataclass(kw_only=True)
class Race:
    """One race and what was found."""

    kind: str
    orders: int = 0
    most: Decimal = Decimal(0)
    """The highest that what is capped ever was, at a reservation."""
    cap: Decimal = Decimal(0)
    outcomes: Counter[str] = field(default_factory=Counter)
    late: int = 0
    """Reservations behind the halt."""
    wrong: list[str] = field(default_factory=list)


def plans(world: World, dice: random.Random, calls: int, cancels: float) -> list[Plan]:
    one = Plan(
        policy=str(world.policy_path), home=str(world.home), step=NEVER, nth=1, seed=0, calls=calls,
        quantity=QUANTITY, cancels=cancels, workers=2,
    )  # fmt: skip
    return [replace(one, seed=dice.randrange(2**31)) for _ in range(PROCESSES)]


def outcomes(world: World, pids: Sequence[int]) -> Counter[str]:
    told: Counter[str] = Counter()
    for pid in pids:
        told.update(json.loads((world.home / f"told-{pid}.json").read_text("utf-8")))
    return told


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """A step of the walk along the log: what stood right after it."""

    seq: int
    entered: Decimal
    ordered: int
    open_notional: Decimal
    open_orders: int

    def measure(self, kind: str) -> Decimal:
        """What the cap of this kind is about."""
        return {
            "rolling_notional": self.entered,
            "max_open_notional": self.open_notional,
            "max_orders": Decimal(self.ordered),
            "max_open_orders": Decimal(self.open_orders),
        }[kind]


def walk(world: World) -> list[Reservation]:
    """Every reservation in the order of the log, with what was entered and open then, as the log itself tells it.

    An order is open from its intent row on, at its full notional, until a row says that it ended; one that never came
    to be takes what it had entered out again.
    """
    with read_only(database_path(world.home)) as connection:
        rows = connection.execute("SELECT seq, phase, body, client_order_id FROM audit ORDER BY seq").fetchall()
        worth = {
            name: (Decimal(notional), is_exit)
            for name, notional, is_exit in connection.execute("SELECT client_order_id, notional, is_exit FROM orders")
        }
    entered, ordered, open_orders, walked = Decimal(0), 0, dict[str, Decimal](), list[Reservation]()
    for seq, phase, body, name in rows:
        if name is not None:
            notional, is_exit = worth[name]
            assert not is_exit
            entered, ordered = entered + notional, ordered + 1
            open_orders[name] = notional
            walked.append(
                Reservation(
                    seq=seq, entered=entered, ordered=ordered, open_notional=sum(open_orders.values(), Decimal(0)),
                    open_orders=len(open_orders),
                )
            )  # fmt: skip
        elif phase in {"outcome", "event"}:
            ended, state = _ended(json.loads(body))
            if ended in open_orders:
                released = open_orders.pop(ended)
                entered -= released if state in VOID else Decimal(0)
    return walked


def _ended(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The order that a row tells the end of, if it does, and that end."""
    told = body.get("data", body)
    name, state = told.get("client_order_id"), told.get("is", told.get("state"))
    return (name, state) if state in ENDED else (None, None)


def cap_race(kind: str, world: World, nursery: Nursery, dice: random.Random, calls: int) -> Race:
    """Eight processes against one cap."""
    cancels = 0.4 if kind in {"max_open_notional", "max_open_orders"} else 0.0
    pids = nursery.begin(plans(world, dice, calls, cancels))
    race = Race(kind=kind)
    race.wrong += [f"a process ended with {status}" for status in nursery.end() if status != 0]
    race.outcomes = outcomes(world, pids)
    walked = walk(world)
    race.orders, race.cap = len(walked), NOTIONAL_CAP.get(kind) or Decimal(COUNT_CAP[kind])
    race.most = max((step.measure(kind) for step in walked), default=Decimal(0))
    if race.most > race.cap:
        race.wrong.append(f"{kind} was {race.most}, over {race.cap}")
    one = Decimal(250) if kind in NOTIONAL_CAP else Decimal(1)
    if race.most <= race.cap - one:
        race.wrong.append(f"{kind} was never more than {race.most} of {race.cap}: the race says nothing")
    race.wrong += _truth_over(kind, race.cap, world)
    return race


def _truth_over(kind: str, cap: Decimal, world: World) -> list[str]:
    """The same, by what the exchange has."""
    taken = world.controls.orders()
    left = [order for order in taken if order["status"] in OPEN_AT_EXCHANGE]
    found = {
        "rolling_notional": sum((Decimal(o["price"]) * Decimal(o["origQty"]) for o in taken), Decimal(0)),
        "max_open_notional": sum((Decimal(o["price"]) * Decimal(o["origQty"]) for o in left), Decimal(0)),
        "max_orders": Decimal(len(taken)),
        "max_open_orders": Decimal(len(left)),
    }[kind]
    return [f"{kind} at the exchange is {found}, over {cap}"] if found > cap else []


def halt_race(world: World, nursery: Nursery, dice: random.Random, calls: int) -> Race:
    """Eight processes, and the owner halts in the middle."""
    pids = nursery.begin(plans(world, dice, calls, 0.2))
    end = time.monotonic() + 10
    while len(world.sent()) < 10 and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(dice.uniform(0, 0.3))
    journal = open_journal(world.home)
    try:
        halt(journal, "a race")
    finally:
        journal.close()
    race = Race(kind="halt")
    race.wrong += [f"a process ended with {status}" for status in nursery.end() if status != 0]
    race.outcomes = outcomes(world, pids)
    with read_only(database_path(world.home)) as connection:
        events = connection.execute("SELECT seq, body FROM audit WHERE phase = 'event' ORDER BY seq").fetchall()
        halts = [seq for seq, body in events if b'"halted"' in bytes(body)]
        reserved = [seq for (seq,) in connection.execute("SELECT intent_seq FROM orders")]
    race.orders, race.late = len(reserved), sum(seq > min(halts, default=0) for seq in reserved)
    if len(halts) != 1 or race.late:
        race.wrong.append(f"{race.late} reservations behind {len(halts)} halts")
    if not any("TRADING_HALTED" in told for told in race.outcomes):
        race.wrong.append("nobody met the halt: the race says nothing")
    return race


def run(rounds: int, seed: int, folder: Path, calls: int = 30, kinds: Sequence[str] = KINDS) -> list[Race]:
    """Every cap and a halt, so many times; `calls` for each process."""
    dice, races = random.Random(seed), list[Race]()
    folder.mkdir(parents=True, exist_ok=True)
    errors = folder / "errors.log"
    with a_nursery(errors) as nursery:
        for number in range(rounds):
            for kind in kinds:
                limits = {"limits": CAPS[kind]} if kind in CAPS else {}
                with a_market(folder / f"{kind}-{number}", limits) as world:
                    if kind in CAPS:
                        race = cap_race(kind, world, nursery, dice, calls)
                    else:
                        race = halt_race(world, nursery, dice, calls)
                    race.wrong += [*chain(world), *(f"no intent: {name}" for name in without_intent(world))]
                    race.wrong += [f"twice: {name}" for name in sent_twice(world)]
                    races.append(race)
    if text := errors.read_text("utf-8"):
        races[-1].wrong.append(text[-2000:])
    return races


def report(races: Sequence[Race]) -> str:
    rows = []
    for kind in dict.fromkeys(race.kind for race in races):
        own = [race for race in races if race.kind == kind]
        calls = sum((race.outcomes for race in own), Counter[str]())
        most = max(race.most for race in own)
        rows.append(
            (
                kind, len(own), calls.total(), sum(race.orders for race in own),
                "-" if kind == "halt" else f"{most} of {own[0].cap}", sum(race.late for race in own),
                tally(calls.elements()), sum(len(race.wrong) for race in own),
            )
        )  # fmt: skip
    heads = (
        "fact",
        "races",
        "calls",
        "orders",
        "highest at a reservation",
        "reserved after the halt",
        "answers",
        "wrong",
    )
    return "\n".join([table(heads, rows), *(f"WRONG {race.kind}: {line}" for race in races for line in race.wrong)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.monotonic()
    with a_folder() as folder:
        races = run(asked.rounds, asked.seed, folder)
    say(report(races))
    say(conditions(processes=PROCESSES, seed=asked.seed, seconds=round(time.monotonic() - started)))


if __name__ == "__main__":
    main()
