"""The owner's commands whole: a process from its start to its end, beside Python that does nothing."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Final

from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.subjects.guardian import ASKS, Guardian
from tests.benchmarks.subjects.processes import Finished, run
from tests.benchmarks.subjects.subject import structured
from tests.benchmarks.table.rows import Row

NAME = "commands"
NOTHING = "python -c pass"
COMMANDS = (
    ("version",),
    ("status",),
    ("approve",),
    ("audit", "list"),
    ("audit", "verify"),
    ("reject",),
    ("halt",),
)
CODES: Final = {("status",): (0, 1), ("audit", "verify"): (0, 3)}
"""How a command ends where that is not 0 alone: trading is halted after the first round, and the log is not sealed."""


def measure(bench: Bench) -> None:
    """Measures all checkouts in turn. `reject` rejects a proposal of its own each time; `halt` comes last."""
    rounds = bench.sizes.commands + 1
    homes: dict[str, Path] = {}
    waiting: dict[str, list[str]] = {}
    for guardian in bench.guardians:
        homes[guardian.label], waiting[guardian.label] = _home_with_proposals(bench, guardian, rounds)
    walls: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    cpus: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for number, (command, guardian) in bench.in_turn(
        NAME, rounds, [(command, guardian) for command in ((), *COMMANDS) for guardian in bench.guardians]
    ):
        proposal = (waiting[guardian.label].pop(),) if command == ("reject",) else ()
        done = _run(bench, guardian, homes[guardian.label], (*command, *proposal))
        if number > 0:
            walls[guardian.label, " ".join(command) or NOTHING].append(done.wall_ms)
            cpus[guardian.label, " ".join(command) or NOTHING] += [] if done.cpu_ms is None else [done.cpu_ms]
    for (label, what), samples in walls.items():
        spent = cpus[label, what]
        cpu = sum(spent) / len(spent) if spent else None
        bench.report.add(Row.of(samples, section=NAME, what=what, subject=label, unit="ms", cpu=cpu))


def _run(bench: Bench, guardian: Guardian, home: Path, command: tuple[str, ...]) -> Finished:
    if not command:
        return run([guardian.python, "-c", "pass"], env=guardian.variables(), cwd=bench.scratch)
    return guardian.command(home, *command, codes=CODES.get(command, (0,)))


def _home_with_proposals(bench: Bench, guardian: Guardian, count: int) -> tuple[Path, list[str]]:
    """Makes a home in which this many proposals wait, and returns their ids."""
    home = guardian.home(bench.venue.account(), ASKS, {"confirmation": {"channel": "terminal"}})
    subject = guardian.subject()
    ids = []
    with bench.server(guardian.serve(home)) as server:
        server.initialize()
        for number in range(count):
            assert subject.order is not None
            reply = subject.call(server, *subject.order(number))
            ids.append(str(structured(reply.result)["data"]["proposal_id"]))
    return home, ids
