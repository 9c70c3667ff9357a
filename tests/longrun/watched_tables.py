"""Verifies a home while two write to all of its tables, again and again:

python -m tests.longrun.watched_tables --rounds 100
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from guardian.store.log.verify import verify
from tests.longrun.desk import a_folder
from tests.longrun.table import Progress
from tests.store.state.histories import History
from tests.store.support.store_world import World

WRITERS = 2
PATIENCE_S = 30.0
"""For a row that is new since the verification before."""
PAUSE_S = 0.02
"""After each step, so that the log does not outgrow its verification."""


@contextmanager
def writers(home: Path, seed: int) -> Iterator[None]:
    """Stores of their own, as servers have them, each with a random history."""
    stop, failed = threading.Event(), list[BaseException]()

    def write(world: World, rng: random.Random) -> None:
        history = History(world, rng)
        try:
            while not stop.wait(PAUSE_S):
                history.run(1)
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            world.store.close()

    worlds = [World(home) for _ in range(WRITERS)]
    for number, world in enumerate(worlds):
        world.calls = number * 10**9
    threads = [
        threading.Thread(target=write, args=(world, random.Random(seed + number)))
        for number, world in enumerate(worlds)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []


def watch(home: Path, rounds: int, seed: int, progress: Progress | None = None) -> int:
    """Verifies so many times; returns how many rows the log has in the end.

    Raises AssertionError: a verification found something, or a writer failed, or nothing was written in between.
    """
    with writers(home, seed):
        rows = 0
        for number in range(rounds):
            report, latest = verify(home), time.monotonic() + PATIENCE_S
            while report.rows == rows and time.monotonic() < latest:
                assert report.findings == ()
                report = verify(home)
            assert report.findings == ()
            assert report.rows > rows
            rows = report.rows
            if progress is not None:
                progress.at(number + 1, f"{rows} rows")
    report = verify(home)
    assert report.findings == ()
    assert report.rows >= rows
    return report.rows


def main(arguments: Sequence[str]) -> int:
    """Plays the rounds in a folder of its own; an alarm ends it with an AssertionError."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked, begun = parser.parse_args(arguments), time.monotonic()
    with a_folder() as folder:
        rows = watch(folder / "guardian", asked.rounds, asked.seed, Progress(asked.rounds))
    print(f"{asked.rounds} rounds, {rows} rows, {time.monotonic() - begun:.1f} s: no false alarm")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
