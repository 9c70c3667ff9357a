"""Pages of a symbol's orders in a period of any length, oldest first, and the cursor that continues one.

The exchange lists the orders of at most 24 hours by time, or those from an order id on without a limit of time. It
numbers a symbol's orders as they are created, so the first order of the period is found among the ids, and the pages go
on by id: equal times put no order on two pages or on none. What counts is when an order was created; one from before
the period that filled within it is not listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from guardian.domain.orders import OrderReport
from guardian.domain.requests import GetOrders
from guardian.errors import ArgumentMistake, InvalidArguments
from guardian.exchange.exchange import Exchange
from guardian.store.schema.records import Scope

MAX_REQUESTS: Final = 8
"""Requests to the exchange for one page, each of weight 20; a page that needs more is continued by its cursor."""
ROWS: Final = 1000
"""What the exchange lists at most with one request."""

_CURSOR: Final = re.compile(r"(?P<kind>[obl])(?P<first>[0-9]{1,19})(-(?P<second>[0-9]{1,19}))?\.(?P<seal>[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class FromOrder:
    """The page begins with the first order whose id is this or more."""

    order_id: int


@dataclass(frozen=True, slots=True)
class Between:
    """Where the first order of the period is: ids up to `after` are before it, and those from `below` on are in it."""

    after: int
    below: int


@dataclass(frozen=True, slots=True)
class AfterRow:
    """A page of guardian's own log begins after this row."""

    seq: int


Position = FromOrder | Between | AfterRow


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPage:
    """What the exchange has for one page, by order id, and where the next one begins."""

    reports: tuple[OrderReport, ...]
    first_id: int | None = None
    """The page has no smaller ids; None for the first one with orders."""
    until_id: int | None = None
    """The page has only smaller ids; None for the last one."""
    next: Position | None = None
    is_found: bool = True
    """False while the first order of the period is still being looked for: the page is empty then."""


def cursor_of(position: Position, request: GetOrders, scope: Scope) -> str:
    """The text that continues this query at a position."""
    if isinstance(position, FromOrder):
        body = f"o{position.order_id}"
    elif isinstance(position, Between):
        body = f"b{position.after}-{position.below}"
    else:
        body = f"l{position.seq}"
    return f"{body}.{_seal(body, request, scope)}"


def position_of(request: GetOrders, scope: Scope) -> Position | None:
    """The position of the request's cursor; None without one.

    Raises InvalidArguments: it is no cursor of this very query, in this environment and account.
    """
    if request.cursor is None:
        return None
    found = _CURSOR.fullmatch(request.cursor)
    if found is not None and found["seal"] == _seal(request.cursor.partition(".")[0], request, scope):
        first, second = int(found["first"]), found["second"]
        if found["kind"] == "b" and second is not None:
            return Between(first, int(second))
        if second is None and found["kind"] in "ol":
            is_of_the_log = request.symbol is None
            if is_of_the_log == (found["kind"] == "l"):
                return AfterRow(first) if is_of_the_log else FromOrder(first)
    raise InvalidArguments(
        (ArgumentMistake("cursor", "is not `next_cursor` of a page of this query"),),
        hint="give it unaltered, with the same symbol, status, start_time and end_time; or leave it out to start over",
    )


def _seal(body: str, request: GetOrders, scope: Scope) -> str:
    """Ties a position to its query, so that a cursor that was altered or belongs to another query is noticed."""
    asked = (request.symbol, request.status, request.start_time, request.end_time)
    terms = (body, *asked, scope.environment, scope.account)
    return sha256("|".join(map(str, terms)).encode()).hexdigest()[:12]


async def fetch_page(
    exchange: Exchange, symbol: str, *, start_ms: int, end_ms: int | None, position: Position | None, limit: int
) -> OrderPage:
    """One page of the symbol's orders that were created in the period, both ends included, from `position` on.

    Raises ExchangeError.
    """
    lister = _Lister(exchange, symbol)
    rows: Sequence[OrderReport] = ()
    first_id: int | None = None
    next_id: int | None
    if isinstance(position, FromOrder):
        first_id = next_id = position.order_id
    else:
        found = await _start(lister, start_ms, position)
        if isinstance(found, Between):
            return OrderPage(reports=(), next=found, is_found=False)
        rows = found.rows
        next_id = found.next_id
    while True:
        ended = [number for number, row in enumerate(rows) if end_ms is not None and _created(row, end_ms) > end_ms]
        if ended:
            rows, next_id = rows[: ended[0]], None
        if len(rows) > limit:
            until = rows[limit].order_id
            return OrderPage(reports=tuple(rows[:limit]), first_id=first_id, until_id=until, next=FromOrder(until))
        if next_id is None:
            return OrderPage(reports=tuple(rows), first_id=first_id)
        if lister.requests >= MAX_REQUESTS:
            return OrderPage(reports=tuple(rows), first_id=first_id, until_id=next_id, next=FromOrder(next_id))
        wanted = min(limit - len(rows) + 1, ROWS)
        more = await lister.from_id(next_id, wanted)
        rows = [*rows, *more]
        next_id = rows[-1].order_id + 1 if len(more) >= wanted else None


@dataclass(frozen=True, slots=True)
class _Start:
    """The first orders of the period, without a gap, and the id to continue from; None where there are no more."""

    rows: Sequence[OrderReport]
    next_id: int | None


class _Lister:
    """Lists a symbol's orders by id and counts the requests."""

    def __init__(self, exchange: Exchange, symbol: str) -> None:
        self._exchange = exchange
        self._symbol = symbol
        self.requests = 0

    async def newest(self) -> list[OrderReport]:
        self.requests += 1
        return _by_id(await self._exchange.all_orders(self._symbol, limit=ROWS), 0)

    async def from_id(self, order_id: int, limit: int) -> list[OrderReport]:
        self.requests += 1
        return _by_id(await self._exchange.all_orders(self._symbol, order_id=order_id, limit=limit), order_id)


def _by_id(reports: Sequence[OrderReport], least: int) -> list[OrderReport]:
    """The reports by id, each id once, and none that was not requested."""
    return sorted({report.order_id: report for report in reports if report.order_id >= least}.values(), key=_order_id)


def _order_id(report: OrderReport) -> int:
    return report.order_id


def _created(report: OrderReport, otherwise: int) -> int:
    """When it was created; `otherwise` where the exchange does not say: then no end of the period leaves it out."""
    return otherwise if report.created_ms is None else report.created_ms


async def _start(lister: _Lister, start_ms: int, position: Position | None) -> _Start | Between:
    """The first orders of the period. Where that takes too many requests, what is known of where it begins."""
    if not isinstance(position, Between):
        newest = await lister.newest()
        inside = _from_time(newest, start_ms)
        if len(newest) < ROWS or len(inside) < len(newest):
            return _Start(inside, None)
        position = Between(0, newest[0].order_id)
    after, below = position.after, position.below
    while after + 1 < below:
        if lister.requests >= MAX_REQUESTS:
            return Between(after, below)
        # The very first orders once, since most accounts have few; then by halves.
        guess = 1 if after == 0 else (after + below) // 2
        rows = await lister.from_id(guess, ROWS)
        inside = _from_time(rows, start_ms)
        if not rows or (len(inside) == len(rows) and guess > after + 1):
            below = guess
        elif inside:
            return _Start(inside, inside[-1].order_id + 1 if len(rows) >= ROWS else None)
        else:
            after = rows[-1].order_id
    return _Start((), below)


def _from_time(rows: Sequence[OrderReport], start_ms: int) -> Sequence[OrderReport]:
    """The orders from the first one on that was created at the time or later."""
    first = next((number for number, row in enumerate(rows) if _created(row, 0) >= start_ms), len(rows))
    return rows[first:]
