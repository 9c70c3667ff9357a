"""The lines of a list as a person sees them.

    row  time (CET +0100)
         Monday 30 November 2026
    1412  16:20:30  BUY 0.0009 BTCUSDT at 59936 (53.94 USDT) filled, proposal 7K2M9P

On a terminal each day has a heading, and words that do not fit go on in the next line, below the others. Through a
pipe each line is one line, with its whole time. `!` marks a row that was changed, `?` an order that is not resolved.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from guardian.cli.audit.listing.line_words import BY_OWNER, words_of
from guardian.cli.audit.listing.text_layout import Piece, cells, painted, wrapped
from guardian.cli.support.render import Tone, shows_colour
from guardian.domain.text.escaping import clean
from guardian.store.history.history_lines import HistoryLine

CHANGED, UNRESOLVED = "!", "?"
WIDE: Final = 100
"""Columns from which on a line says which client called, and in which environment."""
NARROWEST: Final = 34
"""Columns that a line takes up at least; a narrower terminal wraps it."""
_GAP: Final = "  "
_LEAST_ROW: Final = 4
_MAX_NAME: Final = 20
NOT_RESOLVED: Final = "NOT RESOLVED: these may be at the exchange, and are not known to be"


@dataclass(slots=True)
class ListLayout:
    """How lines are laid out, and what was printed so far. `columns` is None where nothing is wrapped."""

    now: datetime
    columns: int | None = None
    in_colour: bool = False
    row_width: int = _LEAST_ROW
    day: str | None = field(default=None, init=False)

    @property
    def heading(self) -> str:
        """The head line, which names the zone of all times once."""
        zone = f"{self.now:%Z %z}".strip()
        return f"{'row':>{self.row_width + 1}}{_GAP}time ({clean(zone)})"

    def day_heading(self, line: HistoryLine) -> str | None:
        """Returns the heading of the line's day where it is another than that of the line before; none for a pipe."""
        moment = local_moment(line.row.ts_ms)
        if self.columns is None or moment is None:
            return None
        day = f"{moment:%Y-%m-%d}"
        before, self.day = self.day, day
        if day == before:
            return None
        said = f"{moment:%A} {moment.day} {moment:%B %Y}"
        return f"today, {said}" if day == f"{self.now:%Y-%m-%d}" else said

    def with_day(self, line: HistoryLine) -> Iterator[str]:
        """Yields the lines that one call or event takes up, below the heading of its day where that is a new one."""
        day = self.day_heading(line)
        if day is not None:
            yield from self.indented(day, None)
        yield from self.lines(line)

    def indented(self, text: str, tone: Tone | None) -> Iterator[str]:
        """Yields a heading, below the times."""
        indent = " " * (self.row_width + 1 + len(_GAP))
        width = max(self.columns or sys.maxsize, NARROWEST) - len(indent)
        for part in wrapped([(text, tone)], width):
            yield indent + painted(part, in_colour=self.in_colour)

    def lines(self, line: HistoryLine) -> Iterator[str]:
        """Yields the lines that one call or event takes up."""
        words = words_of(line)
        mark = CHANGED if not line.is_whole else UNRESOLVED if line.order_state is not None else ""
        row = f"{mark}{line.row.seq}".rjust(self.row_width + 1)
        start = f"{row}{_GAP}{self._time(line)}{_GAP}"
        pieces: list[Piece] = [(words.what, None), (words.result, words.tone)]
        pieces.append((self._besides(line), None))
        head = self._in_tone(row, Tone.BAD if mark == CHANGED else Tone.WAITING if mark else None)
        if self.columns is None:
            (only,) = wrapped(pieces, sys.maxsize)
            yield head + start[len(row) :] + painted(only, in_colour=self.in_colour)
            return
        width = max(self.columns, NARROWEST) - cells(start)
        for number, part in enumerate(wrapped(pieces, width)):
            before = head + start[len(row) :] if number == 0 else " " * cells(start)
            yield (before + painted(part, in_colour=self.in_colour)).rstrip()

    def _in_tone(self, text: str, tone: Tone | None) -> str:
        return painted([(text, tone)], in_colour=self.in_colour)

    def _time(self, line: HistoryLine) -> str:
        moment = local_moment(line.row.ts_ms)
        if moment is None:
            return "no time " if self.columns is not None else "no time".ljust(19)
        return f"{moment:%H:%M:%S}" if self.columns is not None else f"{moment:%Y-%m-%d %H:%M:%S}"

    def _besides(self, line: HistoryLine) -> str:
        """Returns who called and where, for a wide terminal and for a pipe; that a person called, for all."""
        by_owner = isinstance(line.row.key, str) and line.row.key.startswith(BY_OWNER)
        is_wide = self.columns is None or self.columns >= WIDE
        client = "" if line.is_event or not line.client else clean(line.client, _MAX_NAME)
        environment = clean(str(line.row.environment or ""), _MAX_NAME)
        found = ["you" if by_owner else client if is_wide else "", environment if is_wide else ""]
        said = ", ".join(one for one in found if one)
        return f"[{said}]" if said else ""


def local_moment(milliseconds: object) -> datetime | None:
    """Returns a time of the log where the person is; None for what is no time, which somebody put there."""
    try:
        return datetime.fromtimestamp(int(str(milliseconds)) // 1000).astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def layout_for_output(now: datetime, last_seq: int) -> ListLayout:
    """Returns the layout for standard output as it is: a terminal of some width, or a pipe."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    width = max(_LEAST_ROW, len(str(last_seq)))
    return ListLayout(now=now, columns=columns, in_colour=shows_colour(sys.stdout), row_width=width)


def listed(layout: ListLayout, unresolved: Iterable[HistoryLine], lines: Iterable[HistoryLine]) -> Iterator[str]:
    """Yields a whole list: its head, what is not resolved, and the rest by day."""
    yield layout.heading
    first = list(unresolved)
    if first and layout.columns is not None:
        yield from layout.indented(NOT_RESOLVED, Tone.WAITING)
    for some in (first, lines):
        layout.day = None
        for line in some:
            yield from layout.with_day(line)
