"""The 15 tools that only read: what each asks of the exchange, and what guardian adds from its own store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from guardian.domain import requests
from guardian.domain.codes import Code
from guardian.domain.market import Listing
from guardian.domain.orders import OrderReport
from guardian.domain.requests import Request
from guardian.domain.requests import Scope as RequestScope
from guardian.errors import ExchangeUnavailable, StoreError
from guardian.exchange.exchange import Exchange
from guardian.gate.asking import ask_for
from guardian.gate.connection import Connection
from guardian.gate.learning import Kind, row_of, take_report
from guardian.gate.parts import Parts
from guardian.gate.replies import Orders, OrderView, Reply, done, refused
from guardian.gate.views import view_of_report, view_of_row
from guardian.policy.model import Policy
from guardian.store.records import OrderRow, Scope

Read = Callable[[Exchange, Any], Awaitable[object]]

PLAIN_READS: Final[dict[type[Request], Read]] = {
    requests.GetTickerPrice: lambda exchange, request: exchange.ticker_price(request.symbol),
    requests.GetTicker: lambda exchange, request: exchange.ticker(request.symbol),
    requests.GetOrderBook: lambda exchange, request: exchange.order_book(request.symbol, request.limit),
    requests.GetBalance: lambda exchange, request: exchange.balances(request.include_zero),
    requests.GetAccountSnapshot: lambda exchange, request: exchange.account_snapshot(request),
    requests.GetPositionInfo: lambda exchange, request: exchange.positions(request),
    requests.GetPnl: lambda exchange, request: exchange.profit_and_loss(request),
    requests.GetDepositHistory: lambda exchange, request: exchange.deposits(request),
    requests.GetDepositAddress: lambda exchange, request: exchange.deposit_address(request),
    requests.GetWithdrawHistory: lambda exchange, request: exchange.withdrawals(request),
    requests.GetFeeInfo: lambda exchange, request: exchange.fee(request.symbol),
    requests.GetLiquidationHistory: lambda exchange, request: exchange.liquidations(request),
    requests.GetUniversalTransferHistory: lambda exchange, request: exchange.transfers(request),
}
"""Reads that are the exchange's answer and nothing else."""


class Reader:
    """Answers reads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def read(self, request: Request, policy: Policy) -> Reply:
        """One read. Raises ExchangeError and CredentialsError."""
        needs_keys = request.scope is not RequestScope.MARKET
        if request.scope is RequestScope.WALLET and not self._parts.connector.has_wallet:
            return refused(
                Code.NOT_AVAILABLE_HERE,
                f"`{self._parts.environment.value}` has no wallet; nothing was sent",
                hint="the wallet exists on `live` and, with play data, on `paper`",
            )
        connection = await self._parts.connector.connect(needs_keys=needs_keys)
        if isinstance(request, requests.GetOrders):
            return await self._orders(connection, request)
        if isinstance(request, requests.GetAvailableAssets):
            return done(await self._listing(connection.exchange, request, policy))
        return done(await PLAIN_READS[type(request)](connection.exchange, request))

    async def _listing(self, exchange: Exchange, request: requests.GetAvailableAssets, policy: Policy) -> Listing:
        listing = await exchange.listing(request.base_asset, request.quote_asset, request.limit, request.cursor)
        symbols = tuple(replace(listed, policy_allows=listed.symbol in policy.symbols) for listed in listing.symbols)
        return replace(listing, symbols=symbols)

    async def _orders(self, connection: Connection, request: requests.GetOrders) -> Reply:
        scope = Scope(environment=self._parts.environment.value, account=connection.account)
        row, began_ms = await self._parts.journal.run(lambda: self._known(scope, request))
        if row is not None:
            report = await ask_for(connection.exchange, row.sent)
            reports: tuple[OrderReport, ...] = () if report is None else (report,)
        else:
            reports = await _reports(connection.exchange, request)
        unresolved, views = await self._parts.journal.run(lambda: self._joined(scope, request, reports, began_ms))
        return done(Orders(unresolved=unresolved, orders=views))

    def _known(self, scope: Scope, request: requests.GetOrders) -> tuple[OrderRow | None, int]:
        """The order of guardian's that is asked for by one of its ids, and the window time."""
        row: OrderRow | None = None
        try:
            with self._parts.journal.transaction() as tx:
                if request.client_order_id is not None:
                    row = tx.order(request.client_order_id)
                    row = row if row is not None and row.symbol == request.symbol else None
                return (row if row is not None and row.environment == scope.environment else None), tx.now_ms
        except StoreError:
            return None, 0

    def _joined(
        self, scope: Scope, request: requests.GetOrders, reports: tuple[OrderReport, ...], began_ms: int
    ) -> tuple[tuple[OrderView, ...], tuple[OrderView, ...]]:
        """The exchange's reports with what the store knows of each, which learns from them at the same time."""
        known: list[OrderRow | None] = []
        impossible: dict[int, OrderRow] = {}
        unresolved: tuple[OrderRow, ...] = ()
        try:
            with self._parts.journal.transaction() as tx:
                for number, report in enumerate(reports):
                    row = row_of(tx, scope, report)
                    known.append(row)
                    if row is not None and take_report(tx, row, report, began_ms=began_ms) is Kind.IMPOSSIBLE:
                        impossible[number] = tx.order(row.client_order_id) or row
                unresolved = tuple(row for row in tx.unresolved(scope) if row.symbol == request.symbol)
        except StoreError:
            # Reading keeps working when the store does not; the marks on the ids tell whose orders they are.
            known = [None] * len(reports)
        views = (
            view_of_row(impossible[number]) if number in impossible else _view(report, row)
            for number, (report, row) in enumerate(zip(reports, known, strict=True))
        )
        return tuple(view_of_row(row) for row in unresolved), tuple(views)


def _view(report: OrderReport, row: OrderRow | None) -> OrderView:
    """An order as the exchange reports it. Raises ExchangeUnavailable: its amounts make no sense."""
    if report.flaw is not None:
        raise ExchangeUnavailable(f"the exchange's answer makes no sense: {report.flaw}")
    return view_of_report(report, row)


async def _reports(exchange: Exchange, request: requests.GetOrders) -> tuple[OrderReport, ...]:
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
        return tuple(await exchange.open_orders(request.symbol))[-request.limit :]
    return tuple(
        await exchange.all_orders(
            request.symbol, start_time=request.start_time, end_time=request.end_time, limit=request.limit
        )
    )
