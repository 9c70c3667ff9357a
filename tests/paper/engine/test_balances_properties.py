"""Properties of the engine: whatever is asked of it, in whatever order, not a digit is lost."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from guardian.errors import ExchangeRejected
from guardian.paper.engine.matching_engine import Engine
from guardian.paper.engine.orders import (
    Advance,
    BalanceChanged,
    CancelAll,
    CancelOne,
    Command,
    Event,
    Order,
    OrderChanged,
    PayFeesInBnb,
    PlaceOrder,
    Rematch,
    Traded,
    quote_value,
    reservation,
)
from guardian.paper.engine.state import State, mistakes, new_state
from guardian.paper.market.pinned import Pin, PinnedFeed
from guardian.paper.market.seeded import SeededFeed
from guardian.paper.market.symbols import LISTINGS
from tests.support.profiles import tries

START = {"USDT": Decimal(50000), "BTC": Decimal(1), "ETH": Decimal(10), "BNB": Decimal("0.05")}
BORN = 1_795_000_000_000
ASSETS_OF = {name: (one.base_asset, one.quote_asset) for name, one in LISTINGS.items()}
symbols = st.sampled_from(["BTCUSDT", "ETHUSDT", "ETHBTC"])
sides = st.sampled_from(["BUY", "SELL"])
modes = st.sampled_from(["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT"])


class Trading(RuleBasedStateMachine):
    """Places, cancels, lets time pass and moves the market, and keeps books of its own from the events alone."""

    @initialize(seed=st.integers(min_value=0, max_value=20))
    def start(self, seed: int) -> None:
        self.seed = seed
        self.done: list[tuple[Command | Pin | None, str, int]] = []
        self.feed = PinnedFeed(SeededFeed(seed))
        self.state = new_state(START, born=BORN)
        self.engine = Engine(self.state, self.feed)
        self.now = BORN
        self.placed = 0
        self.events: list[Event] = []

    def handle(self, command: Command) -> None:
        self.done.append((command, "", self.now))
        before = snapshot(self.state)
        try:
            self.events += self.engine.handle(command, self.now)
        except ExchangeRejected:
            assert snapshot(self.state) == before, "a refused command changed something"

    @rule(
        symbol=symbols,
        side=sides,
        kind=st.sampled_from(["LIMIT", "LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"]),
        tif=st.sampled_from(["GTC", "GTC", "IOC", "FOK"]),
        mode=modes,
        parts=st.integers(min_value=0, max_value=4),
        offset=st.integers(min_value=-60, max_value=60),
        stop_offset=st.integers(min_value=-40, max_value=40),
        notional=st.integers(min_value=1, max_value=30000),
    )
    def place_priced(
        self,
        symbol: str,
        side: str,
        kind: str,
        tif: str,
        mode: str,
        parts: int,
        offset: int,
        stop_offset: int,
        notional: int,
    ) -> None:
        listing = LISTINGS[symbol]
        last = self.feed.last_price(symbol, self.now)
        price = at_offset(last, offset, listing.tick)
        worth = Decimal(notional) / (1 if listing.quote_asset == "USDT" else 60000)
        quantity = (worth / price // listing.step) * listing.step
        self.place(
            PlaceOrder(
                symbol=symbol,
                side=side,
                order_type=kind,
                client_order_id=f"id-{self.placed % 40}",
                time_in_force="GTC" if kind == "LIMIT_MAKER" else tif,
                self_trade_mode=mode,
                quantity=quantity,
                iceberg_quantity=(quantity / parts // listing.step) * listing.step
                if parts > 1 and (tif == "GTC" or kind == "LIMIT_MAKER")
                else Decimal(0),
                price=price,
                stop_price=at_offset(last, stop_offset, listing.tick)
                if "STOP" in kind or "TAKE" in kind
                else Decimal(0),
            )
        )

    @rule(
        symbol=symbols,
        side=sides,
        kind=st.sampled_from(["STOP_LOSS", "TAKE_PROFIT"]),
        mode=modes,
        stop_offset=st.integers(min_value=-40, max_value=40),
        notional=st.integers(min_value=10, max_value=30000),
    )
    def place_stop(self, symbol: str, side: str, kind: str, mode: str, stop_offset: int, notional: int) -> None:
        listing = LISTINGS[symbol]
        last = self.feed.last_price(symbol, self.now)
        worth = Decimal(notional) / (1 if listing.quote_asset == "USDT" else 60000)
        self.place(
            PlaceOrder(
                symbol=symbol,
                side=side,
                order_type=kind,
                client_order_id=f"id-{self.placed % 40}",
                self_trade_mode=mode,
                quantity=(worth / last // listing.step) * listing.step,
                stop_price=at_offset(last, stop_offset, listing.tick),
            )
        )

    @rule(
        symbol=symbols,
        side=sides,
        mode=modes,
        notional=st.integers(min_value=1, max_value=60000),
        by_quote=st.booleans(),
    )
    def place_market(self, symbol: str, side: str, mode: str, notional: int, by_quote: bool) -> None:
        listing = LISTINGS[symbol]
        worth = Decimal(notional) / (1 if listing.quote_asset == "USDT" else 60000)
        worth = worth.quantize(Decimal("0.00000001"))
        last = self.feed.last_price(symbol, self.now)
        quantity = (worth / last // listing.step) * listing.step
        terms: dict[str, Any] = {"quote_quantity": worth} if by_quote else {"quantity": quantity}
        self.place(
            PlaceOrder(
                symbol=symbol,
                side=side,
                order_type="MARKET",
                client_order_id=f"id-{self.placed % 40}",
                self_trade_mode=mode,
                **terms,
            )
        )

    def place(self, command: PlaceOrder) -> None:
        if command.quantity > 0 or command.quote_quantity > 0:
            self.placed += 1
            self.handle(command)

    @rule(which=st.integers(min_value=0, max_value=30))
    def cancel(self, which: int) -> None:
        orders = list(self.state.orders.values())
        if orders:
            order = orders[-1 - which % len(orders)]
            self.handle(CancelOne(symbol=order.symbol, order_id=order.order_id, client_order_id=None))

    @rule(symbol=symbols)
    def cancel_all(self, symbol: str) -> None:
        self.handle(CancelAll(symbol))

    @rule(enabled=st.booleans())
    def pay_fees_in_bnb(self, enabled: bool) -> None:
        self.handle(PayFeesInBnb(enabled))

    @rule()
    def start_again(self) -> None:
        self.done.append((None, "", self.now))
        self.engine = Engine(self.state, self.feed)
        # What the account had taken of the market's levels is there again.
        for symbol in ("BTCUSDT", "ETHUSDT", "ETHBTC"):
            self.handle(Rematch(symbol))

    @rule(seconds=st.sampled_from([0, 1, 30, 600, 7200, 200_000]))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1000 + 17
        self.handle(Advance())

    @rule(
        symbol=symbols,
        offset=st.integers(min_value=-150, max_value=150),
        levels=st.integers(min_value=0, max_value=3000),
    )
    def pin(self, symbol: str, offset: int, levels: int) -> None:
        listing = LISTINGS[symbol]
        bid = at_offset(self.feed.last_price(symbol, self.now), offset, listing.tick)
        pin = Pin(bid=bid, ask=bid + listing.tick, quantity=levels * listing.step * 7)
        self.done.append((pin, symbol, self.now))
        self.feed.pin(symbol, pin)
        self.handle(Rematch(symbol))

    def teardown(self) -> None:
        """The same seed and commands give the same events, to the last field."""
        if not hasattr(self, "state"):
            return
        feed = PinnedFeed(SeededFeed(self.seed))
        engine = Engine(new_state(START, born=BORN), feed)
        events: list[Event] = []
        for command, symbol, now in self.done:
            if command is None:
                engine = Engine(engine.state, feed)
            elif isinstance(command, Pin):
                feed.pin(symbol, command)
            else:
                with suppress(ExchangeRejected):
                    events += engine.handle(command, now)
        assert events == self.events

    @invariant()
    def every_asset_is_conserved_to_the_last_digit(self) -> None:
        """What is free, locked and kept as fees is what there was at first plus what the trades moved."""
        if not hasattr(self, "state"):
            return
        expected = defaultdict(Decimal, START)
        for trade in self.state.trades:
            base, quote = ASSETS_OF[trade.symbol]
            sign = 1 if trade.is_buyer else -1
            expected[base] += sign * trade.quantity
            expected[quote] -= sign * quote_value(trade.price, trade.quantity)
        for balance in self.state.ledger:
            assert balance.free + balance.locked + balance.fees == expected[balance.asset]
            assert balance.free >= 0
            assert balance.locked >= 0
            assert (balance.free * 10**8) % 1 == 0

    @invariant()
    def locked_is_what_open_orders_reserve(self) -> None:
        """The locks are the open orders' own, and an order with a price reserves just what it may still spend."""
        if not hasattr(self, "state"):
            return
        assert mistakes(self.state, ASSETS_OF) == ()
        for order in self.state.open_orders.values():
            assert order.reserved == reservation(order.side, order.price or order.stop_price, order.remaining)
            assert order.remaining > 0
            waits = order.working_since < 0
            most = min(order.iceberg_quantity or order.remaining, order.remaining)
            assert order.shown == 0 if waits else 0 < order.shown <= most

    @invariant()
    def the_book_is_not_crossed_and_holds_every_order_that_works(self) -> None:
        """What is open and not waiting is in its book, in order; after each command nothing is left to match."""
        if not hasattr(self, "state"):
            return
        for symbol in ("BTCUSDT", "ETHUSDT", "ETHBTC"):
            book = self.engine.book(symbol)
            working = {order.order_id for order in self.state.open_in(symbol) if order.working_since >= 0}
            lines = {side: book.own(side) for side in ("BUY", "SELL")}
            assert {one.order.order_id for line in lines.values() for one in line} == working
            for side, line in lines.items():
                sign = -1 if side == "BUY" else 1
                ranks = [(sign * one.order.price, one.order.priority) for one in line]
                assert ranks == sorted(ranks)
                assert all(self.state.open_orders[one.order.order_id] == one.order for one in line)
            bid, ask = (book.best(side, self.now) for side in ("BUY", "SELL"))
            assert bid is None or ask is None or bid < ask

    @invariant()
    def fills_are_never_worse_than_the_limit_and_add_up(self) -> None:
        """An order's executed quantities are its trades' sum, within its quantity and its price."""
        if not hasattr(self, "state"):
            return
        traded = defaultdict(list)
        for trade in self.state.trades:
            traded[trade.order_id].append(trade)
        for order in self.state.orders.values():
            assert order.executed == sum(trade.quantity for trade in traded[order.order_id])
            assert order.executed_quote == sum(trade.quote_quantity for trade in traded[order.order_id])
            assert order.executed <= order.quantity
            if order.price:
                for trade in traded[order.order_id]:
                    assert trade.price <= order.price if order.is_buy else trade.price >= order.price
            if order.quote_quantity:
                assert order.executed_quote <= order.quote_quantity
            if order.time_in_force == "FOK" and not order.is_open:
                assert order.executed in {0, order.quantity}
            assert order.executed + order.prevented <= order.quantity
            if order.status == "FILLED":
                assert order.executed + order.prevented == order.quantity

    @invariant()
    def events_tell_all_that_changed(self) -> None:
        """The last event of each order and balance, and every trade, are the state itself."""
        if not hasattr(self, "state"):
            return
        orders: dict[int, Order] = {}
        balances = dict(START)
        trades = []
        for event in self.events:
            match event:
                case OrderChanged(order):
                    orders[order.order_id] = order
                case Traded(trade):
                    trades.append(trade)
                case BalanceChanged(balance):
                    balances[balance.asset] = balance.free
        assert orders == self.state.orders
        assert trades == list(self.state.trades)
        assert balances == {balance.asset: balance.free for balance in self.state.ledger}


def at_offset(price: Decimal, basis_points: int, tick: Decimal) -> Decimal:
    return max(tick, (price * (10_000 + basis_points) / 10_000 // tick) * tick)


def snapshot(state: State) -> tuple[object, ...]:
    counters = state.next_order_id, state.next_trade_id, state.next_match_id, state.next_priority
    return tuple(state.ledger), dict(state.orders), list(state.trades), dict(state.open_orders), counters


Trading.TestCase.settings = settings(
    max_examples=tries(60), stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestTrading = Trading.TestCase


def test_the_same_seed_and_commands_give_the_same_events() -> None:
    """The engine has no clock and no dice: a run is repeated to the last field."""

    def run() -> list[Event]:
        state = new_state(START, born=BORN)
        events: list[Event] = []
        engine = Engine(state, SeededFeed(5))
        for step in range(60):
            now = BORN + step * 45_000
            price = at_offset(SeededFeed(5).last_price("BTCUSDT", now), (step % 7) - 3, Decimal("0.01"))
            events += engine.handle(Advance(), now)
            events += engine.handle(
                PlaceOrder(
                    symbol="BTCUSDT",
                    side="BUY" if step % 3 else "SELL",
                    order_type="LIMIT",
                    client_order_id=f"c{step}",
                    quantity=Decimal("0.003"),
                    price=price,
                ),
                now,
            )
        return events

    first = run()
    assert first == run()
    assert sum(isinstance(event, Traded) for event in first) > 20


def test_orders_fill_for_what_happened_between_two_requests() -> None:
    """An order that the market passed and left again while nobody asked has filled, at its price and at that time."""
    feed = SeededFeed(11)
    symbol, hour = "BTCUSDT", 3_600_000
    path = [feed.last_price(symbol, BORN + second * 1000) for second in range(3600)]
    low = min(path)
    assert path[0] > low < path[-1]
    engine = Engine(new_state(START, born=BORN), feed)
    engine.handle(
        PlaceOrder(
            symbol=symbol,
            side="BUY",
            order_type="LIMIT_MAKER",
            client_order_id="low",
            quantity=Decimal("0.01"),
            price=low + Decimal("0.02"),
        ),
        BORN,
    )
    engine.handle(Advance(), BORN + hour)
    order = next(iter(engine.state.orders.values()))
    assert order.status == "FILLED"
    assert BORN < order.updated < BORN + hour
    assert feed.last_price(symbol, order.updated) <= order.price
