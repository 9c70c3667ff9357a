"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.sections.bench import Sizes

QUICK: Final = Sizes(
    starts=4,
    reads=((0, 60), (20, 25), (50, 20)),
    orders=15,
    judgements=5,
    commands=4,
    memory_calls=400,
    log_rows=(1_000, 10_000, 100_000),
    symbols=(1, 20, 200),
    open_orders=(1, 10, 100),
    growth_calls=15,
    watch_s=30,
    watches_each=False,
    clients=50,
    calls_of_a_client=6,
    profiled=8,
    audited=120,
)
FULL: Final = Sizes(
    starts=15,
    reads=((0, 300), (20, 60), (50, 60)),
    orders=60,
    judgements=10,
    commands=12,
    memory_calls=1_000,
    log_rows=(1_000, 10_000, 100_000, 1_000_000),
    symbols=(1, 10, 50, 200),
    open_orders=(1, 10, 100),
    growth_calls=40,
    watch_s=60,
    watches_each=True,
    clients=50,
    calls_of_a_client=20,
    profiled=30,
    audited=400,
)
TINY: Final = Sizes(
    starts=1,
    reads=((0, 2), (20, 2)),
    orders=1,
    judgements=1,
    commands=1,
    memory_calls=20,
    log_rows=(100,),
    symbols=(1,),
    open_orders=(1,),
    growth_calls=2,
    watch_s=1,
    watches_each=True,
    clients=3,
    calls_of_a_client=1,
    profiled=1,
    audited=2,
)
"""Whether everything runs, and no more."""
SIZES: Final = {"quick": QUICK, "full": FULL, "tiny": TINY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run measures, and where its results go."""

    sizes: Sizes
    size_name: str
    only: tuple[str, ...]
    """The sections to measure; empty: all."""
    json: Path | None
    peer_cache: Path | None
    """Where the peer is installed; None: it is not measured."""
    others: bool
    """Whether bare FastMCP and bare python-binance are measured."""
    trees: tuple[tuple[str, Path, str], ...]
    """Other checkouts of guardian: a label, the folder, and the Python that runs it."""
    scratch: Path | None


def read_options(arguments: list[str] | None, sections: list[str], *, cache: Path, python: str) -> Options:
    """Returns the options of a command line; ends the process where it has a mistake, as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure guardian beside binance-mcp-server, bare FastMCP and bare python-binance, in turn "
        "and in one run, on loopback alone. The table goes to standard output, progress to standard error.",
    )
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"what to measure; all of: {', '.join(sections)}"
    )
    parser.add_argument(
        "--size",
        choices=tuple(SIZES),
        default="quick",
        help="quick (the default): some minutes; full: a quarter of an hour; tiny: whether all of it runs",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured there too")
    parser.add_argument(
        "--peer-cache", type=Path, default=cache, metavar="FOLDER", help=f"where the peer is installed ({cache})"
    )
    parser.add_argument("--no-peer", action="store_true", help="leave the peer out")
    parser.add_argument("--guardian-only", action="store_true", help="leave the peer and the bare libraries out")
    parser.add_argument(
        "--tree", action="append", default=[], type=Path, metavar="PATH", help="measure another checkout too"
    )
    parser.add_argument("--python", action="append", default=[], metavar="PATH", help="its Python; this one by default")
    parser.add_argument("--label", action="append", default=[], metavar="NAME", help="what it is called in the table")
    parser.add_argument(
        "--scratch", type=Path, metavar="FOLDER", help="where homes are made; their disk is what is measured"
    )
    given = parser.parse_args(arguments)
    unknown = [name for name in given.sections if name not in sections]
    if unknown:
        parser.error(f"no section {unknown[0]!r}; there are {', '.join(sections)}")
    if len(given.python) > len(given.tree) or len(given.label) > len(given.tree):
        parser.error("--python and --label go with a --tree")
    pythons = [*given.python, *[python] * (len(given.tree) - len(given.python))]
    labels = [*given.label, *(f"guardian {tree.name}" for tree in given.tree[len(given.label) :])]
    without_peer = given.no_peer or given.guardian_only
    return Options(
        sizes=SIZES[given.size],
        size_name=given.size,
        only=tuple(given.sections),
        json=given.json,
        peer_cache=None if without_peer else given.peer_cache,
        others=not given.guardian_only,
        trees=tuple(zip(labels, [tree.resolve() for tree in given.tree], pythons, strict=True)),
        scratch=given.scratch,
    )
