"""What a section works with, and what all of them do: start, measure in turn, end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.benchmarks.subjects.guardian import Guardian
from tests.benchmarks.subjects.processes import Processes
from tests.benchmarks.subjects.stdio import Command, StdioServer
from tests.benchmarks.subjects.subject import Subject
from tests.benchmarks.table.rows import Report
from tests.benchmarks.venue.client import Endpoint, Venue

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    starts: int
    reads: tuple[tuple[int, int], ...]
    """The added round trip in ms, and how many reads."""
    orders: int
    judgements: int
    commands: int
    memory_calls: int
    log_rows: tuple[int, ...]
    symbols: tuple[int, ...]
    open_orders: tuple[int, ...]
    growth_calls: int
    watch_s: float
    """How long the requests of the background are counted."""
    watches_each: bool
    """Whether they are counted at each number of open orders, or only at the largest."""
    clients: int
    calls_of_a_client: int
    profiled: int
    audited: int
    """How many calls each process makes whose records alone are timed."""


@dataclass(slots=True, kw_only=True)
class Bench:
    """One run."""

    sizes: Sizes
    report: Report
    guardians: Sequence[Guardian]
    """The checkouts of guardian that are measured, the one of this run first."""
    subjects: Sequence[Subject]
    """All subjects, guardians first, in the order of their turns."""
    processes: Processes
    venue: Venue
    scratch: Path
    progress: Callable[[str], None] = field(default=lambda line: print(line, file=sys.stderr, flush=True))

    @contextmanager
    def server(self, command: Command) -> Iterator[StdioServer]:
        """Starts a server, and ends it after the block."""
        made = StdioServer(self.processes, command, self.scratch / "stderr.log")
        try:
            yield made
        finally:
            made.close()

    def open(self, command: Command) -> StdioServer:
        """Starts a server and opens the session. It is ended by the caller, or with the run."""
        made = StdioServer(self.processes, command, self.scratch / "stderr.log")
        made.initialize()
        return made

    def endpoints(self) -> dict[str, Endpoint]:
        """Returns an account of its own for each subject."""
        return {subject.label: self.venue.account() for subject in self.subjects}

    def in_turn(self, name: str, rounds: int, things: Sequence[Thing]) -> Iterator[tuple[int, Thing]]:
        """Yields the things in turn: A B C A B C ..., so that noise hits all alike. Says how far it is."""
        for number in range(rounds):
            if number % max(1, rounds // 4) == 0:
                self.progress(f"{name}: round {number + 1} of {rounds}")
            for thing in things:
                yield number, thing
