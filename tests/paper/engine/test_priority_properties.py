"""Price-time priority, against a model that keeps everybody's orders in one list and sorts it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from guardian.paper.engine.orders import Traded
from tests.paper.support.hand_feed import Desk, HandFeed
from tests.support.profiles import tries

MARKET_BIDS = [("59998", "2"), ("59996", "3"), ("59995", "1")]
MARKET_ASKS = [("60001", "2"), ("60003", "1"), ("60004", "4")]


@dataclass
class Waiting:
    """Somebody's order in the model: the market's have no owner."""

    side: str
    price: Decimal
    left: Decimal
    came: int
    owner: int | None


class Model:
    """One list of orders; whoever comes takes the best price, and of one price the oldest."""

    def __init__(self) -> None:
        self.waiting = [
            Waiting(side, Decimal(price), Decimal(quantity), 0, None)
            for side, levels in (("BUY", MARKET_BIDS), ("SELL", MARKET_ASKS))
            for price, quantity in levels
        ]

    def place(self, number: int, side: str, price: Decimal, quantity: Decimal) -> list[tuple[int, Decimal, Decimal]]:
        """The trades, as (order, price, quantity), of makers and of the taker."""
        sign = 1 if side == "BUY" else -1
        line = sorted(
            (one for one in self.waiting if one.side != side and sign * one.price <= sign * price),
            key=lambda one: (sign * one.price, one.came),
        )
        trades = []
        for other in line:
            taken = min(quantity, other.left)
            if taken == 0:
                break
            other.left -= taken
            quantity -= taken
            trades += [(other.owner, other.price, taken)] if other.owner is not None else []
            trades.append((number, other.price, taken))
        self.waiting = [one for one in self.waiting if one.left > 0]
        if quantity > 0:
            self.waiting.append(Waiting(side, price, quantity, number, number))
        return trades

    def cancel(self, number: int) -> None:
        self.waiting = [one for one in self.waiting if one.owner != number]

    def levels(self, side: str) -> list[tuple[Decimal, Decimal]]:
        prices = sorted({one.price for one in self.waiting if one.side == side}, reverse=side == "BUY")
        return [
            (p, sum((one.left for one in self.waiting if (one.side, one.price) == (side, p)), Decimal(0)))
            for p in prices
        ]


orders = st.tuples(
    st.sampled_from(["BUY", "SELL"]),
    st.integers(min_value=59994, max_value=60005),
    st.integers(min_value=1, max_value=30),
    st.integers(min_value=0, max_value=9),
)


@settings(max_examples=tries(200), deadline=None)
@given(asked=st.lists(orders, min_size=1, max_size=25))
def test_orders_trade_by_price_and_then_by_time(asked: list[tuple[str, int, int, int]]) -> None:
    """Whatever is placed and cancelled, every trade and the whole book are those of the plain model."""
    desk, model = Desk(HandFeed(MARKET_BIDS, MARKET_ASKS)), Model()
    for side, price, tenths, and_cancel in asked:
        before = len(desk.events)
        quantity = Decimal(tenths) / 10
        order = desk.place(side, str(price), str(quantity), self_trade_mode="NONE")
        expected = model.place(order.order_id, side, Decimal(price), quantity)
        trades = [event.trade for event in desk.events[before:] if isinstance(event, Traded)]
        assert [(trade.order_id, trade.price, trade.quantity) for trade in trades] == expected
        if and_cancel == 0 and order.is_open:
            desk.cancel(order)
            model.cancel(order.order_id)
        for one in ("BUY", "SELL"):
            shown = [(Decimal(p), Decimal(q)) for p, q in desk.shown(one, 100)]
            assert shown == model.levels(one)
