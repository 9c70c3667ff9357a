"""Cap and halt as facts in one order, under 8 processes: `python -m tests.longrun.races --rounds 20`.

The log is walked row by row: at every reservation the cap held, and behind the halt's row there is no reservation.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from guardian.cli.trading.halting import halt
from guardian.domain.order_states import FINAL_STATES, VOID_STATES
from guardian.domain.trading import TradingState
from guardian.gate.base.replies import OrderProposed
from guardian.home.log import open_journal
from guardian.store.log.read_only import database_path, read_only
from tests.longrun.crashes import Nursery, a_market, a_nursery
from tests.longrun.desk import a_desk, a_folder, cancelled_too_often, chain, limit, sent_twice, without_intent
from tests.longrun.table import Progress, conditions, table, tally, whole
from tests.longrun.victims import Plan
from tests.longrun.witness import restless_market, witnessed
from tests.support.world import World

PROCESSES = 8
NEVER = "never"
ENDED = frozenset(state.value for state in FINAL_STATES)
VOID = frozenset(state.value for state in VOID_STATES)
QUANTITY = "0.002"

CAPS: Mapping[str, dict[str, Any]] = {
    "rolling_notional": {"limits": {"rolling_notional": [{"window": "24h", "max": "3000"}]}},
    "rolling_notional over 1 s": {
        "limits": {"rolling_notional": [{"window": "1s", "max": "1500"}, {"window": "24h", "max": "1000000"}]}
    },
    "max_open_notional": {"limits": {"max_open_notional": "1500"}},
    "max_orders": {"limits": {"max_orders": [{"window": "24h", "max": 25}]}},
    "max_open_orders": {"limits": {"max_open_orders": 12}},
    "max_position": {"symbols": {"BTCUSDT": {"max_position": "0.05"}}},
    "halt_after_orders": {"limits": {"halt_after_orders": 20}},
    "duplicate_window": {},
    "one token": {
        "confirmation": {"required_above": "0", "channel": "chat"},
        "limits": {"duplicate_window": "1ms"},  # so that nothing else keeps a second order off
    },
}
"""What is capped, and by what policy."""
KINDS = (*CAPS, "halt")
MOST = {
    "rolling_notional": Decimal(3000), "rolling_notional over 1 s": Decimal(1500), "max_open_notional": Decimal(1500),
    "max_orders": Decimal(25), "max_open_orders": Decimal(12), "max_position": Decimal("0.05"),
    "halt_after_orders": Decimal(20), "duplicate_window": Decimal(1), "one token": Decimal(1),
}  # fmt: skip
SHORT_MS = 1000


def room_left(kind: str) -> Decimal:
    """So much less than the cap is so little that the race says nothing."""
    if kind == "max_position":
        return Decimal("0.0035")
    return Decimal(250) if "notional" in kind else Decimal(1)


@dataclass(kw_only=True)
class Race:
    """One race and what was found."""

    kind: str
    orders: int = 0
    most: Decimal = Decimal(0)
    """The highest that what is capped ever was, at a reservation."""
    cap: Decimal = Decimal(0)
    outcomes: Counter[str] = field(default_factory=Counter)
    at_exchange: Decimal = Decimal(0)
    """The highest that it ever was there, as far as somebody who looked on saw."""
    looks: int = 0
    late: int = 0
    """Reservations behind the halt."""
    wrong: list[str] = field(default_factory=list)


def plans(world: World, dice: random.Random, calls: int, kind: str) -> list[Plan]:
    cancels = {"max_open_notional": 0.4, "max_open_orders": 0.4, "halt": 0.2}.get(kind, 0.0)
    token = asyncio.run(a_token(world)) if kind == "one token" else None
    one = Plan(
        policy=str(world.policy_path), home=str(world.home), step=NEVER, nth=1, seed=0, calls=calls,
        quantity=QUANTITY, cancels=cancels, workers=2, same_order=kind == "duplicate_window", token=token, looks_s=0.5,
    )  # fmt: skip
    return [replace(one, seed=dice.randrange(2**31)) for _ in range(PROCESSES)]


async def a_token(world: World) -> str:
    """A confirmation token for one order."""
    async with a_desk(world) as desk:
        reply = await desk.create(limit("59000", QUANTITY))
    assert isinstance(reply.data, OrderProposed), reply
    assert reply.data.confirmation_token is not None
    return reply.data.confirmation_token


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
    entered_lately: Decimal
    ordered: int
    open_notional: Decimal
    open_orders: int

    def measure(self, kind: str) -> Decimal:
        """What the cap of this kind is about; nothing where the log alone does not tell."""
        return {
            "rolling_notional": self.entered,
            "rolling_notional over 1 s": self.entered_lately,
            "max_open_notional": self.open_notional,
            "max_open_orders": Decimal(self.open_orders),
            "max_position": Decimal(0),
        }.get(kind, Decimal(self.ordered))


def walk(world: World) -> list[Reservation]:
    """Every reservation in the order of the log, with what was entered and open then, as the log itself has it.

    An order is open from its intent row on, at its full notional, until a row says that it ended; one that never came
    to be takes what it had entered out again.
    """
    with read_only(database_path(world.home)) as connection:
        rows = connection.execute("SELECT seq, phase, body, client_order_id FROM audit ORDER BY seq").fetchall()
        orders = connection.execute("SELECT client_order_id, notional, is_exit, reserved_ms FROM orders").fetchall()
    worth = {name: (Decimal(notional), is_exit, at_ms) for name, notional, is_exit, at_ms in orders}
    entered, open_orders, walked = dict[str, Decimal](), dict[str, Decimal](), list[Reservation]()
    for seq, phase, body, name in rows:
        if name is not None:
            notional, is_exit, now_ms = worth[name]
            assert not is_exit
            entered[name] = open_orders[name] = notional
            lately = [value for one, value in entered.items() if worth[one][2] > now_ms - SHORT_MS]
            walked.append(
                Reservation(
                    seq=seq, entered=sum(entered.values(), Decimal(0)), entered_lately=sum(lately, Decimal(0)),
                    ordered=len(walked) + 1, open_notional=sum(open_orders.values(), Decimal(0)),
                    open_orders=len(open_orders),
                )
            )  # fmt: skip
        elif phase in {"outcome", "event"}:
            ended, state = _ended(json.loads(body))
            if ended in open_orders:
                del open_orders[ended]
                if state in VOID:
                    del entered[ended]
    return walked


def _ended(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The order whose end a row reports, if it does, and that end."""
    told = body.get("data", body)
    name, state = told.get("client_order_id"), told.get("is", told.get("state"))
    return (name, state) if state in ENDED else (None, None)


def cap_race(kind: str, world: World, nursery: Nursery, dice: random.Random, calls: int) -> Race:
    """Eight processes against one cap."""
    planned = plans(world, dice, calls, kind)
    with witnessed(world) as witness:
        pids = nursery.begin(planned)
        statuses = nursery.end()
    race = Race(kind=kind, looks=witness.looks, cap=MOST[kind], wrong=witness.wrong)
    race.wrong += [f"a process ended with {status}" for status in statuses if status != 0]
    race.outcomes = outcomes(world, pids)
    walked = walk(world)
    race.orders = len(walked)
    race.at_exchange = {
        "max_open_notional": witness.most_open,
        "max_open_orders": Decimal(witness.most_orders),
        "max_position": witness.most_held,
        "rolling_notional": _worth(world),
        "rolling_notional over 1 s": Decimal(0),
    }.get(kind, Decimal(len(world.controls.orders())))
    race.most = max((step.measure(kind) for step in walked), default=Decimal(0))
    if max(race.most, race.at_exchange) > race.cap:
        race.wrong.append(f"{kind} was {race.most} by the log and {race.at_exchange} at the exchange, over {race.cap}")
    if max(race.most, race.at_exchange) <= race.cap - room_left(kind):
        race.wrong.append(f"{kind} was never more than {race.most} of {race.cap}: the race says nothing")
    if kind == "halt_after_orders":
        race.late = _behind_the_halt(world, race, TradingState.REDUCING)
    return race


def _worth(world: World) -> Decimal:
    taken = [order for order in world.controls.orders() if order["status"] != "REJECTED"]
    return sum((Decimal(order["price"]) * Decimal(order["origQty"]) for order in taken), Decimal(0))


def _behind_the_halt(world: World, race: Race, state: TradingState) -> int:
    """How many reservations are behind the one row that says that trading is halted, or reducing."""
    with read_only(database_path(world.home)) as connection:
        events = connection.execute("SELECT seq, body FROM audit WHERE phase = 'event' ORDER BY seq").fetchall()
        halts = [seq for seq, body in events if f'"{state}"'.encode() in bytes(body)]
        reserved = [seq for (seq,) in connection.execute("SELECT intent_seq FROM orders")]
    late: int = sum(seq > min(halts, default=0) for seq in reserved)
    if len(halts) != 1 or late:
        race.wrong.append(f"{late} reservations behind {len(halts)} halts")
    if not any(f"TRADING_{state.name}" in told for told in race.outcomes):
        race.wrong.append("nobody met the halt: the race says nothing")
    return late


def halt_race(world: World, nursery: Nursery, dice: random.Random, calls: int) -> Race:
    """Eight processes in a market that moves, and the owner halts in the middle."""
    planned = plans(world, dice, calls, "halt")
    with witnessed(world) as witness, restless_market(world, dice.randrange(2**31)):
        pids = nursery.begin(planned)
        end = time.monotonic() + 10
        while len(world.sent()) < 10 and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(dice.uniform(0, 0.3))
        journal = open_journal(world.home)
        try:
            halt(journal, "a race")
        finally:
            journal.close()
        statuses = nursery.end()
    race = Race(kind="halt", looks=witness.looks, wrong=witness.wrong)
    race.wrong += [f"a process ended with {status}" for status in statuses if status != 0]
    race.outcomes = outcomes(world, pids)
    race.orders = len(walk(world))
    race.late = _behind_the_halt(world, race, TradingState.HALTED)
    return race


def run(
    rounds: int,
    seed: int,
    folder: Path,
    calls: int = 30,
    kinds: Sequence[str] = KINDS,
    races: list[Race] | None = None,
    progress: Progress | None = None,
) -> list[Race]:
    """Every cap and a halt, N times; `calls` for each process."""
    dice = random.Random(seed)
    races = [] if races is None else races
    folder.mkdir(parents=True, exist_ok=True)
    errors = folder / "errors.log"
    with a_nursery(errors) as nursery:
        for number in range(rounds):
            for kind in kinds:
                with a_market(folder / f"{kind}-{number}", CAPS.get(kind, {})) as world:
                    if kind in CAPS:
                        race = cap_race(kind, world, nursery, dice, calls)
                    else:
                        race = halt_race(world, nursery, dice, calls)
                    race.wrong += [*chain(world), *(f"no intent: {name}" for name in without_intent(world))]
                    race.wrong += [f"twice: {name}" for name in sent_twice(world)] + cancelled_too_often(world)
                    races.append(race)
                if progress is not None:
                    progress.at(len(races), f"races; wrong: {sum(len(race.wrong) for race in races)}")
    if races and (text := errors.read_text("utf-8")):
        races[-1].wrong.append(text[-2000:])
    return races


def report(races: Sequence[Race]) -> str:
    rows = []
    for kind in dict.fromkeys(race.kind for race in races):
        own = [race for race in races if race.kind == kind]
        calls = sum((race.outcomes for race in own), Counter[str]())
        most, there = max(race.most for race in own), max(race.at_exchange for race in own)
        rows.append(
            (
                kind, len(own), calls.total(), sum(race.orders for race in own), own[0].cap or "-",
                most or "-", there or "-", sum(race.looks for race in own), sum(race.late for race in own),
                tally(calls.elements()), sum(len(race.wrong) for race in own),
            )
        )  # fmt: skip
    heads = (
        "fact", "races", "calls", "orders", "cap", "highest at a reservation", "highest at the exchange",
        "looks in between", "reserved after the halt", "answers", "wrong",
    )  # fmt: skip
    return "\n".join([table(heads, rows), *(f"WRONG {race.kind}: {line}" for race in races for line in race.wrong)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.monotonic()
    races: list[Race] = []

    def work() -> None:
        with a_folder() as folder:
            run(asked.rounds, asked.seed, folder, races=races, progress=Progress(asked.rounds * len(KINDS)))

    def told() -> tuple[str, int]:
        last = conditions(processes=PROCESSES, seed=asked.seed, seconds=round(time.monotonic() - started))
        return f"{report(races)}\n{last}", sum(len(race.wrong) for race in races) + (not races)

    whole(work, told)


if __name__ == "__main__":
    main()
