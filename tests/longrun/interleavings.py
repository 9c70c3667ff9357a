"""The play of the whole gate against its model, for longer: `python -m tests.longrun.interleavings --rounds 1000`.

The plays are made by Hypothesis from the seed; one that goes wrong is cut down to the steps that it takes, and shown.
"""

from __future__ import annotations

import argparse
import time
import traceback

from hypothesis import core

from tests.gate.model.play import TO_REACH_IN_LONG, Gate, play
from tests.longrun.table import Progress, conditions, table, whole

AT_ONCE = 50
"""Plays of one seed; every such batch begins anew with the next."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000, help="plays")
    parser.add_argument("--steps", type=int, default=50, help="of one play")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    started = time.monotonic()
    wrong: list[str] = []

    def work() -> None:
        progress = Progress(asked.rounds)
        for number, first in enumerate(range(0, asked.rounds, AT_ONCE)):
            core.global_force_seed = asked.seed * 1_000_000 + number
            try:
                play(min(AT_ONCE, asked.rounds - first), asked.steps, same_each_time=False)
            except Exception:  # noqa: BLE001 - whatever it is, it is what went wrong
                wrong.append(traceback.format_exc())
            progress.at(min(first + AT_ONCE, asked.rounds), f"plays; wrong: {len(wrong)}")

    def told() -> tuple[str, int]:
        missing = [thing for thing in TO_REACH_IN_LONG if not Gate.reached[thing]] if asked.rounds >= 200 else []
        lines = [table(("what came about", "times"), sorted(Gate.reached.items()))]
        lines += [f"WRONG {text}" for text in wrong] + [f"WRONG it never came about: {thing}" for thing in missing]
        seconds = round(time.monotonic() - started)
        lines.append(conditions(plays=asked.rounds, steps=asked.steps, seed=asked.seed, seconds=seconds))
        return "\n".join(lines), len(wrong) + len(missing)

    whole(work, told)


if __name__ == "__main__":
    main()
