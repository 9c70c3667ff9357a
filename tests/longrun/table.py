"""Tables of results, as Markdown, for people and for reports; and how a whole run is begun, watched and ended."""

from __future__ import annotations

import platform
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import NoReturn


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


class Progress:
    """Says on stderr how far a run is, so that a long one can be watched."""

    def __init__(self, total: int, every_s: float = 5.0) -> None:
        self._total, self._every = total, every_s
        self._began = time.monotonic()
        self._last = self._began - every_s

    def at(self, done: int, text: str = "") -> None:
        """At most once in N seconds, and at the end."""
        now = time.monotonic()
        if now - self._last >= self._every or done >= self._total:
            self._last = now
            sys.stderr.write(f"{now - self._began:6.0f} s  {done}/{self._total}  {text}\n")
            sys.stderr.flush()


def whole(run: Callable[[], None], told: Callable[[], tuple[str, int]]) -> NoReturn:
    """Run it to its end, or to Ctrl-C or SIGTERM; say what there is by then.

    Exits with 0 where nothing is wrong, 1 where something is, 130 where it was broken off.
    """
    broken_off = False
    with suppress(AttributeError, ValueError):  # not everywhere, and in the main thread alone
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:
        broken_off = True
    text, wrong = told()
    say(text)
    if broken_off:
        say("BROKEN OFF: this is what there was by then")
    sys.exit(130 if broken_off else 1 if wrong else 0)
