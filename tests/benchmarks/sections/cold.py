"""A fresh process each time: from its start to `initialize`, to `tools/list`, to the reply of the first call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial

from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.subjects.stdio import Answer, StdioServer
from tests.benchmarks.subjects.subject import Subject
from tests.benchmarks.table.rows import Row

NAME = "cold start"
STEPS = INITIALIZE, LIST, CALL = "to initialize", "to tools/list", "to the first call's reply"


def measure(bench: Bench) -> None:
    """Measures all subjects; one start of each comes before, so that bytecode and files are warm."""
    endpoints = bench.endpoints()
    commands = {subject.label: subject.command(endpoints[subject.label]) for subject in bench.subjects}
    times: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    cpu: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for number, subject in bench.in_turn(NAME, bench.sizes.starts + 1, bench.subjects):
        command = commands[subject.label]
        with bench.server(command) as server:
            for what, step in _steps(subject, server, is_mcp=command.is_mcp):
                stop = step().stop
                used = server.cpu_ms()
                if number > 0:
                    times[subject.label, what].append((stop - server.started) * 1000)
                    cpu[subject.label, what] += [] if used is None else [used]
    for what in STEPS:
        for subject in bench.subjects:
            found = times[subject.label, what]
            if found:
                spent = cpu[subject.label, what]
                average = sum(spent) / len(spent) if spent else None
                bench.report.add(Row.of(found, section=NAME, what=what, subject=subject.label, unit="ms", cpu=average))


def _steps(subject: Subject, server: StdioServer, *, is_mcp: bool) -> list[tuple[str, Callable[[], Answer]]]:
    call = (CALL, partial(subject.price, server))
    if not is_mcp:
        return [call]
    return [(INITIALIZE, server.initialize), (LIST, partial(server.request, "tools/list", {})), call]
