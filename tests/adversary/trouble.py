"""What the market, the exchange, the clock, the processes and the home do in a play, and what calms it down."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from guardian.domain.trading import TradingState
from guardian.store.opening import is_lost
from tests.adversary.moves import SYMBOLS, TYPICAL, Move, move
from tests.adversary.people import owner_mends_the_policy, owner_resumes
from tests.adversary.rest import ALL_ORDERS, OPEN_ORDERS, ORDER
from tests.adversary.venue import ZERO, floor

if TYPE_CHECKING:
    from tests.adversary.play import Play

D = Decimal
FACTS: Final = (
    "/api/v3/ticker/bookTicker", "/api/v3/avgPrice", "/api/v3/account", "/api/v3/time", "GET /api/v3/order",
    "/api/v3/openOrders", "/api/v3/allOrders", "/api/v3/myTrades", "/api/v3/ticker/24hr",
)  # fmt: skip

# -- the market


@move(5)
def market_moves(play: Play) -> str:
    asset = play.dice.choice(("BTC", "ETH", "BNB"))
    percent = play.dice.choice((-8, -3, -1, 1, 1, 3, 6))
    play.venue.moves(asset, 1 + D(percent) / 100)
    return f"{asset} {percent}%"


@move(5)
def market_turns_odd(play: Play) -> str:
    symbol = play.dice.choice((*SYMBOLS, "USDCUSDT", "BNBUSDT"))
    market, true = play.venue.markets[symbol], play.venue.true_price(symbol)
    how = play.dice.choice(("thin", "one-sided", "crossed", "diverges", "stale", "halted", "no average", "shallow"))
    low, high = floor(true / 2, market.tick), floor(true * 2, market.tick)
    if how == "thin":
        play.venue.show(symbol, *play.dice.choice(((market.tick, market.tick * 2), (low, high), (market.tick, high))))
    elif how == "one-sided":
        play.venue.show(symbol, *play.dice.choice(((market.bid, ZERO), (ZERO, market.ask))))
    elif how == "crossed":
        play.venue.show(symbol, high, low)
    elif how == "diverges":
        off = D(play.dice.choice(("0.97", "0.985", "1.015", "1.03")))
        play.venue.show(symbol, floor(true * off, market.tick), floor(true * off, market.tick) + market.tick)
    elif how == "stale":
        market.traded_ago_ms = 900_000
    elif how == "halted":
        play.venue.halt(symbol)
    elif how == "no average":
        market.average = None
    else:
        market.depth = D(TYPICAL.get(symbol, "1")) / 3
    return f"{symbol} {how}"


@move(2)
def market_is_honest_again(play: Play) -> str:
    for symbol in play.venue.markets:
        play.venue.reopen(symbol)
    return ""


@move(5)
def market_fills(play: Play) -> str:
    live = [order for order in play.oracle.ours() if order.is_open]
    if not live:
        return "none open"
    order, part = play.dice.choice(live), D(play.dice.choice(("0.4", "1", "1")))
    play.venue.fill(order, part)
    return f"{part} of {order.order_id}"


@move(1)
def fees_are_taken_in(play: Play) -> str:
    play.venue.fee_in = play.dice.choice(("received", "received", "BNB", "USDT", "nothing"))
    return play.venue.fee_in


# -- the exchange


@move(5)
def exchange_loses(play: Play) -> str:
    fate = play.dice.choice(("reply", "reply", "order", "refused", "dies", "dies before"))
    play.rig.front.lose = [fate] * play.dice.choice((1, 1, 2))
    return fate


@move(4)
def exchange_is_blind(play: Play) -> str:
    """To the next order: for a while no read shows it, and its reply is lost."""
    seconds = play.dice.choice((22, 120, 600))
    play.rig.front.lose = ["reply"]
    play.blind_s = seconds
    return f"{seconds} s"


@move(3)
def exchange_contradicts(play: Play) -> str:
    """The next answer about an order is not what it should be."""
    where = play.dice.choice(("POST /api/v3/order", f"GET {ORDER}", f"GET {OPEN_ORDERS}", f"GET {ALL_ORDERS}"))
    how, lie = play.dice.choice(list(LIES.items()))
    play.rig.front.lies[where] = lie
    play.lied = True
    return f"{where}: {how}"


LIES: Final[dict[str, Callable[[Any], Any]]] = {
    "side": lambda told: {**told, "side": "BUY" if told["side"] == "SELL" else "SELL"},
    "symbol": lambda told: {**told, "symbol": "BNBUSDT"},
    "executed": lambda told: {**told, "status": "FILLED", "origQty": "9", "executedQty": "9"},
    "more than it": lambda told: {**told, "executedQty": "9"},
    "quote": lambda told: {**told, "cummulativeQuoteQty": "987654"},
    "little quote": lambda told: {**told, "executedQty": told["origQty"], "cummulativeQuoteQty": "0.01"},
    "price": lambda told: {**told, "price": "1"},
    "status": lambda told: {**told, "status": "PENDING_REVIEW"},
}


@move(3)
def exchange_is_down(play: Play) -> str:
    paths = play.dice.sample(FACTS, play.dice.randint(1, 3)) if play.dice.random() < 0.7 else ["*"]
    play.rig.front.down = set(paths)
    return f"{paths}"


@move(2)
def exchange_is_up(play: Play) -> str:
    play.rig.front.down, play.rig.front.lose, play.rig.front.lies = set(), [], {}
    play.blind_s = 0
    return ""


# -- time, processes, homes


@move(9)
def time_passes(play: Play) -> str:
    seconds = play.dice.choice((1, 5, 30, 61, 70, 70, 310, 310, 1000))
    play.rig.clock.forward(seconds)
    return f"{seconds} s"


@move(1)
def clock_is_set(play: Play) -> str:
    play.rig.clock.wrong_ms = play.dice.choice((-86_400_000, -2000, 900, 1500, 3_600_000, 0, 0))
    return f"{play.rig.clock.wrong_ms} ms"


@move(1)
def clock_is_put_right(play: Play) -> str:
    play.rig.clock.wrong_ms = 0
    return ""


@move(6)
def guardian_looks(play: Play) -> str:
    """What a server does by itself in the background."""
    return play.looks(play.dice.choice(("resolves", "resolves", "reconciles")))


@move(3)
def process_comes_or_goes(play: Play) -> str:
    what = play.dice.choice(("another", "restart", "turn"))
    if what == "another" and len(play.rig.processes) < 3:
        play.rig.another()
    elif what == "restart":
        play.rig.restart()
    else:
        play.rig.at = play.dice.randrange(len(play.rig.processes))
    return what


@move(1)
def home_is_copied(play: Play) -> str:
    return play.copy()


@move(1)
def home_is_put_back(play: Play) -> str:
    return play.put_back()


@move(1)
def home_loses_its_log(play: Play) -> str:
    return play.lose_log() if play.dice.random() < 0.5 else "not now"


@move(1)
def owner_begins_a_log(play: Play) -> str:
    return play.begin_log()


@move(1)
def testnet_is_wiped(play: Play) -> str:
    return play.wipe() if play.dice.random() < 0.3 else "not now"


def calming(play: Play) -> list[Move]:
    """The moves that end a trouble which there is now."""
    if is_lost(play.rig.home):
        return [owner_begins_a_log]
    markets, front = play.venue.markets.values(), play.rig.front
    with play.rig.process.journal.transaction() as tx:
        state, _ = play.rig.process.journal.trading(tx)
    troubles = {
        owner_resumes: state is not TradingState.ACTIVE,
        owner_mends_the_policy: play.is_edited,
        exchange_is_up: bool(front.down),
        clock_is_put_right: play.rig.clock.wrong_ms != 0,
        market_is_honest_again: any(play.oracle.unusable(one) for one in markets),
    }
    return [one for one, is_so in troubles.items() if is_so]
