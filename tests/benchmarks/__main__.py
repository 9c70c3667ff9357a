"""`python -m tests.benchmarks`."""

from __future__ import annotations

import sys

from tests.benchmarks.options import read_options
from tests.benchmarks.run import CACHE, SECTIONS, run

if __name__ == "__main__":
    sys.exit(run(read_options(None, list(SECTIONS), cache=CACHE, python=sys.executable)))
