"""The exchange as the gate sees it: domain types in, domain types out, and guardian's own exceptions.

Reads raise ExchangeRejected, ExchangeRateLimited or ExchangeUnavailable; the two writes raise OutcomeUnknown wherever
it is not certain that nothing happened. Signed calls raise NoCredentials without keys. Wallet calls raise
RequestRefused where the environment has no `/sapi`. Nothing is sent before the first call.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardian.domain.accounts import (
    AccountSnapshot,
    Balances,
    DepositAddress,
    Deposits,
    FuturesPositions,
    KeyPermissions,
    Liquidations,
    ProfitAndLoss,
    Transfers,
    Withdrawals,
)
from guardian.domain.instruments import Instrument
from guardian.domain.market import (
    AveragePrice,
    BookTop,
    Candles,
    CandleSpan,
    DayOpen,
    Fee,
    OrderBook,
    SymbolPage,
    Ticker,
    TickerPrice,
)
from guardian.domain.orders import PRICED_TYPES, OrderReport, ResolvedOrder, Trade
from guardian.domain.requests import (
    GetAccountSnapshot,
    GetDepositAddress,
    GetDepositHistory,
    GetFuturesPnl,
    GetLiquidationHistory,
    GetPositionInfo,
    GetUniversalTransferHistory,
    GetWithdrawHistory,
)
from guardian.domain.secrets import ApiKeyPair
from guardian.domain.trading import Environment
from guardian.errors import ExchangeRejected, ExchangeUnavailable, OutcomeUnknown, RequestRefused
from guardian.exchange.environments import ApiFamily, EnvironmentSpec
from guardian.exchange.error_codes import UNKNOWN_ORDER
from guardian.exchange.limits.rate_limits import Slot
from guardian.exchange.listings import Listings, by_symbol, json_list, together
from guardian.exchange.mapping import account, candles, futures, market, orders, wallet
from guardian.exchange.mapping.request_fields import one_id, page, period
from guardian.exchange.network import Network
from guardian.exchange.session import ExchangeSession, signers_by_family
from guardian.system.clock import Clock

if TYPE_CHECKING:
    from guardian.exchange.http.client import GuardedClient

_CLIENT_ORDER_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,36}")


class Exchange:
    """One environment's exchange, through the guarded client, with one kept connection pool.

    Where an environment has one key pair for all, it is given as `spot`. `limits_path` is the file that the processes
    of one home share their counts of the rate limits in; None counts for this process alone.
    `random_fraction` is evenly distributed between 0 and 1. A `network` is given by tests alone.

    Raises:
        CredentialsError: a key pair belongs to another environment, or to the other family on `testnet`.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        *,
        spot: ApiKeyPair | None,
        futures: ApiKeyPair | None,
        clock: Clock,
        limits_path: Path | None = None,
        random_fraction: Callable[[], float] = random.random,
        network: Network | None = None,
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._session = ExchangeSession(
            spec,
            signers_by_family(spec.environment, spot, futures),
            clock=clock,
            limits_path=limits_path,
            random_fraction=random_fraction,
            network=network,
        )
        self._listings = Listings(self._exchange_info, clock=clock)
        self._account: str | None = None
        self._is_of_another = False

    @property
    def environment(self) -> Environment:
        """Where this is."""
        return self._spec.environment

    @property
    def has_wallet(self) -> bool:
        """Whether `/sapi`, and so the wallet tools, are available."""
        return self._spec.has_wallet

    def warm_up(self) -> None:
        """Imports python-binance now (about half a second) instead of at the first call; sends nothing."""
        self._session.warm_up()

    async def close(self) -> None:
        """Closes the kept connections for good: later a read raises ExchangeUnavailable, a write NotSent."""
        await self._session.close()

    # -- facts

    async def instrument(self, symbol: str) -> Instrument | None:
        """Returns the symbol's trading rules, at most an hour old; None where the exchange does not list it."""
        return (await self.instruments((symbol,))).get(symbol)

    async def instruments(self, symbols: Iterable[str]) -> dict[str, Instrument]:
        """Returns the trading rules of several symbols with one request; a symbol that is not listed is absent."""
        return await self._listings.instruments(symbols)

    async def current_instruments(self, symbols: Iterable[str]) -> dict[str, Instrument]:
        """Returns the same, at most a second old, so that a halt of the symbol shows."""
        return await self._listings.current_instruments(symbols)

    async def book_tops(self, symbols: Iterable[str]) -> dict[str, BookTop]:
        """Returns the best prices of several symbols in one request, dated to when it started.

        One not listed is absent.
        """
        wanted = tuple(dict.fromkeys(symbols))
        found = await by_symbol(wanted, self._fetch_book_tops) if wanted else {}
        for symbol in set(wanted) - found.keys():
            self._listings.forget(symbol)  # kept as listed, and the exchange no longer knows it
        return found

    async def average_price(self, symbol: str) -> AveragePrice:
        """Returns the exchange's average price and when it last saw a trade."""
        return market.average_price(await self._read(lambda client: client.get_avg_price(symbol=symbol)))

    async def day_open(self, symbol: str) -> DayOpen:
        """Returns the first price of the last 24 hours."""
        return market.day_open(await self._read(lambda client: client.get_ticker(symbol=symbol)), symbol)

    async def balances(self, include_zero: bool = False) -> Balances:
        """Returns the spot account's balances.

        Raises ExchangeUnavailable where they are another account's; see `expect_account`.
        """
        omit = "false" if include_zero else "true"
        answer = await self._read(lambda client: client.get_account(omitZeroBalances=omit))
        found = account.balances(answer)
        self._is_of_another = account.is_of_another(answer, self._account)
        self._require_account()
        return found if include_zero else account.without_zero(found)

    async def account_name(self) -> str | None:
        """Returns the account of the keys, as the exchange reports it; None where it reports none."""
        return account.account_name(await self._read(lambda client: client.get_account(omitZeroBalances="true")))

    def expect_account(self, name: str) -> None:
        """Makes balances of another account an error, after which no slot for an order is given either."""
        self._account = name

    def _require_account(self) -> None:
        if self._is_of_another:
            raise ExchangeUnavailable(
                "the stored key now answers for another account than it did before; keys do not move between accounts, "
                "so no order is created with it",
                hint=f"a person can find out why, and store a new key: `guardian keys add {self.environment.value}`",
            )

    async def clock_skew_ms(self, family: ApiFamily = ApiFamily.SPOT) -> int:
        """Returns the local clock less that of `family`'s host, in ms, measured in the last minute and since any jump.

        Raises:
            ExchangeUnavailable: the exchange could not be reached, or answered too slowly to measure it.
        """
        return await self._session.clock(family).skew_ms()

    # -- orders

    @asynccontextmanager
    async def order_slot(self) -> AsyncIterator[Slot]:
        """Takes a slot in the rate limits for one order, before the order is reserved; waits at most 2 s for it.

        It is passed to `place_order`, or given back where it was not used.

        Raises:
            ExchangeRateLimited: it would take longer, or the exchange asked to be left alone; carries the seconds.
            ExchangeUnavailable: the key turned out to be of another account; see `expect_account`.
        """
        self._require_account()
        slot = await self._client().take_order_slot()
        try:
            yield slot
        finally:
            self._session.rate_limits.give_back(slot)

    async def place_order(
        self, order: ResolvedOrder, *, client_order_id: str, timestamp_ms: int, slot: Slot | None = None
    ) -> OrderReport:
        """Sends the order, once. Returns the report as the exchange gave it: the caller compares it with what was sent.

        `timestamp_ms` was fixed when the intent was committed. Without a `slot` from `order_slot` one is taken here.

        Raises:
            NotSent: nothing left this machine: no connection, or `timestamp_ms` is 5 s old or more.
            ExchangeRejected, ExchangeRateLimited: the exchange said no; nothing happened.
            OutcomeUnknown: anything else; the order may exist.
        """
        if order.wire_type not in PRICED_TYPES:
            raise RequestRefused(f"an order of type {order.wire_type.value} has no worst price and is never sent")
        if _CLIENT_ORDER_ID.fullmatch(client_order_id) is None:
            raise RequestRefused("the client order id does not have the exchange's form")
        fields: dict[str, Any] = dict(order.as_dict())
        fields |= {"newClientOrderId": client_order_id, "newOrderRespType": "FULL"}
        fields |= {"timestamp": timestamp_ms, "slot": slot}
        try:
            answer = await self._session.write(lambda client: client.create_order(**fields))
        except ExchangeRejected:
            # It passed the stored rules, so they may have changed: the next order is checked against new ones.
            self._listings.forget(order.symbol)
            raise
        return _reported(answer, orders.placed)

    async def cancel_order(
        self, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None, timestamp_ms: int
    ) -> OrderReport:
        """Cancels an order by one of its two ids, once.

        Where the clock's skew is not known it is measured first, for at most 2 s. Returns and raises as `place_order`.
        """
        fields: dict[str, Any] = {"symbol": symbol, "timestamp": timestamp_ms, **one_id(order_id, client_order_id)}
        answer = await self._session.cancel(lambda client: client.cancel_order(**fields))
        return _reported(answer, orders.cancelled)

    async def order(
        self, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> OrderReport | None:
        """Returns an order by one of its two ids, as the exchange reports it; None where the exchange does not know it.

        None right after sending proves nothing: the exchange answers from a copy that lags.
        """
        fields = {"symbol": symbol, **one_id(order_id, client_order_id)}
        try:
            return orders.order(await self._read(lambda client: client.get_order(**fields)))
        except ExchangeRejected as rejection:
            if rejection.code == UNKNOWN_ORDER:
                return None
            raise

    async def open_orders(self, symbol: str | None, *, only_readable: bool = False) -> tuple[OrderReport, ...]:
        """Returns the account's open orders on a symbol, or on all symbols, whoever placed them: see `orders`."""
        return orders.orders(await self._read(lambda c: c.get_open_orders(symbol=symbol)), only_readable=only_readable)

    async def all_orders(
        self, symbol: str, *, start_time: int | None = None, order_id: int | None = None, limit: int = 50
    ) -> tuple[OrderReport, ...]:
        """Returns a symbol's orders, oldest first: the newest `limit`, or the first ones from a time or an id on."""
        fields = {"symbol": symbol, "limit": limit, "startTime": start_time, "orderId": order_id}
        return orders.orders(await self._read(lambda client: client.get_all_orders(**fields)))

    async def my_trades(self, symbol: str, order_id: int | None = None, first: int | None = None) -> tuple[Trade, ...]:
        """Returns at most 1,000 executions, oldest first: of an order, from an id of theirs on, or the newest."""
        fields = {"symbol": symbol, "orderId": order_id, "fromId": first, "limit": 1000}
        found = orders.trades(await self._read(lambda client: client.get_my_trades(**fields)))
        if order_id is not None and any(trade.order_id != order_id for trade in found):
            raise ExchangeUnavailable("the exchange's answer is about another order")
        return found

    # -- market

    async def ticker_price(self, symbol: str) -> TickerPrice:
        """Returns the price of the last trade."""
        return market.ticker_price(await self._read(lambda client: client.get_symbol_ticker(symbol=symbol)), symbol)

    async def ticker(self, symbol: str) -> Ticker:
        """Returns the last 24 hours."""
        return market.ticker(await self._read(lambda client: client.get_ticker(symbol=symbol)), symbol)

    async def candles(self, symbol: str, span: CandleSpan) -> Candles:
        """Returns the newest candles, oldest first."""
        fields = {"symbol": symbol, "interval": span.interval.value, "limit": span.count}
        answer = await self._read(lambda client: client.get_klines(**fields))
        return candles.candles(answer, symbol, span, now_ms=self._clock.now_ms())

    async def order_book(self, symbol: str, limit: int = 20) -> OrderBook:
        """Returns the best levels of both sides."""
        answer = await self._read(lambda client: client.get_order_book(symbol=symbol, limit=limit))
        return market.order_book(answer, symbol)

    async def listing(
        self, base_asset: str | None = None, quote_asset: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> SymbolPage:
        """Returns a page of the listed symbols after `cursor`, by name, from a list that is at most an hour old."""
        chosen = [
            row
            for row in await self._listings.everything()
            if base_asset in (None, row.base_asset) and quote_asset in (None, row.quote_asset)
        ]
        rest = [row for row in chosen if cursor is None or row.symbol > cursor]
        page = tuple(rest[:limit])
        return SymbolPage(symbols=page, total=len(chosen), next_cursor=page[-1].symbol if len(rest) > limit else None)

    # -- account

    async def fee(self, symbol: str) -> Fee:
        """Returns the account's commission rates for a symbol."""
        return account.fee(await self._read(lambda client: client.get_commission(symbol=symbol)), symbol)

    async def key_permissions(self) -> KeyPermissions:
        """Returns what the spot key may do, as the exchange answers it now. Raises RequestRefused but on `live`."""
        if self.environment is not Environment.LIVE:
            raise RequestRefused("the permissions of a key are read on `live` alone; nothing was sent")
        return account.key_permissions(await self._read(lambda client: client.get_account_api_permissions()))

    async def account_snapshot(self, request: GetAccountSnapshot) -> AccountSnapshot:
        """Returns daily snapshots of a wallet."""
        self._require_wallet()
        fields = period(request.start_time, request.end_time) | {"type": request.account_type, "limit": request.limit}
        answer = await self._read(lambda client: client.get_account_snapshot(**fields))
        return wallet.account_snapshot(answer, request.account_type)

    async def deposits(self, request: GetDepositHistory) -> Deposits:
        """Returns a page of deposits."""
        self._require_wallet()
        answer = await self._read(lambda client: client.get_deposit_history(**page(request)))
        return wallet.deposits(answer, request)

    async def deposit_address(self, request: GetDepositAddress) -> DepositAddress:
        """Returns where to send a coin."""
        self._require_wallet()
        answer = await self._read(lambda client: client.get_deposit_address(coin=request.coin, network=request.network))
        return wallet.deposit_address(answer, request)

    async def withdrawals(self, request: GetWithdrawHistory) -> Withdrawals:
        """Returns a page of withdrawals."""
        self._require_wallet()
        fields = page(request)
        return wallet.withdrawals(await self._read(lambda client: client.get_withdraw_history(**fields)), request)

    async def transfers(self, request: GetUniversalTransferHistory) -> Transfers:
        """Returns a page of transfers between the owner's wallets."""
        self._require_wallet()
        fields = period(request.start_time, request.end_time)
        fields |= {"type": request.transfer_type, "current": request.page, "size": request.limit}
        answer = await self._read(lambda client: client.query_universal_transfer_history(**fields))
        return wallet.transfers(answer, request)

    # -- futures

    async def positions(self, request: GetPositionInfo) -> FuturesPositions:
        """Returns the futures positions that are open."""
        answer = await self._read_futures(lambda client: client.futures_position_information(symbol=request.symbol))
        return futures.positions(answer)

    async def profit_and_loss(self, request: GetFuturesPnl) -> ProfitAndLoss:
        """Returns the futures account and its income in the period: two requests at once."""
        fields = period(request.start_time, request.end_time) | {"symbol": request.symbol, "limit": request.limit}
        state, income = await together(
            self._read_futures(lambda client: client.futures_account(version=3)),
            self._read_futures(lambda client: client.futures_income_history(**fields)),
        )
        return futures.profit_and_loss(state, income, limit=request.limit)

    async def liquidations(self, request: GetLiquidationHistory) -> Liquidations:
        """Returns the account's own forced orders."""
        fields = period(request.start_time, request.end_time) | {"symbol": request.symbol, "limit": request.limit}
        answer = await self._read_futures(lambda client: client.futures_liquidation_orders(**fields))
        return futures.liquidations(answer)

    # -- inner

    def _client(self) -> GuardedClient:
        return self._session.client()

    async def _read(self, call: Callable[[GuardedClient], Awaitable[object]]) -> object:
        return await self._session.read(call)

    async def _read_futures(self, call: Callable[[GuardedClient], Awaitable[object]]) -> object:
        return await self._session.read(call, ApiFamily.FUTURES)

    async def _exchange_info(self, parameters: Mapping[str, str]) -> object:
        return await self._read(lambda client: client.get_listing(**parameters))

    def _require_wallet(self) -> None:
        if not self.has_wallet:
            raise RequestRefused(
                f"{self.environment.value} has no wallet interface; nothing was sent",
                hint="wallet history and addresses exist on `live` and `paper` only",
            )

    async def _fetch_book_tops(self, symbols: Sequence[str]) -> dict[str, BookTop]:
        started = self._clock.now_ms()
        answer = await self._read(lambda client: client.get_orderbook_tickers(symbols=json_list(symbols)))
        return market.book_tops(answer, symbols, fetched_ms=started)


def _reported(answer: object, mapped: Callable[[object], OrderReport]) -> OrderReport:
    """Returns the report in a write's answer. A malformed answer proves nothing: the write may have happened."""
    try:
        return mapped(answer)
    except ExchangeUnavailable:
        pass
    raise OutcomeUnknown("the exchange's answer does not give the order's status")
