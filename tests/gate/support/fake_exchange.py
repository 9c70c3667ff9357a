"""An exchange made by hand: it remembers its requests and answers as its script says.

It speaks the domain's types and no HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from guardian.domain.accounts import Balance, Balances
from guardian.domain.instruments import Instrument, Range
from guardian.domain.market import AveragePrice, BookTop, DayOpen, ListedSymbol, SymbolPage, Ticker, TickerPrice
from guardian.domain.orders import (
    Fill,
    OrderReport,
    OrderType,
    ResolvedOrder,
    TimeInForce,
    Trade,
)
from guardian.errors import ExchangeRejected, RequestRefused
from guardian.exchange.limits.weight_meter import background_meter
from guardian.exchange.limits.weights import (
    ALL_OPEN_ORDERS,
    ALL_ORDERS,
    EXCHANGE_INFO,
    ONE_ORDER,
    OPEN_ORDERS,
    TRADES_OF_ORDER,
)
from guardian.gate.witness import exchange_lists
from tests.gate.support.fake_clock import FakeClock

D = Decimal


@dataclass(frozen=True)
class Lost:
    """The order arrives, with this status, and then the reply does not."""

    failure: BaseException
    status: str = "NEW"


@dataclass(frozen=True)
class Placed:
    """The order arrives and is reported with this status, and with `executed` of it done."""

    status: str = "NEW"
    executed: str = "0"
    fills: tuple[Fill, ...] = ()


WEIGHTS = {
    "order": ONE_ORDER, "open_orders": OPEN_ORDERS, "all_orders": ALL_ORDERS, "my_trades": TRADES_OF_ORDER,
    "instruments": EXCHANGE_INFO,
}  # fmt: skip
"""Of what is read in the background."""

Act = BaseException | Lost | Placed | Callable[[], Awaitable[None]]
"""What the exchange does next: fail, lose the reply, answer, or do something first and then go on to the next act."""


@dataclass(eq=False)  # as the real one, it is itself alone
class FakeExchange:
    """Keeps orders by client order id. `asked` is every request in its order, as (name, fields)."""

    clock: FakeClock
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    placed: list[tuple[ResolvedOrder, str, int]] = field(default_factory=list)
    reports: dict[str, OrderReport] = field(default_factory=dict)
    script: list[Act] = field(default_factory=list)
    cancels: list[Act] = field(default_factory=list)
    before_place: Callable[[ResolvedOrder, str], None] = lambda _order, _name: None
    fails: dict[str, BaseException] = field(default_factory=dict)
    """By the name of a read: what it raises, every time."""
    during: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """By the name of a read: what happens while it is on its way, once."""
    hidden: set[str] = field(default_factory=set)
    """Client order ids that `order` does not know yet, although they are there."""
    unlisted: set[str] = field(default_factory=set)
    """Client order ids that the lists do not have either."""
    books: dict[str, tuple[str, str]] = field(default_factory=lambda: {"BTCUSDT": ("60000", "60001")})
    averages: dict[str, str] = field(default_factory=dict)
    """By symbol: the average price; the bid where nothing is said."""
    averages_fail: dict[str, BaseException] = field(default_factory=dict)
    """By symbol: what the question for its average price raises."""
    trade_ages_ms: dict[str, int] = field(default_factory=dict)
    """By symbol: how long ago the last trade was; none where nothing is said."""
    statuses: dict[str, str] = field(default_factory=dict)
    """By symbol: `TRADING` where nothing is said."""
    filters: dict[str, Any] = field(default_factory=dict)
    """What the trading rules of every symbol have besides, such as `max_orders`."""
    day_opens: dict[str, str] = field(default_factory=dict)
    """By symbol: the price of 24 hours ago; the bid where nothing is said."""
    closed_before: dict[str, str] = field(default_factory=dict)
    """By symbol: the price of the trade before that; the same where nothing is said."""
    free: dict[str, str] = field(default_factory=lambda: {"USDT": "1000000", "BTC": "10"})
    is_right: bool = False
    """Its clock shows true time; else the time of the wall clock, wherever that is set."""
    prevented: Decimal | None = None
    """What self-trade prevention holds back of each order."""
    odd_answer: OrderReport | None = None
    trades: dict[int, tuple[Fill, ...]] = field(default_factory=dict)
    """By the exchange's order id: what the list of trades has."""
    traded_ms: int | None = None
    """When those trades were; None for now."""

    async def _read(self, name: str, **fields: Any) -> None:
        self.asked.append((name, fields))
        meter = background_meter()
        if meter is not None:
            meter.add(WEIGHTS[name] if fields.get("symbol", "") is not None else ALL_OPEN_ORDERS)
        happens = self.during.pop(name, None)
        if happens is not None:
            await happens()
        if name in self.fails:
            raise self.fails[name]

    # -- facts

    async def instruments(self, symbols: Iterable[str]) -> dict[str, Instrument]:
        wanted = tuple(symbols)
        await self._read("instruments", symbols=wanted)
        return {
            symbol: replace(instrument(symbol), status=self.statuses.get(symbol, "TRADING"), **self.filters)
            for symbol in wanted
            if symbol in self.books
        }

    async def current_instruments(self, symbols: Iterable[str]) -> dict[str, Instrument]:
        return await self.instruments(symbols)

    async def book_tops(self, symbols: Iterable[str]) -> dict[str, BookTop]:
        started = self.clock.now_ms()
        await self._read("book_tops", symbols=tuple(symbols))
        return {
            symbol: BookTop(bid=D(bid), ask=D(ask), fetched_ms=started)
            for symbol, (bid, ask) in self.books.items()
            if symbol in tuple(symbols)
        }

    async def average_price(self, symbol: str) -> AveragePrice:
        await self._read("average_price", symbol=symbol)
        if symbol in self.averages_fail:
            raise self.averages_fail[symbol]
        age_ms = self.trade_ages_ms.get(symbol, 0)
        price = D(self.averages.get(symbol, self.books[symbol][0]))
        return AveragePrice(price=price, traded_ms=self.clock.now_ms() - age_ms)

    async def day_open(self, symbol: str) -> DayOpen:
        await self._read("ticker", symbol=symbol)
        opened = D(self.day_opens.get(symbol, self.books[symbol][0]))
        previous = D(self.closed_before.get(symbol, str(opened)))
        return DayOpen(price=opened, previous=previous, low=min(opened, previous), high=max(opened, previous))

    async def balances(self, include_zero: bool = False) -> Balances:
        await self._read("balances", include_zero=include_zero)
        rows = tuple(Balance(asset=asset, free=D(free), locked=D(0)) for asset, free in self.free.items())
        return Balances(balances=rows, can_trade=True, updated=None)

    async def clock_skew_ms(self) -> int:
        await self._read("clock_skew_ms")
        return self.clock.error_ms if self.is_right else 0

    # -- orders

    @asynccontextmanager
    async def order_slot(self) -> AsyncIterator[None]:
        """There is always room in the limits but where `fails` says otherwise."""
        if "order_slot" in self.fails:
            raise self.fails["order_slot"]
        yield

    async def place_order(
        self, order: ResolvedOrder, *, client_order_id: str, timestamp_ms: int, slot: object = None
    ) -> OrderReport:
        self.asked.append(("place_order", {"client_order_id": client_order_id}))
        self.before_place(order, client_order_id)
        self.placed.append((order, client_order_id, timestamp_ms))
        default = Placed("FILLED", str(order.quantity)) if order.time_in_force is TimeInForce.IOC else Placed()
        act = self.script.pop(0) if self.script else default
        while callable(act):
            await act()
            act = self.script.pop(0) if self.script else default
        if isinstance(act, BaseException):
            raise act
        if isinstance(act, Lost):
            self.reports[client_order_id] = self._report(order, client_order_id, act.status, D(0))
            raise act.failure
        report = self._report(order, client_order_id, act.status, D(act.executed))
        if act.fills and sum(fill.quantity for fill in act.fills) == report.executed_quantity:
            amount = sum((fill.price * fill.quantity for fill in act.fills), D(0))
            report = replace(report, executed_quote_quantity=amount)
        self.reports[client_order_id] = report
        return self.odd_answer or replace(report, fills=act.fills)

    def _report(self, order: ResolvedOrder, name: str, status: str, executed: Decimal) -> OrderReport:
        return OrderReport(
            symbol=order.symbol,
            order_id=len(self.placed),
            client_order_id=name,
            side=order.side.value,
            order_type=order.wire_type.value,
            status=status,
            time_in_force=None if order.time_in_force is None else order.time_in_force.value,
            price=order.price,
            stop_price=order.stop_price,
            quantity=order.quantity,
            executed_quantity=executed,
            executed_quote_quantity=executed * order.price,
            time=self.clock.now_ms(),
            created_ms=self.clock.now_ms(),
            prevented_quantity=self.prevented,
        )

    def becomes(self, name: str, status: str, executed: str | None = None) -> None:
        """Moves the order to this status at the exchange."""
        report = self.reports[name]
        done = report.executed_quantity if executed is None else D(executed)
        self.reports[name] = replace(
            report, status=status, executed_quantity=done, executed_quote_quantity=done * report.price
        )

    async def cancel_order(
        self, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None, timestamp_ms: int
    ) -> OrderReport:
        self.asked.append(("cancel_order", {"order_id": order_id, "client_order_id": client_order_id}))
        act = self.cancels.pop(0) if self.cancels else Placed("CANCELED")
        while callable(act):
            await act()
            act = self.cancels.pop(0) if self.cancels else Placed("CANCELED")
        found = self._find(symbol, order_id, client_order_id)
        if isinstance(act, BaseException):
            raise act
        if found is None or found.status not in {"NEW", "PARTIALLY_FILLED"}:
            raise ExchangeRejected(-2011, "Unknown order sent.", http_status=400)
        self.becomes(found.client_order_id, "CANCELED")
        if isinstance(act, Lost):
            raise act.failure
        return self.reports[found.client_order_id]

    def _find(self, symbol: str, order_id: int | None, name: str | None) -> OrderReport | None:
        for report in self.reports.values():
            if report.symbol == symbol and (report.client_order_id == name or report.order_id == order_id):
                return report
        return None

    async def order(
        self, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> OrderReport | None:
        await self._read("order", order_id=order_id, client_order_id=client_order_id)
        if order_id is None and client_order_id is None:
            raise RequestRefused("an order is named by exactly one of its two ids")
        found = self._find(symbol, order_id, client_order_id)
        return None if found is None or found.client_order_id in self.hidden else found

    async def open_orders(self, symbol: str | None, *, only_readable: bool = False) -> tuple[OrderReport, ...]:
        await self._read("open_orders", symbol=symbol)
        return tuple(r for r in self._listed(symbol) if r.status in {"NEW", "PARTIALLY_FILLED"})

    async def all_orders(
        self, symbol: str, *, start_time: int | None = None, order_id: int | None = None, limit: int = 50
    ) -> tuple[OrderReport, ...]:
        await self._read("all_orders", symbol=symbol, start_time=start_time, order_id=order_id, limit=limit)
        found = sorted(self._listed(symbol), key=lambda report: report.order_id)
        if start_time is not None:
            found = [report for report in found if (report.created_ms or 0) >= start_time]
        if order_id is not None:
            found = [report for report in found if report.order_id >= order_id]
        is_from_a_start = start_time is not None or order_id is not None
        return tuple(found[:limit] if is_from_a_start else found[-limit:])

    async def my_trades(self, symbol: str, order_id: int | None = None, first: int | None = None) -> tuple[Trade, ...]:
        await self._read("my_trades", symbol=symbol, order_id=order_id, first=first)
        if order_id is not None:
            return tuple(trade for trade in self._executions() if trade.order_id == order_id)
        symbols = {report.order_id: report.symbol for report in self.reports.values()}
        found = [trade for trade in self._executions() if symbols.get(trade.order_id, symbol) == symbol]
        page = exchange_lists.PAGE
        return tuple([t for t in found if t.trade_id >= first][:page] if first is not None else found[-page:])

    def _executions(self) -> tuple[Trade, ...]:
        """All of them, numbered in the order of their orders."""
        time = self.traded_ms or self.clock.now_ms()
        fills = ((order_id, fill) for order_id, listed in sorted(self.trades.items()) for fill in listed)
        return tuple(
            Trade(order_id=order_id, time=time, fill=fill, trade_id=number)
            for number, (order_id, fill) in enumerate(fills, 1)
        )

    def _listed(self, symbol: str | None) -> tuple[OrderReport, ...]:
        there = (r for r in self.reports.values() if r.client_order_id not in self.unlisted)
        return tuple(r for r in there if symbol in {None, r.symbol})

    # -- reads

    async def ticker(self, symbol: str) -> Ticker:
        await self._read("ticker", symbol=symbol)
        bid, ask = map(D, self.books[symbol])
        opened = D(self.day_opens.get(symbol, self.books[symbol][0]))
        return Ticker(
            symbol=symbol,
            last_price=bid,
            price_change=bid - opened,
            price_change_percent=D(0),
            weighted_average_price=bid,
            open_price=opened,
            high_price=max(bid, opened),
            low_price=min(bid, opened),
            bid_price=bid,
            ask_price=ask,
            volume=D(1),
            quote_volume=bid,
            open_time="",
            close_time="",
            trades=1,
        )

    async def ticker_price(self, symbol: str) -> TickerPrice:
        await self._read("ticker_price", symbol=symbol)
        return TickerPrice(symbol=symbol, price=D("60000"))

    async def listing(
        self, base_asset: str | None = None, quote_asset: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> SymbolPage:
        await self._read("listing", base_asset=base_asset, quote_asset=quote_asset, limit=limit, cursor=cursor)
        rows = tuple(
            ListedSymbol(
                symbol=symbol,
                base_asset=symbol[:3],
                quote_asset=symbol[3:],
                status="TRADING",
                order_types=("LIMIT",),
                tick_size=D("0.01"),
                step_size=D("0.00001"),
                min_quantity=D("0.00001"),
                max_quantity=D("9000"),
                min_notional=D("5"),
            )
            for symbol in ("BTCUSDT", "XRPUSDT")
        )
        return SymbolPage(symbols=rows, total=2, next_cursor=None)

    def names(self) -> list[str]:
        """The names of what was asked, in order."""
        return [name for name, _ in self.asked]


def instrument(symbol: str, **changed: Any) -> Instrument:
    """A symbol of two assets, of which the first has three letters; prices in BTC are finer."""
    in_btc = symbol.endswith("BTC")
    tick = D("0.00001") if in_btc else D("0.01")
    values: dict[str, Any] = {
        "symbol": symbol,
        "base_asset": symbol[:3],
        "quote_asset": symbol[3:],
        "status": "TRADING",
        "order_types": frozenset(kind.value for kind in OrderType),
        "price": Range(minimum=tick, maximum=D("1000000"), step=tick),
        "lot": Range(minimum=D("0.00001"), maximum=D("9000"), step=D("0.00001")),
        "min_notional": D("0.0001") if in_btc else D("5"),
    }
    return Instrument(**{**values, **changed})
