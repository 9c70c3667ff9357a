"""`python -m tests.benchmarks`."""

from __future__ import annotations

import signal
import sys

from tests.benchmarks.options import read_options
from tests.benchmarks.run import CACHE, SECTIONS, run

if __name__ == "__main__":
    # A run that is ended by `kill` or `timeout` leaves no process either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run(read_options(None, list(SECTIONS), cache=CACHE, python=sys.executable)))
