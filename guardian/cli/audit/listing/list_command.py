"""`guardian audit list`: prints the lines that are wanted, and follows the log where that is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Final

from guardian.cli.audit.listing.filter_options import DEFAULT_LIMIT, NothingNamed, TypedFilter, filter_of
from guardian.cli.audit.listing.following import follow
from guardian.cli.audit.listing.line_words import as_dict, text_of
from guardian.cli.audit.listing.listed_lines import layout_for_output, listed
from guardian.cli.support.exit_codes import NO
from guardian.cli.support.render import print_json, print_json_list, print_laid_out, say
from guardian.home.folder import checked_home
from guardian.store.history.call_filter import CallFilter
from guardian.store.history.history import History, HistoryPage, Progress, open_history
from guardian.store.schema.files import CHECKPOINT_NAME, DATABASE_NAME

DAYS_FOLLOWED: Final = 400
"""For how long `--between` holds while the log is followed."""
ShowsProgress = Callable[[], AbstractContextManager[Progress | None]]
"""Shows a person how many rows were searched."""
NOTHING_YET: Final = "the log is empty: no call has been made yet"


def has_log(home: Path) -> bool:
    """Whether a home has, or had, a log."""
    return (home / DATABASE_NAME).exists() or (home / CHECKPOINT_NAME).exists()


def print_list(typed: TypedFilter, searching: ShowsProgress, *, follows: bool, as_json: bool) -> int:
    """Print what is wanted of the log, unresolved orders first; returns the exit code.

    Without a limit the newest are printed; all of a window of time, and all as JSON.
    """
    home, now = checked_home(), datetime.now().astimezone()
    if follows:
        return follow(
            home,
            lambda log: filter_of(typed, log, now, text_of, days_ahead=DAYS_FOLLOWED),
            typed.limit,
            as_json=as_json,
        )
    if not has_log(home):
        if as_json:
            print_json([])
        say(NOTHING_YET)
        return 0
    with open_history(home) as log:
        try:
            wanted = filter_of(typed, log, now, text_of)
        except NothingNamed as error:
            if as_json:
                print_json([])
            say(str(error))
            return NO if log.last_seq() else 0
        if as_json:
            _print_json(log, wanted, searching)
        else:
            _print_lines(log, wanted, now, searching)
        _say_unresolved(log.unresolved_count())
    return 0


def _print_json(log: History, wanted: CallFilter, searching: ShowsProgress) -> None:
    if wanted.limit is None:
        with _searching(wanted, searching, shows=not sys.stdout.isatty()) as progress:
            print_json_list(as_dict(line) for line in log.oldest_first(wanted, progress))
        return
    with _searching(wanted, searching) as progress:
        page = log.newest(wanted, progress=progress)
    unresolved = [line for line in page.unresolved if wanted.admits_time(line.row.ts_ms)]
    print_json_list(as_dict(line) for line in (*unresolved, *page.lines))


def _print_lines(log: History, wanted: CallFilter, now: datetime, searching: ShowsProgress) -> None:
    layout = layout_for_output(now, log.last_seq())
    if wanted.limit is None and wanted.has_window:
        unresolved = log.unresolved(wanted)
        with _searching(wanted, searching, shows=not sys.stdout.isatty()) as progress:
            lines = log.others(wanted, unresolved, progress)
            first = next(lines, None)
            if first is not None or unresolved:
                print_laid_out(listed(layout, unresolved, () if first is None else chain((first,), lines)))
                return
        _say_nothing_fits(log, wanted)
        return
    limit = DEFAULT_LIMIT if wanted.limit is None else wanted.limit
    with _searching(wanted, searching) as progress:
        page = log.newest(replace(wanted, limit=limit), counts=True, progress=progress)
    if not (page.unresolved or page.lines):
        _say_nothing_fits(log, wanted)
        return
    print_laid_out(listed(layout, page.unresolved, page.lines))
    _say_left_out(page)


@contextmanager
def _searching(wanted: CallFilter, shown: ShowsProgress, *, shows: bool = True) -> Iterator[Progress | None]:
    """Shows a person how far a text was looked for, where it may take a while."""
    if not shows or wanted.pattern is None or not sys.stderr.isatty():
        yield None
        return
    with shown() as progress:
        yield progress


def _say_nothing_fits(log: History, wanted: CallFilter) -> None:
    is_narrowed = replace(wanted, limit=None) != CallFilter(limit=None)
    say("nothing in the log fits" if is_narrowed and log.last_seq() else NOTHING_YET)


def _say_left_out(page: HistoryPage) -> None:
    shown = len(page.lines)
    if not page.is_exact:
        say(f"{shown} of more than {page.total} shown; --limit N shows more, --since 2h all since then")
    elif page.total > shown:
        say(f"{shown} of {page.total} shown; --limit N shows more, --since 2h all since then")


def _say_unresolved(count: int) -> None:
    if count:
        say(f"{count} order{'s' if count != 1 else ''} may be at the exchange and not known to be")
