"""The 15 tools that only read: what each fetches from the exchange, and what guardian adds from its store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from guardian.domain import requests
from guardian.domain.codes import Code
from guardian.domain.market import SymbolPage
from guardian.domain.requests import Request, RequestScope
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.gate.base.replies import Reply, done, refused
from guardian.gate.reads.balance_reads import balances_with_situation
from guardian.gate.reads.order_reads import OrderReader
from guardian.gate.reads.profit import ProfitReader
from guardian.policy.model import Policy
from guardian.store.schema.records import Scope

Read = Callable[[Exchange, Any], Awaitable[object]]

PLAIN_READS: Final[dict[type[Request], Read]] = {
    requests.GetTickerPrice: lambda exchange, request: exchange.ticker_price(request.symbol),
    requests.GetTicker: lambda exchange, request: (
        exchange.ticker(request.symbol)
        if request.candles is None
        else exchange.candles(request.symbol, request.candles)
    ),
    requests.GetOrderBook: lambda exchange, request: exchange.order_book(request.symbol, request.limit),
    requests.GetAccountSnapshot: lambda exchange, request: exchange.account_snapshot(request),
    requests.GetPositionInfo: lambda exchange, request: exchange.positions(request),
    requests.GetFuturesPnl: lambda exchange, request: exchange.profit_and_loss(request),
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

    def __init__(self, context: GateContext) -> None:
        self._context = context
        self._orders = OrderReader(context)
        self._profit = ProfitReader(context)

    async def read(self, request: Request, policy: Policy) -> Reply:
        """One read. Raises ExchangeError and CredentialsError."""
        if isinstance(request, requests.GetOrders) and request.call_id is not None:
            return await self._orders.explain(request.call_id)
        needs_keys = request.scope is not RequestScope.MARKET
        if request.scope is RequestScope.WALLET and not self._context.connector.has_wallet:
            return refused(
                Code.NOT_AVAILABLE_HERE,
                f"`{self._context.environment.value}` has no wallet; nothing was sent",
                hint="the wallet exists on `live` and, with play data, on `paper`",
            )
        connection = await self._context.connector.connect(needs_keys=needs_keys)
        if isinstance(request, requests.GetOrders):
            return await self._orders.read(connection, request)
        if isinstance(request, requests.GetPnl):
            return await self._profit.read(connection, request, policy)
        if isinstance(request, requests.GetAvailableAssets):
            return done(await self._listing(connection.exchange, request, policy))
        if isinstance(request, requests.GetBalance):
            balances = await connection.exchange.balances(request.include_zero)
            scope = Scope(environment=self._context.environment.value, account=connection.account)
            return done(await balances_with_situation(self._context, connection.exchange, scope, policy, balances))
        return done(await PLAIN_READS[type(request)](connection.exchange, request))

    async def _listing(self, exchange: Exchange, request: requests.GetAvailableAssets, policy: Policy) -> SymbolPage:
        listing = await exchange.listing(request.base_asset, request.quote_asset, request.limit, request.cursor)
        symbols = tuple(replace(listed, policy_allows=listed.symbol in policy.symbols) for listed in listing.symbols)
        return replace(listing, symbols=symbols)
