"""Mixed calls of many clients over two processes against real limits: `python -m tests.longrun.storm --rounds 10000`.

What is looked for: no ban, no call without its outcome row, no order lost or doubled, memory that does not grow.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from guardian.errors import StoreError
from guardian.paper.host.standalone import PaperServer, RateLimitSettings
from guardian.paper.rest.rate_limits import TooMuch
from guardian.store.log.read_only import database_path, read_only
from tests.longrun.desk import (
    BIG,
    a_desk,
    a_folder,
    cancelled_too_often,
    chain,
    differences,
    sent_twice,
    without_intent,
)
from tests.longrun.table import Progress, conditions, table, tally, whole
from tests.support import prefork
from tests.support.world import WIDE, World

ROOT = Path(__file__).parent.parent.parent
PROCESSES = 2
MOST_GROWTH_MB = 60.0
"""What a process may hold more at its end than in its middle: far less than calls that are kept would take."""
MOST_MB = 300.0
READY = {"limits": {"max_calls_per_minute": 1_000_000}}


@dataclass(kw_only=True)
class Weather:
    """What a storm came to."""

    calls: list[tuple[str, str, float]]
    memory: list[list[float]]
    seconds: float
    refused: Counter[int]
    """Requests that the exchange answered with 429 or 418."""
    requests: int
    orders: int
    without_outcome: int
    wrong: list[str] = field(default_factory=list)

    @property
    def growth_mb(self) -> float:
        """How much more a process held at its end than in the middle, at most."""
        return max((own[-1] - own[len(own) // 2] for own in self.memory if own), default=0.0)


@contextmanager
def counted() -> Iterator[Counter[int]]:
    """Counts every 429 and 418 of paper exchanges in this process."""
    told: Counter[int] = Counter()
    real = TooMuch.__init__

    def made(self: TooMuch, code: int, text: str, *, http_status: int, retry_after_ms: int) -> None:
        told[http_status] += 1
        real(self, code, text, http_status=http_status, retry_after_ms=retry_after_ms)

    with patch.object(TooMuch, "__init__", made):
        yield told


def run(calls: int, clients: int, seed: int, folder: Path, limits: RateLimitSettings | None = None) -> Weather:
    """`calls` calls, shared by all clients; `limits` are Binance's own unless they are given."""
    with counted() as refused, PaperServer(limits=limits) as paper:
        world = World(paper, folder)
        world.controls.set_balance("USDT", "100000000")
        world.policy(WIDE, BIG, READY)
        world.home.mkdir(mode=0o700, parents=True)
        began = time.monotonic()
        told, wrong = _storm(world, calls, clients, seed)
        seconds = time.monotonic() - began
        weather = Weather(
            calls=[(tool, answer, took) for one in told for tool, answer, took in one["calls"]],
            memory=[one["memory"] for one in told], seconds=seconds, refused=Counter(refused),
            requests=len(world.controls.journal), orders=len(world.sent()),
            without_outcome=0, wrong=wrong,
        )  # fmt: skip
        weather.wrong += [f"the exchange failed: {error!r}" for error in paper.troubles]
        _look(world, weather, calls)
        asyncio.run(_orders(world, weather))
        return weather


def _storm(world: World, calls: int, clients: int, seed: int) -> tuple[list[dict[str, Any]], list[str]]:
    command = [sys.executable, "-m", "tests.longrun.storm_clients", str(world.policy_path), str(world.home)]
    processes = [
        prefork.popen(
            [*command, str(clients // PROCESSES), str(calls // PROCESSES), str(seed + number)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is ours: it ends them when it is time
        )
        for number in range(PROCESSES)
    ]
    told: list[Any] = []
    wrong: list[str] = []
    try:
        both = _both_ended(processes, world, calls, wrong)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for process, (out, err) in zip(processes, both, strict=True):
        lines = [line for line in out.splitlines() if line.startswith("{")]
        if process.returncode != 0 or not lines:
            wrong.append(f"a process ended with {process.returncode}: {err[-2000:]}")
        told += [json.loads(line) for line in lines[-1:]]
    return told, wrong


def _both_ended(
    processes: Sequence[subprocess.Popen[str]], world: World, calls: int, wrong: list[str]
) -> list[tuple[str, str]]:
    """What each has said when it has come to its end; meanwhile it is said how far they are."""
    progress, end = Progress(calls), time.monotonic() + 60 + calls / 4
    with ThreadPoolExecutor(len(processes)) as pool:
        futures = [pool.submit(process.communicate) for process in processes]
        try:
            while not all(future.done() for future in futures):
                wait(futures, timeout=1)
                progress.at(_answered(world), f"calls; {len(world.controls.journal)} requests came to the exchange")
                if time.monotonic() > end:
                    wrong.append("a process did not come to an end")
                    break
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
        return [future.result() for future in futures]


def _answered(world: World) -> int:
    try:
        with read_only(database_path(world.home)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM audit WHERE phase = 'outcome'").fetchone()
    except (StoreError, sqlite3.Error):
        return 0  # the store is only being made
    return int(count)


def _look(world: World, weather: Weather, calls: int) -> None:
    """The log has a row for every call and an outcome for each of them."""
    with read_only(database_path(world.home)) as connection:
        (opened,) = connection.execute("SELECT count(*) FROM audit WHERE phase = 'call'").fetchone()
        (lost,) = connection.execute(
            "SELECT count(*) FROM audit c WHERE c.phase = 'call' AND NOT EXISTS "
            "(SELECT 1 FROM audit o WHERE o.call_id = c.call_id AND o.phase = 'outcome')"
        ).fetchone()
    weather.without_outcome = lost
    if lost:
        weather.wrong.append(f"{lost} calls have no outcome")
    if len(weather.calls) != calls // PROCESSES * PROCESSES:
        weather.wrong.append(f"{calls} calls were to be made, and {len(weather.calls)} were answered")
    if weather.growth_mb > MOST_GROWTH_MB or max((max(own) for own in weather.memory if own), default=0) > MOST_MB:
        weather.wrong.append(f"memory is not flat: it grew by {weather.growth_mb:.0f} MB")
    if not weather.orders or not any(answer == "done" for _, answer, _ in weather.calls):
        weather.wrong.append("nothing was traded: the storm says nothing")
    if opened != len(weather.calls):
        weather.wrong.append(f"{len(weather.calls)} calls were answered and {opened} are in the log")
    if weather.refused[418]:
        weather.wrong.append(f"the exchange answered 418 to {weather.refused[418]} requests")
    bad = [answer for _, answer, _ in weather.calls if answer.split()[0] in {"failed", "unknown"}]
    weather.wrong += [f"answers that should not be: {tally(bad)}"] if bad else []
    weather.wrong += [f"sent twice: {name}" for name in sent_twice(world)] + cancelled_too_often(world)
    weather.wrong += [f"no intent: {name}" for name in without_intent(world)] + chain(world)


async def _orders(world: World, weather: Weather) -> None:
    async with a_desk(world) as desk:
        for _ in range(4):  # the storm may have left nothing of the minute's weight
            await desk.resolve()
            if not (found := differences(world, desk)):
                return
            await asyncio.sleep(20)
        weather.wrong += found


def percentile(times: Sequence[float], part: float) -> str:
    ordered = sorted(times)
    return f"{ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000:.0f}"


def report(weather: Weather) -> str:
    rows = []
    for tool in sorted({tool for tool, _, _ in weather.calls}):
        own = [(answer, took) for name, answer, took in weather.calls if name == tool]
        times = [took for _, took in own]
        spread = [percentile(times, part) for part in (0.5, 0.95, 0.99, 1.0)]
        rows.append((tool, len(own), *spread, tally(answer for answer, _ in own)))
    memory = "; ".join(" ".join(f"{mb:.0f}" for mb in own) for own in weather.memory)
    summary = (
        f"{len(weather.calls)} calls in {weather.seconds:.0f} s; {weather.requests} requests reached the exchange, "
        f"{weather.orders} orders; 429: {weather.refused[429]}, 418: {weather.refused[418]}; "
        f"calls without an outcome: {weather.without_outcome}; memory in MB by process: {memory}"
    )
    lines = [table(("tool", "calls", "median ms", "95 %", "99 %", "slowest", "answers"), rows), summary]
    return "\n".join([*lines, *(f"WRONG {line}" for line in weather.wrong)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10_000, help="calls")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    done: list[Weather] = []

    def work() -> None:
        with a_folder() as folder:
            done.append(run(asked.rounds, asked.clients, asked.seed, folder))

    def told() -> tuple[str, int]:
        last = conditions(clients=asked.clients, processes=PROCESSES, seed=asked.seed)
        return "\n".join([*map(report, done), last]), sum(len(weather.wrong) for weather in done) + (not done)

    whole(work, told)


if __name__ == "__main__":
    main()
