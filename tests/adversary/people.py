"""What the assistant and the owner do in a play."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from guardian.domain.orders import OrderSpec
from guardian.domain.requests import GetBalance, GetOrders, WithdrawProposal
from guardian.domain.trading import TradingState
from tests.adversary.moves import SYMBOLS, TYPICAL, move
from tests.adversary.rig import spec
from tests.adversary.venue import ZERO, Refused, floor

if TYPE_CHECKING:
    from tests.adversary.play import Play

D = Decimal

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


@move(1)
def owner_settles(play: Play) -> str:
    """An order whose fate is unknown ends by the owner's word; what it does after all is theirs."""
    return play.settle()


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
    """At the exchange: guardian gets no notice. What it knows no number of could be found by nobody then."""
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
