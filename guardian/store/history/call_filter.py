"""Which calls and events are wanted: every condition that is set must hold, and each can be combined with each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from guardian.domain.codes import CANCEL_ORDER, CREATE_ORDER
from guardian.store.history.history_lines import HistoryLine

EVER: Final = (0, 2**62)
"""A span of time that holds every row."""
WRITES: Final = (CREATE_ORDER, CANCEL_ORDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNames:
    """An order under each name that the log may have for it, and the call that sent it."""

    client_order_id: str | None = None
    proposal_id: str | None = None
    call_id: str | None = None

    @property
    def needles(self) -> tuple[bytes, ...]:
        """The names as a body has them."""
        return tuple(f'"{name}"'.encode() for name in (self.client_order_id, self.proposal_id) if name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What a line's words and the bodies of its rows are searched for."""

    matches: Callable[[HistoryLine], bool]
    has_it: Callable[[object], bool]
    may_be_in_words: Callable[[object, object, object], bool]
    """Whether the words of a call that was done may have it, by the tool, the symbol and the body of its first row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls and events to list. Times are ms since 1970; the end of a span is exclusive.

    `tool`, `outcome`, `state`, `code` and `client` are about calls. With `event` they are about the call that an event
    belongs to; without it, they leave out every event.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    spans: tuple[tuple[int, int], ...] | None = None
    """Within one of these besides, in order and apart from one another; with none of them nothing is wanted."""
    tool: str | None = None
    symbol: str | None = None
    outcome: str | None = None
    state: str | None = None
    code: str | None = None
    client: str | None = None
    event: str | None = None
    side: str | None = None
    order: OrderNames | None = None
    pattern: Pattern | None = None
    limit: int | None = 50
    """Maximum number of lines, the newest ones; None for all."""

    @property
    def is_of_calls(self) -> bool:
        """Whether a condition is set that only a call meets, or an event by its call."""
        return any(one is not None for one in (self.tool, self.outcome, self.state, self.code, self.client))

    @property
    def has_window(self) -> bool:
        """Whether it is bounded in time."""
        return not (self.since_ms is None and self.until_ms is None and self.spans is None)

    @property
    def times(self) -> tuple[tuple[int, int], ...]:
        """The spans of time that it admits, oldest first."""
        low = EVER[0] if self.since_ms is None else self.since_ms
        high = EVER[1] if self.until_ms is None else self.until_ms
        spans = (EVER,) if self.spans is None else self.spans
        cut = ((max(start, low), min(end, high)) for start, end in spans)
        return tuple((start, end) for start, end in cut if start < end)

    def admits_time(self, ts_ms: object) -> bool:
        """Whether a time is within it."""
        return isinstance(ts_ms, int) and any(start <= ts_ms < end for start, end in self.times)

    def fits(self, line: HistoryLine) -> bool:
        """Whether a line is of the wanted kind, whatever its time."""
        return (
            self._is_kind(line)
            and self.tool in {None, line.tool}
            and self.outcome in {None, _outcome(line)}
            and self.state in {None, line.state}
            and (self.code is None or self.code in line.codes)
            and (self.client is None or is_client(self.client, line.client))
            and (self.symbol is None or line.is_about_symbol(self.symbol))
            and (self.side is None or line.has_side(self.side))
            and (self.order is None or is_about(self.order, line))
            and (self.pattern is None or self.pattern.matches(line))
        )

    def _is_kind(self, line: HistoryLine) -> bool:
        if self.event is not None:
            return line.kind == self.event
        return not (line.is_event and self.is_of_calls)


def _outcome(line: HistoryLine) -> str | None:
    """Returns the outcome of a call, or of the call that an event belongs to."""
    if line.is_event and line.call_row is not None:
        return "pending" if line.outcome_row is None else line.outcome_row.outcome
    return line.outcome


def is_client(wanted: str, client: str | None) -> bool:
    """Whether a client's name is the wanted one, with its version or without."""
    return client is not None and wanted in {client, client.partition("/")[0]}


def is_about(order: OrderNames, line: HistoryLine) -> bool:
    """Whether a line is an event, or a call of a tool that writes, and one of its rows names the order."""
    if not line.is_event and line.row.tool not in WRITES:
        return False
    if order.call_id is not None and line.row.call_id == order.call_id:
        return True
    bodies = [_bytes(row.body) for row in (line.row, line.outcome_row, line.intent_row) if row is not None]
    return any(needle in body for body in bodies for needle in order.needles)


def _bytes(body: object) -> bytes:
    """Returns a body as it was written; one of another type, which somebody put there, names no order."""
    return body if isinstance(body, bytes) else b""
