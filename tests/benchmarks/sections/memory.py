"""Resident memory after the start and over many calls."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.subjects.stdio import StdioServer
from tests.benchmarks.subjects.subject import Subject
from tests.benchmarks.table.rows import Row
from tests.benchmarks.table.samples import slope

NAME = "memory"
STARTED, FIRST, AFTER, GROWTH = "after the start", "after the first call", "after the calls", "growth over 1,000 calls"
SAMPLES = 10


def measure(bench: Bench) -> None:
    """Measures guardian and the peer, call by call in turn."""
    subjects = [one for one in bench.subjects if one.label in {*(g.label for g in bench.guardians), bench.report.peer}]
    servers = [(one, bench.open(one.command(bench.venue.account()))) for one in subjects]
    points: dict[str, list[tuple[float, float]]] = {subject.label: [] for subject in subjects}
    calls, step = bench.sizes.memory_calls, max(1, bench.sizes.memory_calls // SAMPLES)
    try:
        for subject, server in servers:
            _note(points, subject, server, 0)
            server.request("tools/list", {})
            subject.price(server)
            _note(points, subject, server, 1)
        for number, (subject, server) in bench.in_turn(NAME, calls, servers):
            subject.price(server)
            if (number + 1) % step == 0:
                _note(points, subject, server, number + 2)
    finally:
        for _, server in servers:
            server.close()
    for subject in subjects:
        _add(bench, subject, points[subject.label], calls)


def _note(points: dict[str, list[tuple[float, float]]], subject: Subject, server: StdioServer, calls: int) -> None:
    memory = server.memory_mb()
    if memory is not None:
        points[subject.label].append((calls, memory))


def _add(bench: Bench, subject: Subject, points: list[tuple[float, float]], calls: int) -> None:
    if not points:
        bench.report.notes.append(f"memory of {subject.label}: not measured, since this system does not let it be read")
        return
    row: dict[str, Any] = {"section": NAME, "subject": subject.label}
    bench.report.add(
        Row(what=STARTED, unit="MB", value=points[0][1], note="`initialize` answered", **row),
        Row(what=FIRST, unit="MB", value=points[1][1], **row),
        Row(what=AFTER, unit="MB", value=points[-1][1], note=f"{calls:,} reads", **row),
    )
    # The first calls fill what is kept for all later ones.
    settled = points[len(points) // 3 :]
    if len(settled) > 1:
        bench.report.add(Row(what=GROWTH, unit="MB", value=slope(settled) * 1000, note="least squares", **row))
