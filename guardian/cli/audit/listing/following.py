"""`guardian audit -f`: prints what every process of the home writes into the log, as it is written.

The log is read by row numbers, a little at a time: nothing is held open between two looks, so that SQLite can empty its
write-ahead log and the file may be replaced.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from guardian.cli.audit.listing.filter_options import NothingNamed
from guardian.cli.audit.listing.line_words import as_dict
from guardian.cli.audit.listing.listed_lines import ListLayout, layout_for_output, listed
from guardian.cli.support.exit_codes import NO
from guardian.cli.support.render import print_json_line, print_laid_out_line, say
from guardian.store.history.call_filter import CallFilter
from guardian.store.history.history import History, open_history
from guardian.store.history.history_lines import PENDING, HistoryLine
from guardian.store.schema.files import DATABASE_NAME

LOOK_S: Final = 0.3
"""Seconds between two looks."""
FIRST_SHOWN: Final = 10
"""The newest lines that are shown first, unless a limit says otherwise."""
PATIENCE_S: Final = 2.0
"""How long the outcome of a call is waited for before the call is printed without it, and then once more with it."""
_ROWS: Final = 500


@dataclass(slots=True)
class LogFollower:
    """What was read so far, and the calls whose outcome is waited for."""

    print_line: Callable[[HistoryLine], None]
    monotonic: Callable[[], float] = time.monotonic
    seq: int = 0
    waiting: dict[int, float] = field(default_factory=dict)
    """By the first row of a call: since when its outcome is waited for."""
    ended: set[int] = field(default_factory=set)
    """The outcome rows of calls that were printed before those rows were reached."""

    def look(self, log: History, wanted: CallFilter) -> None:
        """Print every line that is new and wanted: events at once, calls with their outcome."""
        last = log.last_seq()
        if last < self.seq:
            say("the log is shorter than it was: it was replaced, or rows were cut off")
            self.seq = last
            self.waiting.clear()
        while rows := log.rows_after(self.seq, _ROWS):
            self.seq = rows[-1].seq
            self._print(log, wanted, [line for row in rows if (line := log.line_of_row(row)) is not None])
        overdue = [seq for seq, since in self.waiting.items() if self.monotonic() - since > PATIENCE_S]
        for seq in overdue:
            del self.waiting[seq]
            line = log.line_at(seq)
            if line is not None and log.is_wanted(wanted, line):
                self.print_line(line)

    def _print(self, log: History, wanted: CallFilter, lines: Iterable[HistoryLine]) -> None:
        for line in lines:
            seq, ended = line.row.seq, None if line.outcome_row is None else line.outcome_row.seq
            if line.outcome == PENDING:
                self.waiting.setdefault(seq, self.monotonic())
            elif ended is None or ended not in self.ended:
                if ended is not None:
                    self.ended.add(ended)
                self.waiting.pop(seq, None)
                if log.is_wanted(wanted, line):
                    self.print_line(line)
        self.ended = {ended for ended in self.ended if ended > self.seq}


def follow(home: Path, filter_of: Callable[[History], CallFilter], limit: int | None, *, as_json: bool) -> int:
    """Print the newest lines, then each new one, until Ctrl-C; returns the exit code where a filter names nothing.

    Raises StoreUnavailable and StoreCorrupt.
    """
    layout: ListLayout | None = None

    def print_line(line: HistoryLine) -> None:
        if layout is None:
            print_json_line(as_dict(line))
            return
        layout.now = datetime.now().astimezone()
        for text in layout.with_day(line):
            print_laid_out_line(text)

    follower, wanted = LogFollower(print_line), None
    if not (home / DATABASE_NAME).exists():
        say("the log is empty: no call has been made yet; waiting for the first")
    while True:
        if (home / DATABASE_NAME).exists():
            with open_history(home) as log:
                if wanted is None:
                    try:
                        wanted = filter_of(log)
                    except NothingNamed as error:
                        say(str(error))
                        return NO
                    layout = None if as_json else layout_for_output(datetime.now().astimezone(), log.last_seq())
                    follower.seq = log.last_seq()
                    _print_first(log, replace(wanted, limit=FIRST_SHOWN if limit is None else limit), layout)
                else:
                    follower.look(log, wanted)
        time.sleep(LOOK_S)


def _print_first(log: History, wanted: CallFilter, layout: ListLayout | None) -> None:
    page = log.newest(wanted)
    if layout is None:
        for line in (*page.unresolved, *page.lines):
            print_json_line(as_dict(line))
        return
    for text in listed(layout, page.unresolved, page.lines):
        print_laid_out_line(text)
