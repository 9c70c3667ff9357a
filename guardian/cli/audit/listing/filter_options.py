"""What narrows a list of the log, as it is typed: closed sets are choices, names are compared with the log's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import click

from guardian.cli.audit.listing.searching import pattern_of
from guardian.cli.audit.log_options import Moment
from guardian.cli.audit.wording.event_words import EVENT_WORDS
from guardian.cli.parser.choices import OneOf
from guardian.cli.support.times import clock_of
from guardian.domain.codes import TOOLS, Code, Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.orders import OrderSide
from guardian.domain.text.nearest import nearest
from guardian.store.history.call_filter import CallFilter, is_client
from guardian.store.history.history import History
from guardian.store.history.history_lines import PENDING, HistoryLine

DEFAULT_LIMIT: Final = 50
_BETWEEN: Final = re.compile(r"\s*(.+?)\s*(?:-|to|and)\s*(.+?)\s*", re.IGNORECASE)


class NothingNamed(Exception):
    """The log has nothing of that name. The text says so, with the name that was likely meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedFilter:
    """The options of a list, as they were typed and converted."""

    since: int | None = None
    until: int | None = None
    between: tuple[time, time] | None = None
    tool: str | None = None
    symbol: str | None = None
    outcome: str | None = None
    state: str | None = None
    event: str | None = None
    code: str | None = None
    order: str | None = None
    client: str | None = None
    side: str | None = None
    grep: re.Pattern[str] | None = None
    limit: int | None = None


class PartOfDay(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A part of each day: `02:00-05:00`. It may go over midnight."""

    name = "HH:MM-HH:MM"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[time, time]:
        """Fails on what are not two different times of the day."""
        if isinstance(value, tuple):
            return value
        found = _BETWEEN.fullmatch(str(value))
        start, end = (None, None) if found is None else (clock_of(found[1]), clock_of(found[2]))
        if start is None or end is None or start == end:
            self.fail("not two times of the day: `02:00-05:00`, `10pm-6am`", param, ctx)
        return start, end


class Expression(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A regular expression."""

    name = "regex"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> re.Pattern[str]:
        """Fails on what is no regular expression."""
        if isinstance(value, re.Pattern):
            return value
        try:
            return re.compile(str(value))
        except (re.error, RecursionError, OverflowError) as error:
            self.fail(f"not a regular expression: {error}", param, ctx)


_TIMES: Final = "2h, 9pm, 17:05, monday, yesterday, 2026-11-01, or an ISO time."
OPTIONS: Final = (
    click.option("--since", type=Moment(), help=f"From then on: {_TIMES}"),
    click.option("--until", type=Moment(), help="Before then."),
    click.option("--between", type=PartOfDay(), help="Only this part of each day: 02:00-05:00."),
    click.option("--tool", type=OneOf(TOOLS, case_sensitive=False), metavar="TOOL", help="Calls of this tool."),
    click.option("--symbol", help="What is about this symbol."),
    click.option("--side", type=OneOf([*OrderSide], case_sensitive=False), help="Orders of this side."),
    click.option("--order", metavar="ID", help="One order: its proposal, client order id, number, or `last`."),
    click.option("--state", type=OneOf([*OrderState], case_sensitive=False), metavar="STATE",
                 help="Calls whose order is in this state now."),
    click.option("--outcome", type=OneOf([*Outcome, PENDING], case_sensitive=False), metavar="OUTCOME",
                 help="Calls with this outcome, or pending."),
    click.option("--code", type=OneOf([code.name for code in Code], case_sensitive=False), metavar="CODE",
                 help="Calls with this code, among the denials too."),
    click.option("--event", type=OneOf(sorted(EVENT_WORDS), case_sensitive=False), metavar="KIND",
                 help="Events of this kind, as halted or approved."),
    click.option("--client", metavar="NAME", help="Calls of this client, with its version or without."),
    click.option("-g", "--grep", type=Expression(), metavar="REGEX", help="Lines whose words or rows match."),
)  # fmt: skip
"""The options that narrow a list, in the order of the help."""


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds every option that narrows a list to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def filter_of(
    typed: TypedFilter, log: History, now: datetime, text_of: Callable[[HistoryLine], str], *, days_ahead: int = 1
) -> CallFilter:
    """Returns the filter that was typed, with names as the log has them. `text_of` gives the words that `--grep` reads.

    `--between` holds until `days_ahead` days from now.

    Raises NothingNamed for a symbol, a client or an order that the log does not have.
    """
    spans = None
    if typed.between is not None:
        horizon = now + timedelta(days=days_ahead)
        last = log.last_ms()
        if last is not None and last > horizon.timestamp() * 1000:  # the clock was ahead when it was written
            horizon = datetime.fromtimestamp(last // 1000 + 1).astimezone()
        spans = _spans(typed.between, typed.since, typed.until, log.first_ms(), horizon)
    order = None
    if typed.order is not None:
        order = log.names_of(typed.order)
        if order is None:
            raise NothingNamed(f"no order in the log is called `{typed.order}`")
    return CallFilter(
        since_ms=typed.since,
        until_ms=typed.until,
        spans=spans,
        tool=typed.tool,
        symbol=None if typed.symbol is None else _symbol(typed.symbol, log),
        outcome=typed.outcome,
        state=typed.state,
        event=typed.event,
        code=typed.code,
        client=None if typed.client is None else _client(typed.client, log),
        side=typed.side,
        order=order,
        pattern=None if typed.grep is None else pattern_of(typed.grep, text_of),
        limit=typed.limit,
    )


def _symbol(typed: str, log: History) -> str:
    known = log.symbols()
    if typed in known:
        return typed
    same = [symbol for symbol in known if symbol.casefold() == typed.casefold()]
    if same:
        return same[0]
    raise NothingNamed(f"nothing in the log is about `{typed}`{_like(typed.upper(), known)}")


def _client(typed: str, log: History) -> str:
    known = log.clients()
    names = [*known, *(client.partition("/")[0] for client in known)]
    same = [name for name in names if name.casefold() == typed.casefold()]
    if same:
        return same[0]
    if known and not any(is_client(typed, client) for client in known) and (like := _like(typed, names)):
        raise NothingNamed(f"no call of late was made by `{typed}`{like}")
    return typed


def _like(typed: str, known: Iterable[str]) -> str:
    like = nearest(typed, known)
    return "" if like is None else f"; did you mean `{like}`?"


def _spans(
    between: tuple[time, time], since: int | None, until: int | None, first: int | None, horizon: datetime
) -> tuple[tuple[int, int], ...]:
    """Returns the same part of each day from the first wanted day to the last, in ms since 1970."""
    start, end = between
    begins = max(one for one in (since, first, 0) if one is not None)
    ends = int(horizon.timestamp() * 1000)
    ends = ends if until is None else min(until, ends)
    day = _day(begins) - timedelta(days=1)
    last, found = _day(ends), list[tuple[int, int]]()
    while day <= last:
        found.append((_at(day, start), _at(day + timedelta(days=end <= start), end)))
        day += timedelta(days=1)
    return tuple((low, high) for low, high in found if low < high)


def _day(ms: int) -> date:
    return datetime.fromtimestamp(ms // 1000).astimezone().date()


def _at(day: date, clock: time) -> int:
    return int(datetime.combine(day, clock).astimezone().timestamp() * 1000)
