"""Random histories of a store, each made again from its log: `python -m tests.longrun.histories --plays 10000`.

After each the rebuilt database has to equal the original, row by row and type by type, and both have to verify. Some of
the histories are broken off as a crash does it: within a transaction, and without an end.
"""

from __future__ import annotations

import argparse
import random
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from guardian.store.answers.rebuilding import rebuild
from guardian.store.log.verify import verify
from guardian.store.schema.sqlite_statements import LOGGED
from tests.longrun.desk import a_folder
from tests.longrun.table import Progress, conditions, table, whole
from tests.store.state.histories import History, content
from tests.store.support.store_world import World

STEPS = 60
"""The most that one history does."""


@dataclass(kw_only=True)
class Tally:
    """What came of the histories."""

    plays: int = 0
    rows: int = 0
    """Rows of the logs."""
    crashes: int = 0
    tables: Counter[str] = field(default_factory=Counter)
    """Rows of the other tables."""
    wrong: list[str] = field(default_factory=list)


def play(seed: int, folder: Path, tally: Tally) -> None:
    """One history in a folder of its own, its rebuilt database, and what differs."""
    rng = random.Random(seed)
    world = World(folder / "guardian")
    history = History(world, rng)
    try:
        for _ in range(rng.choice((0, 0, 1, 2))):
            history.run(rng.randrange(STEPS // 2))
            history.crash(folder / f"after-{seed}-{tally.crashes}")
            tally.crashes += 1
        history.run(rng.randrange(STEPS))
    finally:
        world.store.close()
    made = rebuild(world.home, folder / "rebuilt.db")
    original, again = content(world.home / "guardian.db"), content(made.path)
    for name in original:
        if original[name] != again[name]:
            tally.wrong.append(f"history {seed}: `{name}` is another one: {original[name]} and {again[name]}")
    tally.wrong += [f"history {seed}: {sentence}" for sentence in made.differences]
    for place in (world.home, made.path):
        tally.wrong += [f"history {seed}, {place.name}: {finding}" for finding in verify(place).findings]
    tally.plays += 1
    tally.rows += made.rows
    tally.tables.update({name: len(rows) for name, rows in original.items() if name != "audit"})


def run(plays: int, seed: int, folder: Path, tally: Tally, progress: Progress | None = None) -> Tally:
    """So many histories, each of another seed."""
    for number in range(plays):
        own = folder / f"history-{number}"
        own.mkdir()
        play(seed + number, own, tally)
        shutil.rmtree(own)
        if progress is not None:
            progress.at(number + 1, f"{tally.rows} rows; wrong: {len(tally.wrong)}")
    return tally


def report(tally: Tally) -> str:
    heads = ("histories", "crashes", "rows of the log", "rows of other tables", "wrong")
    rows = [(tally.plays, tally.crashes, tally.rows, tally.tables.total(), len(tally.wrong))]
    by_table = table(("table", "rows"), sorted(tally.tables.items()))
    return "\n".join([table(heads, rows), "", by_table, *(f"WRONG {line[:2000]}" for line in tally.wrong)])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plays", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    started, tally = time.monotonic(), Tally()

    def work() -> None:
        with a_folder() as folder:
            run(asked.plays, asked.seed, folder, tally, Progress(asked.plays))

    def told() -> tuple[str, int]:
        never = [name for name in LOGGED if not tally.tables[name]] if tally.plays >= 100 else []
        lines = [report(tally), *(f"WRONG `{name}` had no row: this run says nothing of it" for name in never)]
        lines.append(conditions(seed=asked.seed, seconds=round(time.monotonic() - started)))
        return "\n".join(lines), len(tally.wrong) + len(never) + (not tally.plays)

    whole(work, told)


if __name__ == "__main__":
    main()
