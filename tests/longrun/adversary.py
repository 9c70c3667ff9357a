"""The adversarial play for longer: `python -m tests.longrun.adversary --plays 1000 --seed 1`.

A play is one integer: `--plays 1 --seed N --moves` shows every move of it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.adversary.runs import STEPS, play


def main() -> int:
    """Play the seeds, print what is wrong as it comes, and a table at the end; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plays", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--moves", action="store_true", help="Show every move of every play.")
    given = parser.parse_args()
    reached: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    started = time.monotonic()
    for seed in range(given.seed, given.seed + given.plays):
        played = play(seed, given.steps)
        reached += played.reached
        if given.moves:
            print("\n".join(played.moves))
        for promise, what in played.broken:
            wrong[f"promise {promise}: {what.split(':')[0]}"] += 1
            print(f"seed {seed}, move {len(played.moves)}: promise {promise}: {what}", flush=True)
    print(f"\nseeds {given.seed} to {given.seed + given.plays - 1}, {time.monotonic() - started:.0f} s")
    for title, counts in (("reached", reached), ("wrong", wrong)):
        print(f"\n| {title} | times |\n|---|---|")
        for name, times in sorted(counts.items(), key=lambda one: (one[0].split(":")[0], -one[1])):
            print(f"| {name} | {times} |")
    print(f"\n{given.plays} plays, {sum(wrong.values())} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
