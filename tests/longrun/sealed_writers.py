"""Verifies a sealed log while two write and sign, again and again:

python -m tests.longrun.sealed_writers --rounds 100
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.gate.seal.test_writers import play
from tests.support.sealed import SealedHome


def main(arguments: list[str]) -> int:
    """Plays the rounds in a folder of its own; an alarm ends it with an AssertionError."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory() as folder:
        home, begun = SealedHome(Path(folder) / "guardian"), time.monotonic()
        play(home, rounds)
        print(f"{rounds} rounds, {home.verified().rows} rows, {time.monotonic() - begun:.1f} s: no false alarm")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
