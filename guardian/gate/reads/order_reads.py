"""`get_orders`: the exchange's answer joined with guardian's log, which is updated from it and fills its gaps.

A read of the exchange can lag behind: an order that the log has and the answer does not show is returned as the log has
it. The list is empty only where both are empty. What guardian placed on any symbol is listed from the log, since the
exchange lists one symbol at a time; what the log has open there is asked of the exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from guardian.connector import Connection
from guardian.domain import requests
from guardian.domain.milliseconds import DAY_MS, MINUTE_MS
from guardian.domain.order_states import DONE_STATES, LIVE_STATES, UNRESOLVED_STATES
from guardian.domain.orders import OrderReport
from guardian.errors import ArgumentMistake, ExchangeError, ExchangeUnavailable, InvalidArguments, StoreError
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.gate.base.order_views import view_of_report, view_of_row
from guardian.gate.base.replies import EarlierCall, Orders, OrderView, Reply, done
from guardian.gate.reads.earlier_calls import EarlierCalls
from guardian.gate.reads.order_pages import AfterRow, FromOrder, OrderPage, Position, cursor_of, fetch_page, position_of
from guardian.gate.recovery.fees import known_fees
from guardian.gate.recovery.order_reports import DifferenceKind, apply_report, query_order, row_of
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope

SHOWN_STATES: Final = LIVE_STATES | DONE_STATES
"""The states of the log's orders that the exchange lists too."""
MAX_QUERIES: Final = 10
"""How many open orders of a page of the log are asked of the exchange, each of weight 4."""
_START_ASSUMED: Final = "start_time was left out: these are of the 24 hours before end_time"
MAX_LOG_ROWS: Final = 2000
"""How many of the log's orders are compared with one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the exchange lists, with what says which of the log's orders belong beside it."""

    page: OrderPage
    is_full: bool = False
    """There are earlier orders than these, which are the newest."""
    is_paged: bool = False
    """It is a page of a period, oldest first."""


@dataclass(slots=True)
class _Joined:
    """The reports of one answer with what the log adds to them; without it where it cannot be read."""

    views: list[OrderView] = field(default_factory=list)
    unresolved: tuple[OrderView, ...] = ()
    not_shown: tuple[OrderView, ...] = ()


class OrderReader:
    """Answers `get_orders`."""

    def __init__(self, context: GateContext) -> None:
        self._context = context
        self._calls = EarlierCalls(context)

    async def explain(self, call_id: str) -> Reply:
        """An earlier call of `create_order`, with its order as the log has it. Nothing is asked of the exchange.

        Raises InvalidArguments and StoreError, as `EarlierCalls.by_id` does.
        """
        explained, row = await self._calls.by_id(call_id)
        views: tuple[OrderView, ...] = ()
        if row is not None:
            views = (await self._context.journal.transact(lambda tx: _view_of_log(tx, row)),)
        return done(Orders(unresolved=(), orders=views, explained=explained))

    async def read(self, connection: Connection, request: requests.GetOrders) -> Reply:
        """One read. Raises ExchangeError, and InvalidArguments: the cursor does not belong to this query."""
        if request.end_time is not None and request.start_time is None:
            # The exchange would take the same start without saying it.
            request = replace(request, start_time=max(0, request.end_time - DAY_MS), is_start_assumed=True)
        scope = Scope(environment=self._context.environment.value, account=connection.account)
        request = await self._with_symbol(request)
        position = position_of(request, scope)
        if request.symbol is None and request.status is requests.OrdersWanted.ALL:
            return await self._read_log(connection.exchange, scope, request, position)
        row, began_ms = await self._known(scope, request)
        if row is not None:
            report = await query_order(connection.exchange, row.sent)
            answer = _Answer(page=OrderPage(reports=() if report is None else (report,)))
        else:
            answer = await _answer(connection.exchange, request, position)
        joined = await self._joined(scope, request, answer, began_ms)
        if position is not None:
            joined.unresolved = ()  # they are on the first page
        found = _listed(joined, request, answer, lambda end: cursor_of(end, request, scope))
        return done(replace(found, explained=None if row is None else await self._explained(row)))

    async def _with_symbol(self, request: requests.GetOrders) -> requests.GetOrders:
        """The request with the symbol of guardian's order, where only its client order id is given.

        Raises InvalidArguments: guardian's log has no such order. Raises StoreError.
        """
        name = request.client_order_id
        if name is None or request.symbol is not None:
            return request
        row = await self._context.journal.transact(lambda tx: tx.orders.get(name))
        if row is None:
            mistake = ArgumentMistake("symbol", "is required: guardian's log has no order with this client_order_id")
            raise InvalidArguments((mistake,), hint="give the symbol that the order is on")
        return replace(request, symbol=row.symbol)

    async def _explained(self, row: OrderRow) -> EarlierCall | None:
        """The call that sent the order; None where the log cannot be read: the order is given all the same."""
        try:
            return await self._calls.of_order(row)
        except StoreError:
            return None

    async def _read_log(
        self, exchange: Exchange, scope: Scope, request: requests.GetOrders, position: Position | None
    ) -> Reply:
        """What guardian placed on any symbol. Raises StoreError, and ExchangeError where it asks for less."""
        began = position.seq if isinstance(position, AfterRow) else 0

        def find(tx: Transaction) -> tuple[list[OrderRow], int]:
            return _rows_of_log(tx, scope, request, began), tx.now_ms

        rows, began_ms = await self._context.journal.transact(find)
        is_paged = request.start_time is not None
        is_cut = len(rows) > request.limit
        rows = rows[: request.limit] if is_paged else rows[-request.limit :]
        live = [row for row in rows if row.state in LIVE_STATES][:MAX_QUERIES]
        reports = await asyncio.gather(*(_try_to_query(exchange, row) for row in live))
        found = {row.client_order_id: report for row, report in zip(live, reports, strict=True) if report is not None}

        def view(tx: Transaction) -> tuple[tuple[OrderView, ...], tuple[OrderView, ...]]:
            shown = tuple(_view_of_own(tx, row, found.get(row.client_order_id), began_ms) for row in rows)
            return shown, tuple(_view_of_log(tx, row) for row in tx.orders.unresolved(scope) if position is None)

        orders, unresolved = await self._context.journal.transact(view)
        next_cursor = cursor_of(AfterRow(rows[-1].intent_seq), request, scope) if is_cut and is_paged else None
        notes = ["these are the orders that guardian placed, of every symbol; name a symbol for all of the account's"]
        if request.is_start_assumed:
            notes.append(_START_ASSUMED)
        if is_cut:
            notes.append(_how_to_go_on(request, len(orders)))
        note = "; ".join(notes)
        return done(Orders(unresolved=unresolved, orders=orders, note=note, cut=is_cut, next_cursor=next_cursor))

    async def _known(self, scope: Scope, request: requests.GetOrders) -> tuple[OrderRow | None, int]:
        """The order of guardian's that is requested by its client order id, and the window time.

        None and 0 where the store cannot be read.
        """
        try:
            return await self._context.journal.transact(lambda tx: (_requested(tx, scope, request), tx.now_ms))
        except StoreError:
            return None, 0

    async def _joined(self, scope: Scope, request: requests.GetOrders, answer: _Answer, began_ms: int) -> _Joined:
        try:
            return await self._context.journal.transact(lambda tx: _join(tx, scope, request, answer, began_ms))
        except StoreError:
            # Reading keeps working when the store does not; the prefix of an id shows whose order it is.
            return _Joined(views=[_view_of_exchange(report) for report in answer.page.reports])


def _requested(tx: Transaction, scope: Scope, request: requests.GetOrders) -> OrderRow | None:
    """The order that is requested by its client order id, where the log has it for this environment and symbol."""
    row = None if request.client_order_id is None else tx.orders.get(request.client_order_id)
    is_meant = row is not None and (row.symbol, row.environment) == (request.symbol, scope.environment)
    return row if is_meant else None


def _rows_of_log(tx: Transaction, scope: Scope, request: requests.GetOrders, after_seq: int) -> list[OrderRow]:
    """One more than a page of the log's orders: those of the period, or without its start the newest."""
    if request.start_time is None:
        return list(tx.orders.newest(scope, states=SHOWN_STATES, limit=request.limit + 1))
    return list(
        tx.orders.sent_within(
            scope,
            symbol=None,
            states=SHOWN_STATES,
            start_ms=request.start_time,
            end_ms=request.end_time,
            after_seq=after_seq,
            limit=request.limit + 1,
        )
    )


def _join(tx: Transaction, scope: Scope, request: requests.GetOrders, answer: _Answer, began_ms: int) -> _Joined:
    """The exchange's reports with what the log has about each; the log is updated from them."""
    joined, shown = _Joined(), set()
    for report in answer.page.reports:
        row = row_of(tx, scope, report)
        shown.add(report.client_order_id if row is None else row.client_order_id)
        view = _view_of_exchange(report) if row is None else _view_of_own(tx, row, report, began_ms)
        joined.views.append(view)
    missing = [row for row in _expected(tx, scope, request, answer) if row.client_order_id not in shown]
    joined.not_shown = tuple(_view_of_log(tx, row) for row in missing)
    joined.unresolved = tuple(
        _view_of_log(tx, row) for row in tx.orders.unresolved(scope) if request.symbol in {None, row.symbol}
    )
    return joined


def _expected(tx: Transaction, scope: Scope, request: requests.GetOrders, answer: _Answer) -> list[OrderRow]:
    """The log's orders that a complete answer would show; those that are unresolved are listed by themselves."""
    reports = answer.page.reports
    if request.order_id is not None or request.client_order_id is not None:
        row = tx.orders.get(request.client_order_id) if request.client_order_id is not None else None
        if request.order_id is not None and request.symbol is not None:
            row = tx.orders.by_exchange_id(scope, request.symbol, request.order_id)
        rows = [] if row is None or reports or row.scope != scope else [row]
        return [row for row in rows if row.state not in UNRESOLVED_STATES and row.symbol == request.symbol]
    if request.status is requests.OrdersWanted.OPEN:
        return [row for row in tx.orders.live(scope) if request.symbol in {None, row.symbol}]
    if not answer.page.is_found:
        return []
    if not answer.is_paged:
        found = tx.orders.newest(scope, symbol=request.symbol, states=SHOWN_STATES, limit=request.limit)
        return [row for row in found if _is_among_newest(row, answer)]
    found = tx.orders.sent_within(
        scope,
        symbol=request.symbol,
        states=SHOWN_STATES,
        # Sent by this machine's clock, and listed by the exchange's.
        start_ms=(request.start_time or 0) - MINUTE_MS,
        end_ms=None if request.end_time is None else request.end_time + MINUTE_MS,
        first_id=answer.page.first_id,
        until_id=answer.page.until_id,
        limit=MAX_LOG_ROWS,
    )
    return [row for row in found if _is_on_page(row, request, answer.page)]


def _is_on_page(row: OrderRow, request: requests.GetOrders, page: OrderPage) -> bool:
    """Whether an order of the log belongs on this page of the period, and so on no other."""
    created = row.sent_ms if row.created_ms is None else row.created_ms
    if created < (request.start_time or 0) or (request.end_time is not None and created > request.end_time):
        return False
    # One that was never acknowledged has no place among the ids: it is on the last page.
    return row.order_id is not None or page.until_id is None


def _is_among_newest(row: OrderRow, answer: _Answer) -> bool:
    """Whether an order of the log would be among the newest: not before a full list of them."""
    if not answer.is_full:
        return True
    times = [report.created_ms for report in answer.page.reports if report.created_ms is not None]
    return bool(times) and min(times) <= row.sent_ms


def _listed(
    joined: _Joined, request: requests.GetOrders, answer: _Answer, cursor_at: Callable[[Position], str]
) -> Orders:
    views = [*joined.views, *joined.not_shown]
    notes = []
    if joined.not_shown:
        views.sort(key=(lambda view: view.order_id or 1 << 62) if answer.is_paged else (lambda view: view.time or ""))
        count = len(joined.not_shown)
        what = "1 order is" if count == 1 else f"{count} orders are"
        notes.append(
            f"{what} given as guardian's log has it (source `log`): this answer of the exchange did not show it. Reads "
            "lag now and then; ask again in some seconds"
        )
    end = answer.page.next
    if answer.is_paged:
        kept, end = _kept_of_page(views, request.limit, end)
        is_cut = end is not None
    else:
        kept = views[-request.limit :]
        is_cut = answer.is_full or len(views) > len(kept)
    if request.is_status_assumed:
        notes.append(
            'status was left out: these are the open orders of every symbol; with "all", what guardian placed is listed'
        )
    if request.is_start_assumed:
        notes.append(_START_ASSUMED)
    if is_cut:
        notes.append(_how_to_go_on(request, len(kept), of=len(views)))
    return Orders(
        unresolved=joined.unresolved,
        orders=tuple(kept),
        note="; ".join(notes) or None,
        cut=is_cut,
        next_cursor=None if end is None else cursor_at(end),
    )


def _kept_of_page(views: list[OrderView], limit: int, end: Position | None) -> tuple[list[OrderView], Position | None]:
    """At most a page of the orders, and where the next one begins: what the log added moves the end forward."""
    if len(views) <= limit:
        return views, end
    first_left = views[limit].order_id
    # An order without an id was never acknowledged: it is on the last page, and nothing could continue from it.
    return (views, end) if first_left is None else (views[:limit], FromOrder(first_left))


def _how_to_go_on(request: requests.GetOrders, kept: int, *, of: int | None = None) -> str:
    if request.start_time is not None:
        found = "cut: there may be more" if kept else "cut: the first order of the period is not found yet"
        return f"{found}; call again with the same arguments and `cursor` = `next_cursor`"
    if request.status is requests.OrdersWanted.OPEN:
        return f"cut: these are the newest {kept} of {of}; name a symbol or give a larger limit for the others"
    return f"cut: these are the newest {kept}; give start_time to go through the earlier ones in pages"


def _view_of_log(tx: Transaction, row: OrderRow) -> OrderView:
    return view_of_row(row, known_fees(tx, row, row.executed_quantity))


def _view_of_own(tx: Transaction, row: OrderRow, report: OrderReport | None, began_ms: int) -> OrderView:
    """An order of guardian's as the exchange reports it, which updates the log; else as the log has it."""
    if report is None or apply_report(tx, row, report, began_ms=began_ms) is DifferenceKind.IMPOSSIBLE:
        return _view_of_log(tx, tx.orders.get(row.client_order_id) or row)
    row = tx.orders.get(row.client_order_id) or row
    return _view_of_exchange(report, row, known_fees(tx, row, report.executed_quantity))


def _view_of_exchange(
    report: OrderReport, row: OrderRow | None = None, fees: dict[str, Decimal] | None = None
) -> OrderView:
    """An order as the exchange reports it. Raises ExchangeUnavailable: its amounts make no sense."""
    if report.flaw is not None:
        raise ExchangeUnavailable(f"the exchange's answer makes no sense: {report.flaw}")
    return view_of_report(report, row, fees)


async def _try_to_query(exchange: Exchange, row: OrderRow) -> OrderReport | None:
    """The exchange's report of an order; None where it gives none now."""
    try:
        return await query_order(exchange, row.sent)
    except ExchangeError:
        return None


async def _answer(exchange: Exchange, request: requests.GetOrders, position: Position | None) -> _Answer:
    """What the exchange lists. Open orders are all fetched: the list is cut only after it was joined with the log."""
    if request.symbol is None:
        return _Answer(page=OrderPage(reports=await exchange.open_orders(None)))
    if request.order_id is not None or request.client_order_id is not None:
        report = await exchange.order(
            request.symbol, order_id=request.order_id, client_order_id=request.client_order_id
        )
        if report is None:
            return _Answer(page=OrderPage(reports=()))
        is_asked = report.order_id == request.order_id or report.client_order_id == request.client_order_id
        if report.symbol != request.symbol or not is_asked:
            raise ExchangeUnavailable("the exchange's answer is about another order")
        return _Answer(page=OrderPage(reports=(report,)))
    if request.status is requests.OrdersWanted.OPEN:
        return _Answer(page=OrderPage(reports=await exchange.open_orders(request.symbol)))
    if request.start_time is not None:
        page = await fetch_page(
            exchange,
            request.symbol,
            start_ms=request.start_time,
            end_ms=request.end_time,
            position=position,
            limit=request.limit,
        )
        return _Answer(page=page, is_paged=True)
    found = await exchange.all_orders(request.symbol, limit=request.limit + 1)
    return _Answer(page=OrderPage(reports=found[-request.limit :]), is_full=len(found) > request.limit)
