"""`get_orders`: the exchange's answer joined with guardian's log, which is updated from it and fills its gaps.

A read of the exchange can lag behind: an order that the log has and the answer does not show is returned as the log has
it. The list is empty only where both are empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from guardian.connector import Connection
from guardian.domain import requests
from guardian.domain.order_states import DONE_STATES, LIVE_STATES, UNRESOLVED_STATES
from guardian.domain.orders import OrderReport
from guardian.errors import ArgumentMistake, ExchangeUnavailable, InvalidArguments, StoreError
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.gate.base.order_views import view_of_report, view_of_row
from guardian.gate.base.replies import EarlierCall, Orders, OrderView, Reply, done
from guardian.gate.reads.earlier_calls import EarlierCalls
from guardian.gate.recovery.fees import known_fees
from guardian.gate.recovery.order_reports import DifferenceKind, apply_report, query_order, row_of
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope


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
        """One read. Raises ExchangeError."""
        scope = Scope(environment=self._context.environment.value, account=connection.account)
        request = await self._with_symbol(request)
        row, began_ms = await self._known(scope, request)
        if row is not None:
            report = await query_order(connection.exchange, row.sent)
            reports: tuple[OrderReport, ...] = () if report is None else (report,)
        else:
            reports = await _reports(connection.exchange, request)
        joined = await self._joined(scope, request, reports, began_ms)
        explained = None if row is None else await self._explained(row)
        return done(replace(_listed(joined, request.limit), explained=explained))

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

    async def _known(self, scope: Scope, request: requests.GetOrders) -> tuple[OrderRow | None, int]:
        """The order of guardian's that is requested by its client order id, and the window time.

        None and 0 where the store cannot be read.
        """
        try:
            return await self._context.journal.transact(lambda tx: (_requested(tx, scope, request), tx.now_ms))
        except StoreError:
            return None, 0

    async def _joined(
        self, scope: Scope, request: requests.GetOrders, reports: tuple[OrderReport, ...], began_ms: int
    ) -> _Joined:
        try:
            return await self._context.journal.transact(lambda tx: _join(tx, scope, request, reports, began_ms))
        except StoreError:
            # Reading keeps working when the store does not; the prefix of an id shows whose order it is.
            return _Joined(views=[_view_of_exchange(report) for report in reports])


def _requested(tx: Transaction, scope: Scope, request: requests.GetOrders) -> OrderRow | None:
    """The order that is requested by its client order id, where the log has it for this environment and symbol."""
    row = None if request.client_order_id is None else tx.orders.get(request.client_order_id)
    is_meant = row is not None and (row.symbol, row.environment) == (request.symbol, scope.environment)
    return row if is_meant else None


def _join(
    tx: Transaction, scope: Scope, request: requests.GetOrders, reports: tuple[OrderReport, ...], began_ms: int
) -> _Joined:
    """The exchange's reports with what the log has about each; the log is updated from them."""
    joined, shown = _Joined(), set()
    for report in reports:
        row = row_of(tx, scope, report)
        kind = None if row is None else apply_report(tx, row, report, began_ms=began_ms)
        row = None if row is None else tx.orders.get(row.client_order_id)
        shown.add(report.client_order_id if row is None else row.client_order_id)
        if row is not None and kind is DifferenceKind.IMPOSSIBLE:
            joined.views.append(_view_of_log(tx, row))
        else:
            fees = None if row is None else known_fees(tx, row, report.executed_quantity)
            joined.views.append(_view_of_exchange(report, row, fees))
    missing = [row for row in _expected(tx, scope, request, reports) if row.client_order_id not in shown]
    joined.not_shown = tuple(_view_of_log(tx, row) for row in missing)
    joined.unresolved = tuple(
        _view_of_log(tx, row) for row in tx.orders.unresolved(scope) if request.symbol in {None, row.symbol}
    )
    return joined


def _expected(
    tx: Transaction, scope: Scope, request: requests.GetOrders, reports: tuple[OrderReport, ...]
) -> list[OrderRow]:
    """The log's orders that a complete answer would show; those that are unresolved are listed by themselves."""
    if request.order_id is not None or request.client_order_id is not None:
        row = tx.orders.get(request.client_order_id) if request.client_order_id is not None else None
        if request.order_id is not None and request.symbol is not None:
            row = tx.orders.by_exchange_id(scope, request.symbol, request.order_id)
        rows = [] if row is None or reports or row.scope != scope else [row]
        return [row for row in rows if row.state not in UNRESOLVED_STATES and row.symbol == request.symbol]
    if request.status is requests.OrdersWanted.OPEN:
        return [row for row in tx.orders.live(scope) if request.symbol in {None, row.symbol}]
    found = tx.orders.newest(scope, symbol=request.symbol, states=LIVE_STATES | DONE_STATES, limit=request.limit)
    return [row for row in found if _is_within(row.sent_ms, request, reports)]


def _is_within(sent_ms: int, request: requests.GetOrders, reports: tuple[OrderReport, ...]) -> bool:
    """Whether an order of this time would be on the page: in the period, and not beyond the end of a full page."""
    if request.start_time is not None and sent_ms < request.start_time:
        return False
    if request.end_time is not None and sent_ms > request.end_time:
        return False
    if len(reports) < request.limit:
        return True
    times = [report.created_ms for report in reports if report.created_ms is not None]
    is_newest_page = request.start_time is None
    return bool(times) and min(times) <= sent_ms and (is_newest_page or sent_ms <= max(times))


def _listed(joined: _Joined, limit: int) -> Orders:
    views = [*joined.views, *joined.not_shown]
    note = None
    if joined.not_shown:
        views.sort(key=lambda view: view.time or "")
        count = len(joined.not_shown)
        what = "1 order is" if count == 1 else f"{count} orders are"
        note = (
            f"{what} given as guardian's log has it (source `log`): this answer of the exchange did not show it. Reads "
            "lag now and then; ask again in some seconds"
        )
    return Orders(unresolved=joined.unresolved, orders=tuple(views[-limit:]), note=note)


def _view_of_log(tx: Transaction, row: OrderRow) -> OrderView:
    return view_of_row(row, known_fees(tx, row, row.executed_quantity))


def _view_of_exchange(
    report: OrderReport, row: OrderRow | None = None, fees: dict[str, Decimal] | None = None
) -> OrderView:
    """An order as the exchange reports it. Raises ExchangeUnavailable: its amounts make no sense."""
    if report.flaw is not None:
        raise ExchangeUnavailable(f"the exchange's answer makes no sense: {report.flaw}")
    return view_of_report(report, row, fees)


async def _reports(exchange: Exchange, request: requests.GetOrders) -> tuple[OrderReport, ...]:
    """The exchange's reports. Open orders are all fetched: the list is cut only after it was joined with the log."""
    if request.symbol is None:
        return tuple(await exchange.open_orders(None))
    if request.order_id is not None or request.client_order_id is not None:
        report = await exchange.order(
            request.symbol, order_id=request.order_id, client_order_id=request.client_order_id
        )
        if report is None:
            return ()
        is_asked = report.order_id == request.order_id or report.client_order_id == request.client_order_id
        if report.symbol != request.symbol or not is_asked:
            raise ExchangeUnavailable("the exchange's answer is about another order")
        return (report,)
    if request.status is requests.OrdersWanted.OPEN:
        return tuple(await exchange.open_orders(request.symbol))
    return tuple(
        await exchange.all_orders(
            request.symbol, start_time=request.start_time, end_time=request.end_time, limit=request.limit
        )
    )
