"""The slow disk of the benchmarks is slow in its flushes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.sections.audited import PAUSE_MS, slow_flush

FLUSHES = """
import os, sys, time
with open(sys.argv[1], "wb") as file:
    for flush in (os.fsync, os.fdatasync):
        start = time.perf_counter()
        for _ in range(3):
            file.write(b"x")
            file.flush()
            flush(file.fileno())
        print((time.perf_counter() - start) / 3 * 1000)
"""


def test_each_flush_takes_the_pause_longer(tmp_path: Path) -> None:
    """Both calls that SQLite and Python flush with, in a process that has the library before the system's."""
    library = slow_flush(tmp_path)
    if library is None:
        pytest.skip("there is no C compiler, or this is not Linux")
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    argv = [sys.executable, "-c", FLUSHES, str(tmp_path / "file")]
    shown = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout
    times = [float(line) for line in shown.split()]
    assert len(times) == 2
    assert min(times) >= PAUSE_MS
