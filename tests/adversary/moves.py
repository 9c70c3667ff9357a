"""What can happen in a play. Each move draws what it needs from the play's own dice and says what it did."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from guardian.domain.orders import OrderSpec
from guardian.domain.requests import GetBalance, GetOrders, WithdrawProposal
from guardian.domain.trading import TradingState
from guardian.store.opening import is_lost
from tests.adversary.rest import ALL_ORDERS, OPEN_ORDERS, ORDER, Post
from tests.adversary.rig import spec
from tests.adversary.venue import ZERO, Order, Refused, floor

if TYPE_CHECKING:
    from tests.adversary.play import Play

D = Decimal
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "ETHBTC", "BTCUSDC")
TYPICAL: Final = {"BTCUSDT": "0.0015", "BTCUSDC": "0.0012", "ETHUSDT": "0.03", "ETHBTC": "0.025"}
FACTS: Final = (
    "/api/v3/ticker/bookTicker", "/api/v3/avgPrice", "/api/v3/account", "/api/v3/time", "GET /api/v3/order",
    "/api/v3/openOrders", "/api/v3/allOrders", "/api/v3/myTrades", "/api/v3/ticker/24hr",
)  # fmt: skip
Move = Callable[["Play"], str]
MOVES: Final[list[tuple[int, Move]]] = []


def move(weight: int) -> Callable[[Move], Move]:
    """A move, and how often it is made beside the others."""

    def noted(function: Move) -> Move:
        MOVES.append((weight, function))
        return function

    return noted


# -- the assistant


def an_order(play: Play) -> OrderSpec:
    """Any order that the assistant could think of, most of them reasonable."""
    dice, symbol = play.dice, play.dice.choice(SYMBOLS)
    market = play.venue.markets[symbol]
    side = dice.choice(("BUY", "BUY", "BUY", "SELL"))
    factor = D(dice.choice(("0.2", "0.3", "0.5", "0.5", "1", "1", "1.1", "3")))
    quantity = max(floor(D(TYPICAL[symbol]) * factor, market.step), market.step)
    kind = dice.choice(("LIMIT", "LIMIT", "LIMIT", "MARKET", "MARKET", "LIMIT_MAKER", "STOP_LOSS_LIMIT"))
    near = play.venue.true_price(symbol) * (1 + D(dice.randint(-200, 60)) / 10000)
    price = max(floor(near, market.tick), market.tick)
    if kind == "MARKET":
        return spec(symbol, side, quantity)
    if kind == "STOP_LOSS_LIMIT":
        away = D("1.02") if side == "BUY" else D("0.98")
        stop = floor(price * away, market.tick)
        return spec(symbol, side, quantity, price=stop, kind=kind, stop=stop)
    in_force = dice.choice(("GTC", "GTC", "GTC", "IOC", "FOK"))
    return spec(symbol, side, quantity, price=price, kind=kind, time_in_force=in_force)


@move(26)
def assistant_orders(play: Play) -> str:
    order = an_order(play)
    return f"{order.as_dict()} -> {play.ask(order)}"


@move(5)
def assistant_orders_many_at_once(play: Play) -> str:
    orders = [an_order(play) for _ in range(play.dice.randint(2, 5))]
    return f"{len(orders)} at once -> {play.ask_together(orders)}"


@move(3)
def assistant_repeats_itself(play: Play) -> str:
    if not play.asked:
        return "nothing yet"
    return f"again -> {play.ask(play.asked[-1])}"


@move(12)
def assistant_sells_all(play: Play) -> str:
    """The full exit: it must pass wherever nothing of the README's table is in the way."""
    held = [name for name in SYMBOLS if play.oracle.sellable(play.venue.markets[name].base) > 0]
    symbol = play.dice.choice(held or SYMBOLS)
    market = play.venue.markets[symbol]
    quantity = floor(play.known_sellable(market.base), market.step)
    price = market.bid
    if quantity <= 0 or price <= 0 or quantity * price < market.min_notional:
        return "nothing to sell"
    while play.oracle.worth_of({"symbol": symbol, "side": "SELL", "price": f"{price}", "quantity": f"{quantity}"}) > 94:
        quantity = floor(quantity / 2, market.step)
    return f"{quantity} {symbol} at {price} -> {play.exit(spec(symbol, 'SELL', quantity, price=price))}"


@move(8)
def assistant_cancels(play: Play) -> str:
    """An open order of guardian's: it must be cancelled wherever the exchange can be reached."""
    live = [order for order in play.oracle.ours() if order.is_open]
    if not live:
        return "none open"
    order = play.dice.choice(live)
    return f"{order.order_id} -> {play.cancel(order, by_number=play.dice.random() < 0.3)}"


@move(1)
def assistant_cancels_a_foreign_order(play: Play) -> str:
    live = [order for order in play.venue.orders if order.is_open and order.is_foreign]
    if not live:
        return "none open"
    return play.told(play.rig.cancel(live[0].symbol, order_id=live[0].order_id))


@move(2)
def assistant_cancels_what_ended(play: Play) -> str:
    """Or was wiped: then another order may have its number."""
    if not play.rig.front.posts:
        return "none sent"
    post = play.dice.choice(play.rig.front.posts)
    return play.told(play.rig.cancel(post.fields["symbol"], client_order_id=post.client_id))


@move(4)
def assistant_uses_a_token(play: Play) -> str:
    """A new one, one that was used before, or one that was made up."""
    if not play.tokens or play.dice.random() < 0.1:
        return f"made up -> {play.told(play.rig.use('A' * 43))}"
    return play.told(play.rig.use(play.dice.choice(play.tokens)))


@move(2)
def assistant_uses_every_token_at_once(play: Play) -> str:
    return play.use_together(play.tokens[-4:])


@move(2)
def assistant_reads(play: Play) -> str:
    process = play.rig.process
    symbol = play.dice.choice(SYMBOLS)
    first = play.told(play.rig.run(process.acall(GetOrders(symbol=symbol), {"symbol": symbol})))
    return f"{first}, {play.told(play.rig.run(process.acall(GetBalance(), {})))}"


# -- the owner


@move(9)
def owner_approves(play: Play) -> str:
    waiting = play.waiting()
    if not waiting:
        return "nothing waits"
    proposal = play.dice.choice(waiting)
    token = play.approve(proposal)
    if play.dice.random() < 0.6:
        return f"{proposal}, sent -> {play.told(play.rig.use(token))}"
    return proposal


@move(2)
def assistant_withdraws(play: Play) -> str:
    """Its own proposal: that only tightens."""
    waiting = play.waiting()
    if not waiting:
        return "nothing waits"
    request = WithdrawProposal(proposal_id=waiting[-1])
    return play.told(play.rig.run(play.rig.process.acall(request, {"proposal_id": waiting[-1]})))


@move(1)
def owner_rejects(play: Play) -> str:
    waiting = play.waiting()
    if waiting:
        play.rig.reject(waiting[0])
    return f"{waiting[:1]}"


@move(2)
def owner_halts(play: Play) -> str:
    state = play.dice.choice((TradingState.HALTED, TradingState.REDUCING))
    return play.halt(state)


@move(2)
def owner_resumes(play: Play) -> str:
    """More often than trading halts, or the play would stand still."""
    return play.resume()


@move(2)
def owner_edits_the_policy(play: Play) -> str:
    what = play.dice.choice(("breaks", "no create", "no cancel", "symbol", "side", "currency", "only reads"))
    return play.edit(what)


@move(1)
def owner_mends_the_policy(play: Play) -> str:
    return play.edit("nothing")


@move(1)
def owner_sets_a_position(play: Play) -> str:
    """As it truly is, or to nothing."""
    asset = play.dice.choice(("BTC", "ETH"))
    return play.set_position(asset, play.dice.choice((ZERO, play.oracle.held(asset))))


@move(2)
def owner_trades_by_hand(play: Play) -> str:
    """Also with what guardian bought."""
    symbol, side = play.dice.choice(("BTCUSDT", "ETHUSDT")), play.dice.choice(("BUY", "SELL", "SELL"))
    market = play.venue.markets[symbol]
    share = D(play.dice.choice(("0.001", "0.1", "0.9999")))
    have = play.venue.free.get(market.base, ZERO) if side == "SELL" else D(1)
    quantity = floor(have * share, market.step)
    price = floor(play.venue.true_price(symbol) * D(play.dice.choice(("0.9", "1", "1.1"))), market.tick)
    fields = {"symbol": symbol, "side": side, "type": "LIMIT", "price": f"{price}", "quantity": f"{quantity}"}
    try:
        play.venue.place({**fields, "newClientOrderId": f"web_{len(play.venue.orders)}"}, is_foreign=True)
    except Refused as no:
        return f"{side} {quantity} {symbol} at {price}: {no.text}"
    return f"{side} {quantity} {symbol} at {price}"


@move(3)
def owner_amends_or_replaces(play: Play) -> str:
    """At the exchange: guardian is not told. What it knows no number of could be found by nobody then."""
    live = [order for order in play.oracle.ours() if order.is_open and not order.executed and play.is_known(order)]
    if not live:
        return "none open"
    order, how = play.dice.choice(live), play.dice.choice(("amends", "amends", "cancels", "replaces"))
    market = play.venue.markets[order.symbol]
    smaller = floor(order.quantity / 2, market.step)
    if how == "amends" and smaller > 0:
        play.venue.amend(order, smaller, f"amended_{order.order_id}")
        play.amended.add(order.posted_as)
        return f"amends {order.order_id}"
    play.venue.cancel(order)
    if how == "replaces":
        fields = {"symbol": order.symbol, "side": order.side, "type": "LIMIT", "price": f"{order.price}"}
        name = f"replaced_{order.order_id}"
        try:
            fields |= {"quantity": f"{order.quantity}", "newClientOrderId": name}
            play.venue.place(fields, is_foreign=True)
        except Refused as no:
            return no.text
    return f"{how} {order.order_id}"


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


def hide(order: Order, play: Play, seconds: int) -> None:
    """No read shows an order for so many seconds."""
    order.is_hidden = True

    def shows() -> None:
        order.is_hidden = False

    play.rig.clock.later.append((play.rig.clock.true_ms + seconds * 1000, shows))


def after(play: Play, post: Post) -> None:
    """What becomes of an order once it is in."""
    play.oracle.arrived(post)
    if play.blind_s and post.order is not None:
        hide(post.order, play, play.blind_s)
        play.blind_s = 0
