"""A read tool on a running server, with the exchange near and far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.subjects.stdio import StdioServer
from tests.benchmarks.subjects.subject import Subject
from tests.benchmarks.table.rows import Row
from tests.benchmarks.venue.client import Endpoint

NAME = "warm read"
READ = "read a price"
SETUP = "set-up of a connection delayed too"
WARM_UP = 5


def conditions(delay_ms: float, setup_trips: float) -> str:
    """Returns the conditions of a row in words."""
    if not delay_ms:
        return "0 ms"
    return f"{delay_ms:g} ms a request" + (f", {SETUP}" if setup_trips else "")


def measure(bench: Bench) -> None:
    """Measures all subjects at each distance; far ones once with the set-up of connections delayed and once without."""
    for delay_ms, reads in bench.sizes.reads:
        for setup_trips in (1.0, 0.0) if delay_ms else (0.0,):
            _at(bench, delay_ms, setup_trips, reads)


def _at(bench: Bench, delay_ms: float, setup_trips: float, reads: int) -> None:
    subjects = [one for one in bench.subjects if one.lacks == "" or not delay_ms or "constant" not in one.lacks]
    servers: list[tuple[Subject, StdioServer]] = []
    for subject in subjects:
        near = bench.venue.account()
        # Nothing is between the subject and a near exchange: a proxy would cost the one with more requests more.
        endpoint: Endpoint = bench.venue.far(near, delay_ms, setup_trips=setup_trips) if delay_ms else near
        servers.append((subject, bench.open(subject.command(endpoint))))
    try:
        _read(bench, servers, conditions(delay_ms, setup_trips), reads)
    finally:
        for _, server in servers:
            server.close()


def _read(bench: Bench, servers: Sequence[tuple[Subject, StdioServer]], words: str, reads: int) -> None:
    for subject, server in servers:
        for _ in range(WARM_UP):
            subject.price(server)
    times: defaultdict[str, list[float]] = defaultdict(list)
    before = {subject.label: server.cpu_ms() for subject, server in servers}
    for _, (subject, server) in bench.in_turn(f"{NAME}, {words}", reads, servers):
        times[subject.label].append(subject.price(server).ms)
    for subject, server in servers:
        used, start = server.cpu_ms(), before[subject.label]
        cpu = None if used is None or start is None else (used - start) / reads
        row: dict[str, Any] = {
            "section": NAME,
            "what": READ,
            "subject": subject.label,
            "conditions": words,
            "unit": "ms",
            "cpu": cpu,
        }
        bench.report.add(Row.of(times[subject.label], **row))
