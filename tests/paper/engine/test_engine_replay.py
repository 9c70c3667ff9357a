"""The engine on a recorded market: own orders in a real book, which is never crossed and loses nothing."""

from __future__ import annotations

import random
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guardian.errors import ExchangeRejected
from guardian.paper.engine.matching_engine import Engine
from guardian.paper.engine.orders import Advance, CancelAll, Event, PlaceOrder, Traded
from guardian.paper.engine.state import mistakes, new_state
from guardian.paper.market.capture import read_capture
from guardian.paper.market.replay import ReplayFeed
from guardian.paper.market.seeded import SeededFeed
from guardian.paper.market.symbols import LISTINGS
from tests.paper.support.hand_feed import BORN, SYMBOL
from tests.support.fixtures import RECORDINGS

START = {"USDT": Decimal(10_000_000), "BTC": Decimal(100)}
ASSETS_OF = {name: (one.base_asset, one.quote_asset) for name, one in LISTINGS.items()}


def some_order(dice: random.Random, number: int, last: Decimal) -> PlaceOrder:
    kind = dice.choice(["LIMIT", "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT"])
    price = last + Decimal(dice.randint(-300, 300)) / 100
    terms: dict[str, Any] = {}
    if kind in {"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT"}:
        terms["price"] = price
    if kind in {"STOP_LOSS_LIMIT", "TAKE_PROFIT"}:
        terms["stop_price"] = price
    elif kind != "MARKET":
        terms["iceberg_quantity"] = dice.choice([Decimal(0), Decimal("0.01")])
    return PlaceOrder(
        symbol=SYMBOL,
        side=dice.choice(["BUY", "SELL"]),
        order_type=kind,
        client_order_id=f"order-{number}",
        quantity=Decimal(dice.randint(1, 400)) / 1000,
        self_trade_mode=dice.choice(["NONE", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]),
        **terms,
    )


@pytest.mark.parametrize("source", ["made", pytest.param("recorded", marks=pytest.mark.recorded)])
def test_own_orders_in_a_recorded_book_cross_nothing_and_lose_nothing(made_capture: Path, source: str) -> None:
    """Over a minute of the recorded market with hundreds of own orders the book is never crossed, and all adds up."""
    path = made_capture if source == "made" else RECORDINGS / "streams" / "btcusdt_20240808.gz"
    feed = ReplayFeed(read_capture(path), SeededFeed(1), start=BORN)
    engine, dice, now, events = Engine(new_state(START, born=BORN), feed), random.Random(3), BORN, list[Event]()
    for number in range(400):
        now += dice.randint(1, 400)
        events += engine.handle(Advance(), now)
        with suppress(ExchangeRejected):
            events += engine.handle(some_order(dice, number, feed.last_price(SYMBOL, now)), now)
        if len(engine.state.open_orders) > 60:
            events += engine.handle(CancelAll(SYMBOL), now)
        assert mistakes(engine.state, ASSETS_OF) == ()
        bid, ask = (engine.book(SYMBOL).best(side, now) for side in ("BUY", "SELL"))
        assert bid is not None
        assert ask is not None
        assert bid < ask
    trades = [event.trade for event in events if isinstance(event, Traded)]
    assert sum(trade.is_maker for trade in trades) > 100
    assert sum(not trade.is_maker for trade in trades) > 50
    signed = [(1 if trade.is_buyer else -1, trade) for trade in trades]
    owned = {one.asset: one.free + one.locked + one.fees for one in engine.state.ledger}
    assert owned["BTC"] == START["BTC"] + sum(sign * trade.quantity for sign, trade in signed)
    assert owned["USDT"] == START["USDT"] - sum(sign * trade.quote_quantity for sign, trade in signed)
