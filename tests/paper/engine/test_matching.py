"""The engine on a market made by hand: queues, icebergs, stops, self-trade prevention, filters, commissions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from guardian.errors import ExchangeRejected
from guardian.paper.engine import filters
from guardian.paper.engine.orders import Advance, CancelAll, Order, PayFeesInBnb, PlaceOrder, Prevented
from guardian.paper.market.symbols import LISTINGS, Listing
from tests.paper.support.hand_feed import BORN, SYMBOL, Desk, HandFeed

BIDS = [("59999", "2"), ("59998", "3")]
ASKS = [("60001", "2"), ("60002", "3")]
NONE = {"self_trade_mode": "NONE"}


@pytest.fixture
def feed() -> HandFeed:
    return HandFeed(BIDS, ASKS)


@pytest.fixture
def desk(feed: HandFeed) -> Desk:
    return Desk(feed)


def pass_time(desk: Desk, ms: int = 1000) -> None:
    desk.now += ms
    desk.handle(Advance())


def test_own_orders_show_in_the_book_at_their_price(desk: Desk) -> None:
    """A resting order adds to its level, makes a level of its own, or becomes the best price."""
    desk.place("BUY", "59998", "1")
    best = desk.place("BUY", "60000", "0.5")
    desk.place("SELL", "60005", "4")
    assert desk.shown("BUY") == [("60000", "0.5"), ("59999", "2"), ("59998", "4")]
    assert desk.shown("SELL") == [("60001", "2"), ("60002", "3"), ("60005", "4")]
    desk.cancel(best)
    assert desk.shown("BUY")[0] == ("59999", "2")


def test_what_was_taken_is_gone_until_the_market_shows_something_new(desk: Desk, feed: HandFeed) -> None:
    """Two takers share one level; it is whole again when the feed gives it another quantity."""
    assert desk.trades_of(desk.place("BUY", "60001", "1.5")) == [("60001", "1.5")]
    assert desk.shown("SELL")[0] == ("60001", "0.5")
    assert desk.trades_of(desk.place("BUY", None, "1")) == [("60001", "0.5"), ("60002", "0.5")]
    feed.show(desk.now + 500, BIDS, [("60001", "2"), ("60002", "7")])
    pass_time(desk)
    assert desk.shown("SELL") == [("60002", "7")]
    feed.show(desk.now + 500, BIDS, [("60001", "1"), ("60002", "7")])
    pass_time(desk)
    assert desk.shown("SELL") == [("60001", "1"), ("60002", "7")]


def test_an_order_queues_behind_what_was_there_before_it(desk: Desk, feed: HandFeed) -> None:
    """Trades at its price go to the queue before it first, and only what is beyond that fills it."""
    order = desk.place("BUY", "59999", "1")
    feed.trade(desk.now + 100, "59999", "1.5", sold=True)
    pass_time(desk)
    assert desk.again(order).executed == 0
    feed.trade(desk.now + 100, "59999", "0.75", sold=True)
    pass_time(desk)
    assert desk.again(order).executed == Decimal("0.25")
    feed.trade(desk.now + 100, "59999", "9", sold=True)
    pass_time(desk)
    filled = desk.again(order)
    assert (filled.status, desk.trades_of(order)) == ("FILLED", [("59999", "0.25"), ("59999", "0.75")])


def test_an_order_moves_up_when_those_before_it_leave(desk: Desk, feed: HandFeed) -> None:
    """What the feed shows to be gone from its level is no longer before it."""
    order = desk.place("BUY", "59999", "1")
    feed.show(desk.now + 100, [("59999", "0.25"), ("59998", "3")], ASKS)
    pass_time(desk)
    feed.show(desk.now + 100, [("59999", "50"), ("59998", "3")], ASKS)
    feed.trade(desk.now + 200, "59999", "0.5", sold=True)
    pass_time(desk)
    assert desk.again(order).executed == Decimal("0.25")


def test_an_order_stays_before_those_of_the_market_that_came_after_it(desk: Desk, feed: HandFeed) -> None:
    """Quantity that joins a level later is behind an own order, for those who take from it too."""
    order = desk.place("SELL", "60001", "1")
    feed.show(desk.now + 100, BIDS, [("60001", "10"), ("60002", "3")])
    pass_time(desk)
    desk.place("BUY", "60001", "2.5", **NONE)
    assert desk.again(order).executed == Decimal("0.5")
    feed.trade(desk.now + 100, "60001", "0.25", sold=False)
    pass_time(desk)
    assert desk.again(order).executed == Decimal("0.75")


def test_trades_on_the_other_side_do_not_fill(desk: Desk, feed: HandFeed) -> None:
    """A buyer who came to the asks has nothing for a bid, however large the trade."""
    order = desk.place("BUY", "60000", "1")
    feed.trade(desk.now + 100, "60001", "100", sold=False)
    pass_time(desk)
    assert desk.again(order).executed == 0


def test_a_trade_at_a_worse_price_would_have_come_to_the_better_order_first(desk: Desk, feed: HandFeed) -> None:
    """A seller who sold lower than an own bid fills that bid first, at its own price."""
    order = desk.place("BUY", "60000", "1")
    feed.trade(desk.now + 100, "59999", "0.4", sold=True)
    pass_time(desk)
    assert desk.trades_of(order) == [("60000", "0.4")]


def test_the_market_that_crosses_fills_by_price_and_then_by_time(desk: Desk, feed: HandFeed) -> None:
    """Asks that come down fill the highest bid first, and of two at one price the older one."""
    late_but_better = [
        desk.place("BUY", "59990", "1"),
        desk.place("BUY", "59990", "1"),
        desk.place("BUY", "59995", "1"),
    ]
    feed.show(desk.now + 100, [("59980", "1")], [("59990", "1.5")])
    pass_time(desk)
    older, newer, better = (desk.again(order).executed for order in late_but_better)
    assert (better, older, newer) == (Decimal(1), Decimal("0.5"), Decimal(0))
    # What crossed has been used up by that: the book is not crossed.
    assert desk.shown("SELL") == []
    assert desk.shown("BUY")[0] == ("59990", "1.5")


def test_orders_of_the_account_trade_with_one_another_where_that_is_wanted(desk: Desk) -> None:
    """With NONE a taker meets own orders at their place in the line: price, then time, the market's among them."""
    first = desk.place("SELL", "60000.5", "1", **NONE)
    behind = desk.place("SELL", "60001", "1", **NONE)
    taker = desk.place("BUY", "60001", "3.5", **NONE)
    assert desk.trades_of(taker) == [("60000.5", "1"), ("60001", "2"), ("60001", "0.5")]
    assert desk.again(first).status == "FILLED"
    assert desk.again(behind).executed == Decimal("0.5")


@pytest.mark.parametrize(
    ("mode", "maker_status", "taker_status", "given_up"),
    [
        ("EXPIRE_MAKER", "EXPIRED_IN_MATCH", "FILLED", (None, "1")),
        ("EXPIRE_TAKER", "NEW", "EXPIRED_IN_MATCH", ("2", None)),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH", ("2", "1")),
        ("DECREMENT", "EXPIRED_IN_MATCH", "FILLED", ("1", "1")),
    ],
)
def test_self_trades_are_prevented_as_the_takers_mode_says(
    desk: Desk, mode: str, maker_status: str, taker_status: str, given_up: tuple[str | None, str | None]
) -> None:
    """The taker's mode alone decides who expires, and both sides' prevented quantities say by how much."""
    maker = desk.place("SELL", "60000", "1", **NONE)
    taker = desk.place("BUY", "60001", "2", self_trade_mode=mode)
    maker = desk.again(maker)
    assert (maker.status, taker.status) == (maker_status, taker_status)
    match = next(event for event in desk.events if isinstance(event, Prevented))
    told = tuple(
        None if quantity is None else str(quantity) for quantity in (match.taker_quantity, match.maker_quantity)
    )
    assert told == given_up
    assert taker.prevented == Decimal(given_up[0] or 0)
    assert maker.prevented == Decimal(given_up[1] or 0)
    assert taker.executed + taker.prevented <= taker.quantity
    assert all(balance.locked == 0 for balance in desk.state.ledger if maker_status != "NEW")


def test_the_larger_order_of_a_decrement_stays_with_less(desk: Desk) -> None:
    """DECREMENT ends the smaller order; the larger one rests on with what is left, and locks just that."""
    maker = desk.place("SELL", "60000", "6")
    taker = desk.place("BUY", "60000", "2", self_trade_mode="DECREMENT")
    maker = desk.again(maker)
    assert (taker.status, taker.prevented, maker.status, maker.prevented) == (
        "EXPIRED_IN_MATCH",
        Decimal(2),
        "NEW",
        Decimal(2),
    )
    assert desk.state.ledger.of("BTC").locked == 4
    assert desk.shown("SELL")[0] == ("60000", "4")
    assert maker.prevented_match_id == taker.prevented_match_id == 0


def test_an_own_iceberg_is_prevented_once_and_as_a_whole(desk: Desk) -> None:
    """Its hidden parts are gone with it: the taker continues to what is behind it, and meets it no more."""
    iceberg = desk.place("SELL", "60001", "3", iceberg_quantity="1")
    taker = desk.place("BUY", "60002", "4")
    assert (desk.again(iceberg).status, desk.again(iceberg).prevented) == ("EXPIRED_IN_MATCH", Decimal(3))
    assert desk.trades_of(taker) == [("60001", "2"), ("60002", "2")]
    assert sum(isinstance(event, Prevented) for event in desk.events) == 1


def test_a_taker_by_quote_that_is_to_expire_takes_nothing_further_down() -> None:
    """What is left of its amount below one step would make a step at a lower price, and is not spent there."""
    desk = Desk(HandFeed([("30000", "1")], []))
    desk.place("BUY", "60000", "1")
    taker = desk.place("SELL", None, None, quote_quantity="100", self_trade_mode="EXPIRE_TAKER")
    assert (taker.status, taker.executed, taker.prevented) == ("EXPIRED_IN_MATCH", Decimal(0), Decimal("0.00166"))


def test_a_market_order_that_only_meets_its_own_expires(feed: HandFeed) -> None:
    """With EXPIRE_MAKER on an empty market the maker ends EXPIRED_IN_MATCH and the taker EXPIRED, as documented."""
    desk = Desk(HandFeed([], []))
    maker = desk.place("BUY", "60000", "1")
    taker = desk.place("SELL", None, "1", self_trade_mode="EXPIRE_MAKER")
    assert (desk.again(maker).status, taker.status, taker.executed) == ("EXPIRED_IN_MATCH", "EXPIRED", Decimal(0))


def test_fill_or_kill_does_not_count_what_would_be_prevented(desk: Desk) -> None:
    """FOK for more than the market alone has is killed, and leaves the own order as it was."""
    maker = desk.place("SELL", "60001", "5")
    killed = desk.place("BUY", "60001", "2.5", time_in_force="FOK")
    assert (killed.status, killed.executed, desk.again(maker).status) == ("EXPIRED", Decimal(0), "NEW")
    assert desk.place("BUY", "60001", "2", time_in_force="FOK").status == "FILLED"
    assert desk.again(maker).status == "NEW"


def test_an_iceberg_shows_a_part_and_requeues_at_the_end_of_its_level(desk: Desk) -> None:
    """Only icebergQty is seen; each new part goes behind the other orders of its level."""
    iceberg = desk.place("SELL", "60000", "3", iceberg_quantity="1")
    other = desk.place("SELL", "60000", "1")
    assert desk.shown("SELL")[0] == ("60000", "2")
    taker = desk.place("BUY", "60000", "1.5", **NONE)
    assert desk.trades_of(taker) == [("60000", "1"), ("60000", "0.5")]
    assert (desk.again(iceberg).executed, desk.again(other).executed) == (Decimal(1), Decimal("0.5"))
    assert desk.shown("SELL")[0] == ("60000", "1.5")
    desk.place("BUY", "60000", "2.5", **NONE)
    assert (desk.again(iceberg).status, desk.again(other).status) == ("FILLED", "FILLED")


def test_an_iceberg_lets_others_of_its_level_go_first_when_the_market_comes(desk: Desk, feed: HandFeed) -> None:
    """Sellers who come to its price fill its shown part, then the order behind it, and then its next part."""
    iceberg = desk.place("BUY", "60000", "3", iceberg_quantity="1")
    other = desk.place("BUY", "60000", "1")
    feed.trade(desk.now + 100, "60000", "1", sold=True)
    feed.trade(desk.now + 200, "60000", "0.75", sold=True)
    pass_time(desk)
    assert (desk.again(iceberg).executed, desk.again(other).executed) == (Decimal(1), Decimal("0.75"))
    feed.show(desk.now + 100, [], [("60000", "0.75")])
    pass_time(desk)
    assert (desk.again(iceberg).executed, desk.again(other).executed) == (Decimal("1.5"), Decimal(1))


def test_an_iceberg_takes_with_all_of_itself_and_rests_with_a_part(desk: Desk) -> None:
    """As a taker the hidden part trades too."""
    iceberg = desk.place("BUY", "60001", "5", iceberg_quantity="0.5")
    assert (iceberg.executed, iceberg.shown) == (Decimal(2), Decimal("0.5"))
    assert desk.shown("BUY")[0] == ("60001", "0.5")


@pytest.mark.parametrize("order_type", ["STOP_LOSS", "TAKE_PROFIT"])
@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_stops_without_a_price_take_what_there_is_once_triggered(
    desk: Desk, feed: HandFeed, order_type: str, side: str
) -> None:
    """They wait off the book with their worth locked, and trade at market when the last price reaches their stop."""
    above = (order_type == "STOP_LOSS") == (side == "BUY")
    stop = "60010" if above else "59990"
    order = desk.place(side, None, "3", order_type=order_type, stop_price=stop)
    locked = desk.state.ledger.of("USDT" if side == "BUY" else "BTC").locked
    assert locked == (Decimal(stop) * 3 if side == "BUY" else 3)
    feed.trade(desk.now + 100, "60009.99" if above else "59990.01", "1", sold=not above)
    pass_time(desk)
    assert desk.again(order).working_since == -1
    feed.trade(desk.now + 100, stop, "1", sold=not above)
    pass_time(desk)
    done = desk.again(order)
    assert (done.status, len(desk.trades_of(order))) == ("FILLED", 2)
    assert desk.state.ledger.of("USDT").locked == desk.state.ledger.of("BTC").locked == 0


def test_a_stop_hears_every_trade_and_not_only_the_last(desk: Desk, feed: HandFeed) -> None:
    """Of two trades in one moment the first one sets a stop off, though the last price is back by then."""
    order = desk.place("SELL", "59000", "1", order_type="STOP_LOSS_LIMIT", stop_price="59500")
    feed.trade(desk.now + 100, "59500", "1", sold=True)
    feed.trade(desk.now + 100, "60000", "1", sold=True)
    pass_time(desk)
    assert desk.again(order).status == "FILLED"


def test_a_stop_that_can_no_longer_be_paid_expires(feed: HandFeed) -> None:
    """A triggered STOP_LOSS BUY that costs more than the account has ends EXPIRED with nothing spent."""
    desk = Desk(feed, {"USDT": "180030", "BTC": "0"})
    order = desk.place("BUY", None, "3", order_type="STOP_LOSS", stop_price="60010")
    feed.show(desk.now + 50, [("65000", "1")], [("65001", "9")])
    feed.trade(desk.now + 100, "65001", "1", sold=False)
    pass_time(desk)
    assert (desk.again(order).status, desk.again(order).executed) == ("EXPIRED", Decimal(0))
    assert desk.state.ledger.of("USDT").free == Decimal(180030)


def test_own_trades_are_last_prices_too(desk: Desk) -> None:
    """A trade of the account's own sets its stop off, and what that stop trades the next one."""
    first = desk.place("BUY", "60100", "2", order_type="STOP_LOSS_LIMIT", stop_price="60001")
    second = desk.place("BUY", "60100", "1", order_type="STOP_LOSS_LIMIT", stop_price="60002")
    desk.place("BUY", None, "1")
    assert desk.trades_of(first) == [("60001", "1"), ("60002", "1")]
    assert desk.again(second).status == "FILLED"
    assert desk.engine.last_price(SYMBOL, desk.now) == 60002
    late = desk.refusal("BUY", "60100", "1", order_type="STOP_LOSS_LIMIT", stop_price="60002")
    assert late == "Order would trigger immediately."


def test_limit_maker_does_not_take_own_orders_either(desk: Desk) -> None:
    """An own order at its price is a match like any other."""
    desk.place("SELL", "60000", "1")
    text = "Order would immediately match and take."
    assert desk.refusal("BUY", "60000", "1", order_type="LIMIT_MAKER") == text
    assert desk.place("BUY", "59999.99", "1", order_type="LIMIT_MAKER").status == "NEW"


def test_a_market_order_by_quote_spends_at_most_its_amount(desk: Desk) -> None:
    """It buys whole steps over several levels, and expires where the book ends before the money does."""
    bought = desk.place("BUY", None, None, quote_quantity="150000")
    assert (bought.status, desk.trades_of(bought)) == ("FILLED", [("60001", "2"), ("60002", "0.49995")])
    assert bought.executed_quote <= 150000
    rest = desk.place("BUY", None, None, quote_quantity="900000")
    assert (rest.status, str(rest.executed)) == ("EXPIRED", "2.50005")
    assert desk.refusal("BUY", None, None, quote_quantity="100") == (
        "Order book liquidity is less than `LOT_SIZE` filter minimum quantity."
    )


def test_all_orders_of_a_symbol_are_cancelled_at_once(desk: Desk) -> None:
    """Stops and resting orders alike; with none there the cancel is refused."""
    desk.place("BUY", "59000", "1")
    desk.place("SELL", None, "1", order_type="STOP_LOSS", stop_price="59000")
    desk.handle(CancelAll(SYMBOL))
    assert desk.state.open_orders == {}
    assert all(balance.locked == 0 for balance in desk.state.ledger)
    with pytest.raises(ExchangeRejected, match="refused"):
        desk.handle(CancelAll(SYMBOL))


def test_commissions_are_taken_in_bnb_where_wanted(desk: Desk) -> None:
    """A quarter less of the commission is taken in BNB at its price; without enough BNB the ordinary one applies."""
    desk.handle(PayFeesInBnb(enabled=True))
    # Every symbol of this feed costs 60000: 1 BTC's 0.001 less a quarter is 0.00075 BNB.
    desk.place("BUY", "60001", "1")
    trade = desk.state.trades[-1]
    assert (trade.commission, trade.commission_asset) == (Decimal("0.00075"), "BNB")
    assert desk.state.ledger.of("BTC").free == 1001
    poor = Desk(HandFeed(BIDS, ASKS), {"USDT": "100000", "BNB": "0.0001"})
    poor.handle(PayFeesInBnb(enabled=True))
    poor.place("BUY", "60001", "1")
    assert (poor.state.trades[-1].commission, poor.state.trades[-1].commission_asset) == (Decimal("0.001"), "BTC")


BUY = PlaceOrder(
    symbol=SYMBOL, side="BUY", order_type="LIMIT", client_order_id="x", quantity=Decimal(1), price=Decimal(60000)
)
OFF = replace(
    LISTINGS[SYMBOL],
    tick=Decimal(0), step=Decimal(0), min_price=Decimal(0), max_price=Decimal(0), min_quantity=Decimal(0),
    max_quantity=Decimal(0), market_max_quantity=Decimal(0), min_notional=Decimal(0), max_notional=Decimal(0),
    bid_up=Decimal(0), bid_down=Decimal(0), ask_up=Decimal(0), ask_down=Decimal(0), max_orders=0, max_stop_orders=0,
    max_iceberg_parts=0,
)  # fmt: skip


def verdict(order: PlaceOrder, listing: Listing, *, open_orders: Sequence[Order] = (), held: str = "0") -> str | None:
    try:
        filters.check(order, listing, Decimal(60000), open_orders, Decimal(held))
    except ExchangeRejected as no:
        return no.text.removeprefix("Filter failure: ")
    return None


@pytest.mark.parametrize(
    ("limits", "order", "name"),
    [
        ({}, {"price": Decimal("0.123456789"), "quantity": Decimal("123456789.000000001")}, None),
        ({"tick": Decimal(10)}, {"price": Decimal(60005)}, "PRICE_FILTER"),
        ({"max_price": Decimal(60000)}, {}, None),
        ({"max_price": Decimal("59999.99")}, {}, "PRICE_FILTER"),
        ({"bid_up": Decimal("1.1")}, {"price": Decimal(66000)}, None),
        ({"bid_up": Decimal("1.1")}, {"price": Decimal("66000.01")}, "PERCENT_PRICE_BY_SIDE"),
        ({"bid_up": Decimal("1.1")}, {"price": Decimal(99000), "side": "SELL"}, None),
        ({"ask_down": Decimal("0.9")}, {"price": Decimal("53999.99"), "side": "SELL"}, "PERCENT_PRICE_BY_SIDE"),
        ({"ask_down": Decimal("0.9")}, {"price": Decimal(1)}, None),
        ({"step": Decimal(10)}, {"quantity": Decimal(15)}, "LOT_SIZE"),
        ({"market_step": Decimal("0.5")}, {"quantity": Decimal("0.7")}, None),
        ({"min_notional": Decimal(60001)}, {}, "NOTIONAL"),
        ({"max_notional": Decimal(59999)}, {}, "NOTIONAL"),
        ({"max_iceberg_parts": 10}, {"iceberg_quantity": Decimal("0.1")}, None),
        ({"max_iceberg_parts": 9}, {"iceberg_quantity": Decimal("0.1")}, "ICEBERG_PARTS"),
        ({"max_iceberg_parts": 10}, {"iceberg_quantity": Decimal("0.099")}, "ICEBERG_PARTS"),
        ({"step": Decimal("0.1")}, {"iceberg_quantity": Decimal("0.25")}, "LOT_SIZE"),
        ({}, {"iceberg_quantity": Decimal("1.1")}, "IcebergQty exceeds QTY."),
        ({"max_position": Decimal(2)}, {}, None),
        ({"max_position": Decimal("1.9")}, {}, "MAX_POSITION"),
        ({"max_position": Decimal("1.9")}, {"side": "SELL"}, None),
    ],
)
def test_limit_filters_hold_exactly_and_zero_disables_them(
    limits: dict[str, Any], order: dict[str, Any], name: str | None
) -> None:
    """A bound met exactly passes, one beyond it does not, and a zero is no bound at all."""
    assert verdict(replace(BUY, **order), replace(OFF, **limits), held="1") == name


@pytest.mark.parametrize(
    ("limits", "order", "name"),
    [
        ({}, {}, None),
        ({"market_step": Decimal("0.5")}, {"quantity": Decimal("0.7")}, "MARKET_LOT_SIZE"),
        ({"market_min_quantity": Decimal("1.5")}, {}, "MARKET_LOT_SIZE"),
        ({"min_notional": Decimal(60001)}, {}, "NOTIONAL"),
        ({"min_notional": Decimal(60001), "min_notional_for_market": False}, {}, None),
        ({"max_notional": Decimal(59999)}, {}, None),
        ({"max_notional": Decimal(59999), "max_notional_for_market": True}, {}, "NOTIONAL"),
        ({"bid_up": Decimal("0.1"), "tick": Decimal(10)}, {}, None),
    ],
)
def test_market_orders_have_filters_of_their_own(
    limits: dict[str, Any], order: dict[str, Any], name: str | None
) -> None:
    """MARKET_LOT_SIZE and NOTIONAL on the average price apply as the listing says; price filters do not."""
    command = replace(BUY, order_type="MARKET", price=Decimal(0), **order)
    assert verdict(command, replace(OFF, **limits)) == name


def test_open_orders_count_against_the_filters(desk: Desk) -> None:
    """MAX_POSITION counts open buys; MAX_NUM_ICEBERG_ORDERS counts icebergs; MAX_NUM_ALGO_ORDERS waiting stops."""
    for _ in range(2):
        desk.place("BUY", "59000", "1", iceberg_quantity="0.5")
    desk.place("SELL", None, "1", order_type="STOP_LOSS", stop_price="59000")
    waiting = desk.state.open_in(SYMBOL)
    assert verdict(BUY, replace(OFF, max_position=Decimal(4)), open_orders=waiting, held="1") is None
    assert verdict(BUY, replace(OFF, max_position=Decimal("3.9")), open_orders=waiting, held="1") == "MAX_POSITION"
    iceberg = replace(BUY, iceberg_quantity=Decimal("0.5"))
    assert verdict(iceberg, replace(OFF, max_iceberg_orders=3), open_orders=waiting) is None
    assert verdict(iceberg, replace(OFF, max_iceberg_orders=2), open_orders=waiting) == "MAX_NUM_ICEBERG_ORDERS"
    stop = replace(BUY, order_type="TAKE_PROFIT_LIMIT", stop_price=Decimal(1))
    assert verdict(stop, replace(OFF, max_stop_orders=2), open_orders=waiting) is None
    assert verdict(stop, replace(OFF, max_stop_orders=1), open_orders=waiting) == "MAX_NUM_ALGO_ORDERS"
    assert verdict(BUY, replace(OFF, max_orders=3), open_orders=waiting) == "MAX_NUM_ORDERS"


def test_an_order_that_rests_when_the_exchange_starts_again_keeps_its_place_among_its_own(
    desk: Desk, feed: HandFeed
) -> None:
    """An engine made from the same state has the same book, and fills in the same order."""
    older = desk.place("BUY", "60000", "1")
    newer = desk.place("BUY", "60000", "1")
    again = type(desk.engine)(desk.state, feed)
    assert next(str(level.quantity) for level in again.book(SYMBOL).levels("BUY", BORN)) == "2"
    feed.trade(desk.now + 100, "60000", "1.5", sold=True)
    again.handle(Advance(), desk.now + 1000)
    assert (desk.again(older).status, desk.again(newer).executed) == ("FILLED", Decimal("0.5"))
