"""`judge_order` alone, in the Python of each checkout."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.table.rows import Row
from tests.benchmarks.table.samples import median

NAME = "judge_order"
BATCHES = 20


def measure(bench: Bench) -> None:
    """Measures all checkouts in turn, each time in a fresh process."""
    walls: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    cpus: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for _, guardian in bench.in_turn(NAME, bench.sizes.judgements, bench.guardians):
        for case, found in json.loads(guardian.program("judge_orders.py", str(BATCHES))).items():
            walls[guardian.label, case] += found["wall"]
            cpus[guardian.label, case] += found["cpu"]
    for (label, case), samples in sorted(walls.items(), key=lambda item: item[0][1]):
        row: dict[str, Any] = {
            "section": NAME,
            "what": case,
            "subject": label,
            "unit": "us",
            "cpu": median(cpus[label, case]),
        }
        bench.report.add(Row.of(samples, note="batches of 200", **row))
