"""What the records of a call cost on top of none: by one process and by several at once, on this disk and a slow one.

The slow disk is this one with a pause in each flush. A library of a few lines, compiled here and put before the
system's, makes it; where that is not possible, the rows of the slow disk are left out and a note says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.sections.bench import Bench
from tests.benchmarks.sections.traced import flush_ms
from tests.benchmarks.subjects.guardian import PROGRAMS, Guardian
from tests.benchmarks.subjects.stdio import Failed
from tests.benchmarks.table.rows import Row

NAME = "audited"
PROCESSES = (1, 2, 4)
PAUSE_MS = 5
KINDS = {
    "get_ticker_price": "a read: its call row, before anything is done",
    "create_order": "an order that is denied: both rows, before its reply",
}
SLOW_FLUSH = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
static void wait_a_little(void) { struct timespec t = {0, %d000000}; nanosleep(&t, 0); }
#define SLOW(name) int name(int fd) { wait_a_little(); return ((int (*)(int))dlsym(RTLD_NEXT, #name))(fd); }
SLOW(fsync)
SLOW(fdatasync)
"""


def measure(bench: Bench) -> None:
    """Measures all checkouts in turn, with 1, 2 and 4 processes on one home."""
    library = slow_flush(bench.scratch)
    if library is None:
        bench.report.notes.append(f"{NAME}: no C compiler or not Linux, so nothing was measured with slow flushes")
    disks: list[tuple[str, dict[str, str]]] = [("this disk", {})]
    if library is not None:
        disks.append((f"{PAUSE_MS} ms added to each flush", {"LD_PRELOAD": str(library)}))
    endpoint, flush = bench.venue.account(), flush_ms(bench.scratch)
    cases = [(tool, disk, number) for tool in KINDS for disk in disks for number in PROCESSES]
    for tool, (disk, variables), number in cases:
        for guardian in bench.guardians:
            bench.progress(f"{NAME}: {tool}, {disk}, {number} at once, {guardian.label}")
            times = _times(bench, guardian, guardian.home(endpoint), variables, tool, number)
            row: dict[str, Any] = {"section": NAME, "subject": guardian.label, "unit": "ms", "conditions": disk}
            note = f"{KINDS[tool]}; the disk's own flush of 4 KiB: {flush:.2g} ms"
            bench.report.add(Row.of(times, what=f"{tool}, {number} at once", note=note, **row))


def _times(
    bench: Bench, guardian: Guardian, home: Path, variables: dict[str, str], tool: str, number: int
) -> list[float]:
    """Returns the times of all calls of so many processes, which begin together. Raises Failed."""
    argv = [guardian.python, "-P", str(PROGRAMS / "audited_calls.py"), tool, str(bench.sizes.audited)]
    options: dict[str, Any] = {"env": {**guardian.variables(home), **variables}, "cwd": bench.scratch}
    with (bench.scratch / "stderr.log").open("ab") as errors:
        options |= {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        processes = [bench.processes.start(argv, **options) for _ in range(number)]
    for one in processes:
        assert one.stdout is not None
        if one.stdout.readline() != b"ready\n":
            raise Failed(f"{guardian.label}: {(bench.scratch / 'stderr.log').read_text('utf-8', 'replace')[-600:]}")
    for one in processes:
        assert one.stdin is not None
        one.stdin.write(b"go\n")
        one.stdin.flush()
    found: list[float] = []
    for one in processes:
        found += json.loads(one.communicate()[0])
    return found


def slow_flush(folder: Path) -> Path | None:
    """Compiles the library that makes each flush slower; None where that cannot be done."""
    if sys.platform != "linux":
        return None
    source, library = folder / "slow_flush.c", folder / "slow_flush.so"
    source.write_text(SLOW_FLUSH % PAUSE_MS, "ascii")
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return library
