"""What happens within a call of guardian's: the store's transactions, and the shares of a `create_order`.

The server notes what it does when (`programs/traced_server.py`), the proxy when requests were out. Each moment of a
call belongs to one part: what runs within another is taken out of it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.subjects.guardian import ASKS, Guardian, token_of
from tests.benchmarks.subjects.stdio import Answer
from tests.benchmarks.table.rows import Row
from tests.benchmarks.table.samples import clipped, covered, median

STORE, PROFILE = "store", "profile"
WARM_UP = 3
PARTS = ("policy", "store", "exchange", "client", "gate", "protocol")
"""Each moment belongs to the first of these that was under way; `protocol` is what remains of a call."""
MEANING: Mapping[str, str] = {
    "store": "the log and the budgets, flushes to the disk included",
    "policy": "judge_order",
    "exchange": "waiting for the exchange, at the proxy",
    "client": "making requests and reading replies",
    "gate": "the rest of the gate's work, and waiting for a thread",
    "protocol": "MCP: reading, checking and writing messages, and the pipes",
}
TRANSACTIONS: Mapping[str, str] = {
    "call": "call row",
    "event": "verdict and proposal",
    "outcome": "outcome row, of an order with its state",
    "intent": "verdict, reservation and intent row",
}
Span = tuple[float, float]


def shares(spans: Mapping[str, Sequence[Span]], start: float, stop: float) -> dict[str, float]:
    """Returns how long each part was under way between `start` and `stop`, without what precedes it in PARTS."""
    found, before, known = {}, 0.0, list[Span]()
    for part in PARTS[:-1]:
        known += clipped(spans.get(part, ()), start, stop)
        total, _ = covered(known)
        found[part], before = total - before, total
    found[PARTS[-1]] = (stop - start) - before
    return found


def flush_ms(folder: Path, count: int = 30) -> float:
    """Returns how long the disk takes to flush 4 KiB that were appended to a file: the median."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(count):
            file.write(b"x" * 4096)
            file.flush()
            start = perf_counter()
            os.fsync(file.fileno())
            times.append((perf_counter() - start) * 1000)
    return median(times)


def measure(bench: Bench) -> None:
    """Places orders on a traced server of each checkout, in turn, and adds the rows of both tables."""
    endpoints = {one.label: bench.venue.far(bench.venue.account(), 0) for one in bench.guardians}
    files = {one.label: bench.scratch / f"{one.label.replace(' ', '-')}.spans" for one in bench.guardians}
    servers = [
        (one, bench.open(one.traced(one.home(endpoints[one.label], ASKS), files[one.label]))) for one in bench.guardians
    ]
    answers: defaultdict[tuple[str, str], list[Answer]] = defaultdict(list)
    outs: defaultdict[str, list[Span]] = defaultdict(list)
    try:
        for number, (guardian, server) in bench.in_turn("traced orders", WARM_UP + bench.sizes.profiled, servers):
            subject = guardian.subject()
            assert subject.order is not None
            tool, arguments = subject.order(number)
            proposed = subject.call(server, tool, arguments)
            sent = subject.call(server, tool, {"confirmation_token": token_of(proposed.result)})
            outs[guardian.label] += [one.span for one in bench.venue.requests(endpoints[guardian.label])]
            if number >= WARM_UP:
                answers[guardian.label, "propose"].append(proposed)
                answers[guardian.label, "send"].append(sent)
    finally:
        for _, server in servers:
            server.close()
    flush = flush_ms(bench.scratch)
    for guardian in bench.guardians:
        noted = _spans(files[guardian.label])
        noted["exchange"] = outs[guardian.label]
        _add_store(bench, guardian, noted, [one for some in answers.values() for one in some], flush)
        for kind in ("propose", "send"):
            _add_shares(bench, guardian, kind, answers[guardian.label, kind], noted)


def _spans(file: Path) -> dict[str, list[Span]]:
    found: defaultdict[str, list[Span]] = defaultdict(list)
    if file.exists():
        for line in file.read_text("utf-8").splitlines():
            kind, start, stop = json.loads(line)
            found[kind].append((start, stop))
            if kind.startswith("store:"):
                found["store"].append((start, stop))
    return dict(found)


def _add_store(
    bench: Bench, guardian: Guardian, spans: Mapping[str, Sequence[Span]], answers: Iterable[Answer], flush: float
) -> None:
    first = min((one.start for one in answers), default=0.0)
    for phases, what in TRANSACTIONS.items():
        times = [(stop - start) * 1000 for start, stop in spans.get(f"store:{phases}", ()) if start >= first]
        if times:
            note = f"the disk's own flush of 4 KiB: {flush:.2g} ms"
            bench.report.add(Row.of(times, section=STORE, what=what, subject=guardian.label, unit="ms", note=note))


def _add_shares(
    bench: Bench, guardian: Guardian, kind: str, answers: Sequence[Answer], spans: Mapping[str, Sequence[Span]]
) -> None:
    found = [shares(spans, one.start, one.stop) for one in answers]
    whole = median(one.ms for one in answers)
    for part in PARTS:
        each = [one[part] * 1000 for one in found]
        percent = sum(each) / sum(one.ms for one in answers) * 100
        row: dict[str, Any] = {"section": PROFILE, "what": f"{kind}: {part}", "subject": guardian.label, "unit": "ms"}
        note = f"{percent:.0f} % of {whole:.1f} ms: {MEANING[part]}"
        bench.report.add(Row.of(each, conditions="create_order, 0 ms", note=note, **row))
