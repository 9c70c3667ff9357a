"""A true exchange in a few hundred lines: books, one account, orders, fees and a clock, over Binance's REST protocol.

It knows nothing of guardian. What is true is in plain fields; what a reader sees of it (late, blind, contradicting)
is decided in `tests.adversary.rest`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

D = Decimal
ZERO = D(0)
EIGHTH = D("0.00000001")
OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})
STOPS = frozenset({"STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
FEE = D("0.001")
DEPTH, HALF = D(1000), D("0.5")


class Refused(Exception):
    """The exchange says no, with its code."""

    def __init__(self, code: int, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.code, self.text, self.status = code, text, status


@dataclass
class Market:
    """One symbol: its rules, its book as it is shown, and its average."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    min_notional: Decimal
    bid: Decimal = ZERO
    ask: Decimal = ZERO
    average: Decimal | None = ZERO
    """None where the exchange has none to give."""
    traded_ago_ms: int = 0
    """How long ago it saw its last trade."""
    halted_ms: int | None = None
    """Since when it is halted: no trade comes after that."""
    depth: Decimal = DEPTH
    """What one order finds on the other side, in the base asset."""
    status: str = "TRADING"
    order_types: tuple[str, ...] = ("LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
    max_orders: int = 200
    max_stop_orders: int = 5
    max_position: Decimal = ZERO
    percent: Decimal = HALF
    """How far from the average a price may be."""
    is_listed: bool = True

    @property
    def is_two_sided(self) -> bool:
        """Whether there are a bid and an ask that do not cross."""
        return 0 < self.bid <= self.ask


@dataclass
class Order:
    """One order as it truly is."""

    order_id: int
    client_id: str
    """What it is called now; the owner can amend that."""
    posted_as: str
    """What it was called when it was sent."""
    symbol: str
    side: str
    kind: str
    time_in_force: str
    price: Decimal
    stop: Decimal | None
    quantity: Decimal
    time: int
    sent_quantity: Decimal
    """The quantity it was sent with, whatever was amended since."""
    updated: int = 0
    executed: Decimal = ZERO
    quote: Decimal = ZERO
    status: str = "NEW"
    waits: bool = False
    """A stop that was not reached yet."""
    is_hidden: bool = False
    """No read shows it, though it is there."""
    is_foreign: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it can still fill."""
        return self.status in OPEN

    @property
    def left(self) -> Decimal:
        """What of it can still fill."""
        return self.quantity - self.executed if self.is_open else ZERO


@dataclass
class TradeRow:
    """One execution."""

    trade_id: int
    order: Order
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    time: int


def markets() -> dict[str, Market]:
    """Five symbols in three quote assets."""
    small, eighth = D("0.00001"), D("0.000001")
    return {
        m.symbol: m
        for m in (
            Market("BTCUSDT", "BTC", "USDT", D("0.01"), small, D(5)),
            Market("ETHUSDT", "ETH", "USDT", D("0.01"), D("0.0001"), D(5)),
            Market("ETHBTC", "ETH", "BTC", eighth, D("0.0001"), D("0.0001")),
            Market("BTCUSDC", "BTC", "USDC", D("0.01"), small, D(5)),
            Market("USDCUSDT", "USDC", "USDT", D("0.0001"), D("0.01"), D(5)),
            Market("BNBUSDT", "BNB", "USDT", D("0.01"), D("0.001"), D(5)),
        )
    }


@dataclass
class Venue:
    """The exchange. `now_ms` is true time, which nobody sets."""

    now_ms: Callable[[], int]
    markets: dict[str, Market] = field(default_factory=markets)
    worth: dict[str, Decimal] = field(
        default_factory=lambda: {"USDT": D(1), "USDC": D(1), "BTC": D(60000), "ETH": D(3000), "BNB": D(600)}
    )
    """What an asset is truly worth in USDT, whatever a book shows."""
    free: dict[str, Decimal] = field(
        default_factory=lambda: {"USDT": D(100000), "USDC": D(100000), "BTC": D(1), "ETH": D(10), "BNB": D(10)}
    )
    locked: dict[str, Decimal] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    trades: list[TradeRow] = field(default_factory=list)
    fee_in: str = "received"
    """What fees are taken in: `received`, an asset's name, or `nothing`."""
    next_id: int = 1000
    on_trade: Callable[[TradeRow], None] = lambda _row: None

    def __post_init__(self) -> None:
        for symbol in self.markets:
            self.show_truth(symbol)

    # -- the market

    def true_price(self, symbol: str) -> Decimal:
        """What one of the base asset is truly worth in the quote asset."""
        market = self.markets[symbol]
        return self.worth[market.base] / self.worth[market.quote]

    def show_truth(self, symbol: str) -> None:
        """The book and the average are honest again, and orders meet it."""
        market, price = self.markets[symbol], self.true_price(symbol)
        market.bid = floor(price, market.tick)
        market.ask = market.bid + market.tick
        market.average, market.traded_ago_ms, market.depth = price.quantize(EIGHTH), 0, D(1000)
        self.meet(symbol)

    def show(self, symbol: str, bid: Decimal, ask: Decimal) -> None:
        """The book is this, whatever is true; what rests meets it."""
        market = self.markets[symbol]
        market.bid, market.ask = bid, ask
        self.meet(symbol)

    def moves(self, asset: str, factor: Decimal) -> None:
        """The asset is worth so much more or less, and every book of it shows that."""
        self.worth[asset] = (self.worth[asset] * factor).quantize(D("0.01"))
        for market in self.markets.values():
            if asset in {market.base, market.quote}:
                self.show_truth(market.symbol)

    def halt(self, symbol: str, status: str = "BREAK") -> None:
        """The symbol takes no orders, and sees no trade."""
        market = self.markets[symbol]
        market.status, market.halted_ms = status, self.now_ms()

    def reopen(self, symbol: str) -> None:
        """It trades again, at honest prices."""
        market = self.markets[symbol]
        market.status, market.halted_ms = "TRADING", None
        self.show_truth(symbol)

    def held(self, asset: str) -> Decimal:
        """What the account has, free and locked."""
        return self.free.get(asset, ZERO) + self.locked.get(asset, ZERO)

    # -- orders

    def place(self, fields: dict[str, str], *, is_foreign: bool = False) -> Order:
        """Take an order in and let it meet the book. Raises Refused."""
        market = self.markets.get(fields["symbol"])
        if market is None or not market.is_listed:
            raise Refused(-1121, "Invalid symbol.")
        kind, side = fields["type"], fields["side"]
        price, quantity = D(fields["price"]), D(fields["quantity"])
        stop = D(fields["stopPrice"]) if "stopPrice" in fields else None
        self._check_filters(market, kind, price, quantity)
        if any(one.client_id == fields["newClientOrderId"] and one.is_open for one in self.orders):
            raise Refused(-2010, "Duplicate order sent.")
        crosses = 0 < market.ask <= price if side == "BUY" else 0 < price <= market.bid
        if kind == "LIMIT_MAKER" and crosses:
            raise Refused(-2010, "Order would immediately match and take.")
        asset, amount = (market.quote, price * quantity) if side == "BUY" else (market.base, quantity)
        if self.free.get(asset, ZERO) < amount:
            raise Refused(-2010, "Account has insufficient balance for requested action.")
        self._lock(asset, amount)
        now = self.now_ms()
        order = Order(
            order_id=self.next_id, client_id=fields["newClientOrderId"], posted_as=fields["newClientOrderId"],
            symbol=market.symbol, side=side, kind=kind, time_in_force=fields.get("timeInForce", "GTC"), price=price,
            stop=stop, quantity=quantity, sent_quantity=quantity, time=now, updated=now, waits=kind in STOPS,
            is_foreign=is_foreign,
        )  # fmt: skip
        self.next_id += 1
        self.orders.append(order)
        self._trade(order, takes=True)
        if order.is_open and order.time_in_force in {"IOC", "FOK"}:
            self._end(order, "EXPIRED")
        return order

    def _check_filters(self, market: Market, kind: str, price: Decimal, quantity: Decimal) -> None:
        if market.status != "TRADING":
            raise Refused(-1013, "Market is closed.")
        if kind not in market.order_types:
            raise Refused(-1106, "Order type is not supported for this symbol.")
        if price <= 0 or price % market.tick:
            raise Refused(-1013, "Filter failure: PRICE_FILTER")
        if quantity <= 0 or quantity % market.step:
            raise Refused(-1013, "Filter failure: LOT_SIZE")
        if price * quantity < market.min_notional:
            raise Refused(-1013, "Filter failure: NOTIONAL")

    def meet(self, symbol: str) -> None:
        """What rests on a symbol meets its book."""
        for order in self.orders:
            if order.symbol == symbol and order.is_open:
                self._trade(order)

    def _trade(self, order: Order, *, takes: bool = False) -> None:
        market = self.markets[order.symbol]
        buying = order.side == "BUY"
        if market.status != "TRADING":
            return
        if order.waits and not self._is_reached(order, market):
            return
        order.waits = False
        best = market.ask if buying else market.bid
        if best <= 0 or (order.price < best if buying else order.price > best):
            return
        quantity = min(order.left, floor(market.depth, market.step))
        if order.time_in_force == "FOK" and quantity < order.left:
            return
        # A resting order fills at its own price, one that comes in at the book's.
        self._fill(order, market, best if takes else order.price, quantity)

    @staticmethod
    def _is_reached(order: Order, market: Market) -> bool:
        stop = order.stop or ZERO
        rising = (order.side == "BUY") == (order.kind == "STOP_LOSS_LIMIT")
        price = market.ask if order.side == "BUY" else market.bid
        return price >= stop if rising else 0 < price <= stop

    def _fill(self, order: Order, market: Market, price: Decimal, quantity: Decimal) -> None:
        if quantity <= 0:
            return
        quote = price * quantity
        buying = order.side == "BUY"
        if buying:
            self._lock(market.quote, -order.price * quantity)
            self._add(market.quote, -quote)
        else:
            self._lock(market.base, -quantity)
            self._add(market.base, -quantity)
        received, amount = (market.base, quantity) if buying else (market.quote, quote)
        self._add(received, amount)
        asset = received if self.fee_in == "received" else self.fee_in
        fee = ZERO
        if asset != "nothing":
            value = amount * FEE * self.worth[received] / self.worth[asset]
            fee = (amount * FEE if asset == received else value).quantize(EIGHTH, ROUND_DOWN)
            fee = min(fee, max(self.free.get(asset, ZERO), ZERO))
            self._add(asset, -fee)
        order.executed += quantity
        order.quote += quote
        order.updated = self.now_ms()
        order.status = "FILLED" if order.executed == order.quantity else "PARTIALLY_FILLED"
        asset = received if asset == "nothing" else asset
        row = TradeRow(len(self.trades) + 1, order, price, quantity, fee, asset, self.now_ms())
        self.trades.append(row)
        self.on_trade(row)

    def fill(self, order: Order, part: Decimal) -> None:
        """Somebody takes a part of a resting order at its price."""
        market = self.markets[order.symbol]
        quantity = order.left if part == 1 else floor(order.left * part, market.step)
        order.waits = False
        self._fill(order, market, order.price, quantity)

    def cancel(self, order: Order) -> None:
        """End an open order. Raises Refused where it is not open."""
        if not order.is_open:
            raise Refused(-2011, "Unknown order sent.")
        self._end(order, "CANCELED")

    def _end(self, order: Order, status: str) -> None:
        self._unlock(order, order.left)
        order.status, order.updated = status, self.now_ms()

    def amend(self, order: Order, quantity: Decimal, client_id: str) -> None:
        """Make it smaller and give it another name; it keeps its place and its id (`order/amend/keepPriority`)."""
        self._unlock(order, order.quantity - quantity)
        order.quantity, order.client_id, order.updated = quantity, client_id, self.now_ms()

    def wipe(self) -> None:
        """The testnet begins again: no orders, ids from the start, balances as on the first day."""
        self.orders, self.trades, self.next_id = [], [], 1000
        fresh = Venue(self.now_ms)
        self.free, self.locked = fresh.free, {}

    # -- the account

    def _unlock(self, order: Order, quantity: Decimal) -> None:
        market = self.markets[order.symbol]
        if order.side == "BUY":
            self._lock(market.quote, -order.price * quantity)
        else:
            self._lock(market.base, -quantity)

    def _lock(self, asset: str, amount: Decimal) -> None:
        self.free[asset] = self.free.get(asset, ZERO) - amount
        self.locked[asset] = self.locked.get(asset, ZERO) + amount

    def _add(self, asset: str, amount: Decimal) -> None:
        self.free[asset] = self.free.get(asset, ZERO) + amount


def floor(value: Decimal, step: Decimal) -> Decimal:
    """The largest whole number of steps that is no more than the value."""
    return (value // step) * step
