"""One run: makes the subjects, measures section after section, and prints what was measured, however it ends."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import platformdirs

from tests.benchmarks.options import Options
from tests.benchmarks.sections import (
    audited,
    clients,
    cold,
    commands,
    growth,
    judging,
    memory,
    orders,
    requests_made,
    traced,
    warm,
)
from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.subjects.guardian import Guardian
from tests.benchmarks.subjects.others import PEER, bare_binance, bare_fastmcp, install_peer, peer
from tests.benchmarks.subjects.processes import Processes
from tests.benchmarks.subjects.stdio import Failed
from tests.benchmarks.subjects.subject import Subject
from tests.benchmarks.table.bars import bars
from tests.benchmarks.table.printing import as_json, bars_table, growth_table, rows_table
from tests.benchmarks.table.rows import Report
from tests.benchmarks.venue.client import ROOT, Venue
from tests.support.peer_packages import NotInstalled

Measure = Callable[[Bench], None]
SECTIONS: Final[Mapping[str, Measure]] = {
    "cold": cold.measure,
    "warm": warm.measure,
    "orders": orders.measure,
    "requests": requests_made.measure,
    "judge": judging.measure,
    "traced": traced.measure,
    "commands": commands.measure,
    "memory": memory.measure,
    "log": growth.measure_log,
    "symbols": growth.measure_symbols,
    "open": growth.measure_open,
    "clients": clients.measure,
    "audited": audited.measure,
}
CACHE: Final = platformdirs.user_cache_path("guardian-benchmarks")
INTERRUPTED: Final = 130


def run(options: Options) -> int:
    """Measures, prints, and returns the exit code: 0, 1 where a section failed, 130 after Ctrl-C."""
    # Homes are private, whatever the umask of the machine.
    os.umask(0o077)
    began = time.monotonic()
    report, guardians = Report(peer=None), list[Guardian]()
    code = 0
    with tempfile.TemporaryDirectory(
        prefix="guardian-bench-", dir=options.scratch, ignore_cleanup_errors=True
    ) as folder:
        scratch = Path(folder)
        try:
            with Processes() as processes:
                bench = _bench(options, report, processes, scratch)
                guardians.extend(bench.guardians)
                code = _measure_all(bench, options)
        except KeyboardInterrupt:
            report.notes.append("interrupted: only a part was measured")
            code = INTERRUPTED
    _finish(options, report, [one.label for one in guardians], time.monotonic() - began)
    return code


def _bench(options: Options, report: Report, processes: Processes, scratch: Path) -> Bench:
    checkouts = [("guardian", ROOT, sys.executable), *options.trees]
    guardians = [Guardian(label=label, tree=tree, python=python, scratch=scratch) for label, tree, python in checkouts]
    subjects = [one.subject() for one in guardians]
    if options.peer_cache is not None:
        subjects += _peer(options.peer_cache, scratch, report)
    if options.others:
        subjects += [bare_fastmcp(scratch), bare_binance(scratch)]
    report.notes += [f"{subject.label}: {subject.lacks}" for subject in subjects if subject.lacks]
    return Bench(
        sizes=options.sizes,
        report=report,
        guardians=guardians,
        subjects=subjects,
        processes=processes,
        venue=Venue(processes, scratch),
        scratch=scratch,
    )


def _peer(cache: Path, scratch: Path, report: Report) -> list[Subject]:
    sys.stderr.write(f"the peer: {PEER}, in {cache}\n")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        made = peer(install_peer(cache), scratch)
    except (NotInstalled, OSError) as error:
        report.notes.append(f"{PEER} could not be installed here, so there are no ratios: {error}")
        return []
    report.peer = made.label
    return [made]


def _measure_all(bench: Bench, options: Options) -> int:
    code = 0
    for name, measure in SECTIONS.items():
        if options.only and name not in options.only:
            continue
        before, began = len(bench.report.rows), time.monotonic()
        try:
            measure(bench)
        except Exception as error:  # noqa: BLE001 - whatever the reason, what the other sections measure is not lost
            why = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
            bench.report.notes.append(f"{name}: not measured to its end: {why}")
            bench.progress(bench.report.notes[-1])
            code = 1
        finally:
            rows = bench.report.rows[before:]
            if rows:
                print(f"\n### {name}\n\n{rows_table(bench.report, rows)}", flush=True)
        bench.progress(f"{name}: {time.monotonic() - began:.0f} s")
    return code


READING: Final = (
    "p99: the largest of fewer than 100; CPU: user and system time of the subject's own process, the mean of a call",
    "ratios: to binance-mcp-server in the same row; client, exchange and subject share the machine's cores",
    "own work: the time of a call without the time in which a request of its subject was out, as seen at the proxy",
    "the order's exchange is behind a proxy even at 0 ms; that of the warm read is not",
)


def _finish(options: Options, report: Report, labels: list[str], took_s: float) -> None:
    found = list(bars(report, labels))
    conditions = {**machine(), "size": options.size_name, "took_s": round(took_s)}
    growing = growth_table(report, (growth.LOG, growth.SYMBOLS, growth.OPEN))
    if growing:
        print(f"\n### growth\n\n{growing}")
    print(f"\n### bars\n\n{bars_table(found)}\n")
    said = ", ".join(f"{name}: {value}" for name, value in conditions.items())
    print("\n".join(f"- {note}" for note in (*READING, *report.notes, said)))
    if options.json is not None:
        text = json.dumps(as_json(report, found, conditions), indent=1)
        options.json.write_text(text + "\n", "utf-8")


def machine() -> dict[str, Any]:
    """Returns the conditions that all rows share."""
    load: Any = "unknown"
    with suppress(AttributeError, OSError):
        load = round(os.getloadavg()[0], 2)
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "commit": _commit(),
        "Python": platform.python_version(),
        "load at the end": load,
    }


def _commit() -> str:
    """Returns the commit of the checkout that this run is from, with a `+` where files differ from it."""
    try:
        shown = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(shown, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
