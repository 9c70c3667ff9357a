"""Tables of results, as Markdown, for people and for reports."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The rows under their heads, aligned."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(head), *(len(row[n]) for row in cells), 3) for n, head in enumerate(heads)]

    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"

    return "\n".join([line(list(heads)), line(["-" * width for width in widths]), *(line(row) for row in cells)])


def tally(things: Iterable[object]) -> str:
    """What there is and how often: `done 3, unknown 2`."""
    return ", ".join(f"{name} {count}" for name, count in sorted(Counter(str(thing) for thing in things).items()))


def conditions(**settings: object) -> str:
    """Where and with what a run was made."""
    here = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return "; ".join([here, *(f"{name} {value}" for name, value in settings.items())])


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
