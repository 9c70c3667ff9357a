"""The oracle: what is true at the exchange, and promises 3, 4, 5 and 7 of the README at each order that arrives there.

It counts from the exchange's own orders and trades and from what things are truly worth. Of guardian it reads nothing
but which proposal an order is said to be of.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from tests.adversary.rest import Post
from tests.adversary.rig import Rig
from tests.adversary.venue import ZERO, Market, Order, TradeRow

D = Decimal
MINUTE, DAY = 60_000, 86_400_000
WINDOWS = {5 * MINUTE: D(250), DAY: D(900)}
COUNTS = {MINUTE: 5, DAY: 40}
OPEN_CAP, OPEN_ORDERS = D(300), 5
NOTIONAL = D(100)
LOSS = D(40)
POSITIONS = {"BTCUSDT": D("0.004"), "BTCUSDC": D("0.004"), "ETHUSDT": D("0.08"), "ETHBTC": D("0.08")}
DIVERGENCE = D("0.02")
TRADE_AGE = 300_000
STATUS_AGE = 6_000
"""A price may be 5 s old, and a status a second older than that."""
ALLOWANCE = D("1.05")
"""Two prices of a conversion may each be off by the divergence that the policy allows."""
LOOSE = D("1.3")
"""The same where the accounting currency was another in between, and moved."""
EPSILON = D("0.000001")


@dataclass
class Sent:
    """One order that arrived, as it was worth then."""

    post: Post
    order: Order | None
    worth: Decimal
    """What it could cost or bring, in USDT at true prices."""
    at_ms: int
    is_exit: bool
    confirmed: bool
    is_forgotten: bool = False
    """It was refused, and the log that knew of it is gone: the exchange lists no such order."""


@dataclass
class Expected:
    """What the owner has said so far."""

    required_above: Decimal = ZERO
    min_free: Decimal = ZERO
    is_broken: bool = False
    """The policy file cannot be used."""
    no_log: bool = False
    """It is gone, and the owner has begun no other."""
    no_create: bool = False
    symbols: set[str] = field(default_factory=lambda: set(POSITIONS))
    buys_on: set[str] = field(default_factory=lambda: set(POSITIONS))
    currency: str = "USDT"
    was_edited: bool = False
    state: str = "active"
    """What the owner chose: `active`, `reducing` or `halted`."""
    approved: dict[str, dict[str, str]] = field(default_factory=dict)
    """By proposal id: the order that a person agreed to."""
    acted: int = 0
    """How many orders had arrived when a person last acted."""


class Oracle:
    """Watches the exchange of one rig. What is wrong is kept in `broken`, as (promise, what)."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.venue = rig, rig.venue
        self.sent: list[Sent] = []
        self.flows: list[tuple[str, str, Decimal]] = []
        """By order, as it was called when it was sent, and asset: what it brought and cost, fees among it."""
        self.corrected: dict[str, Decimal] = defaultdict(lambda: ZERO)
        """By asset: what the owner added to guardian's position in it, or took off."""
        self.settled: dict[str, str] = {}
        """By order: the state in which the owner ended it, by their word alone."""
        self.broken: list[tuple[int, str]] = []
        self.owner = Expected()
        self.reached: Counter[str] = Counter()
        rig.front.before_post = self.arrives
        rig.front.after_delete = self.cancelled
        rig.venue.on_trade = self.traded

    def wrong(self, promise: int, what: str) -> None:
        self.broken.append((promise, what))

    # -- what is true

    def ours(self) -> list[Order]:
        """Guardian's orders that are at the exchange, amended ones among them."""
        return [order for order in self.venue.orders if not order.is_foreign]

    def by_their_word(self) -> set[str]:
        """The orders that the owner has settled, as long as guardian's log has nothing else to go by.

        What they did after all is the owner's: they were shown that. One that shows up later is guardian's again.
        """
        asked = "SELECT 1 FROM orders WHERE client_order_id=? AND state=?"
        return {name for name, state in self.settled.items() if self.rig.sql(asked, name, state)}

    def counted(self) -> list[Order]:
        """Guardian's orders, without those that the owner has settled."""
        settled = self.by_their_word()
        return [order for order in self.ours() if order.posted_as not in settled]

    def net(self, asset: str) -> Decimal:
        """What guardian's orders brought and cost of an asset, as the owner has set it right."""
        settled = self.by_their_word()
        changes = (change for name, what, change in self.flows if what == asset and name not in settled)
        return sum(changes, self.corrected[asset])

    def traded(self, row: TradeRow) -> None:
        """A trade of guardian's changes what it holds of two or three assets."""
        if row.order.is_foreign:
            return
        market = self.venue.markets[row.order.symbol]
        sign = 1 if row.order.side == "BUY" else -1
        paid = -sign * row.price * row.quantity
        for asset, change in ((market.base, sign * row.quantity), (market.quote, paid), (row.fee_asset, -row.fee)):
            self.flows.append((row.order.posted_as, asset, change))

    def held(self, asset: str) -> Decimal:
        """What guardian bought and has not sold, as far as the account really has it."""
        return max(min(self.net(asset), self.venue.held(asset)), ZERO)

    def to_be_paid(self, asset: str) -> Decimal:
        """What guardian's open BUYs spend of an asset once they fill."""
        buying = (o for o in self.ours() if o.side == "BUY" and self.venue.markets[o.symbol].quote == asset)
        return sum((o.left * o.price for o in buying), ZERO)

    def sellable(self, asset: str) -> Decimal:
        """What is a full exit of an asset: bought, and neither sold nor offered."""
        selling = (o for o in self.counted() if o.side == "SELL" and self.venue.markets[o.symbol].base == asset)
        return max(self.held(asset) - sum((o.left for o in selling), ZERO), ZERO)

    def worth_of(self, fields: dict[str, str]) -> Decimal:
        """What an order can cost or bring at worst, in USDT at true prices."""
        market = self.venue.markets[fields["symbol"]]
        price = D(fields["price"])
        if fields["side"] == "SELL":
            price = max(price, D(fields.get("stopPrice", "0")), self.venue.true_price(market.symbol))
        return price * D(fields["quantity"]) * self.venue.worth[market.quote]

    def lost(self) -> Decimal:
        """What guardian's trades of the last 24 hours lost, at true prices. (A play is shorter than that.)"""
        settled = self.by_their_word()
        flows = ((asset, change) for name, asset, change in self.flows if name not in settled)
        return -sum((change * self.venue.worth[asset] for asset, change in flows), ZERO)

    # -- an order arrives

    def arrives(self, post: Post) -> None:
        """The exchange is about to take it in."""
        fields = post.fields
        market = self.venue.markets[fields["symbol"]]
        quantity = D(fields["quantity"])
        # Fees of a resting order are known a moment later than its fill: a thousandth of it.
        is_exit = fields["side"] == "SELL" and quantity <= self.sellable(market.base) * D("1.002") + EPSILON
        rows = self.rig.sql("SELECT proposal_id, is_exit FROM orders WHERE client_order_id=?", post.client_id)
        proposal, said_exit = rows[0] if rows else (None, 0)
        confirmed = proposal in self.owner.approved
        sent = Sent(post, None, self.worth_of(fields), post.at_ms, is_exit, confirmed)
        self.reached["sent: exit" if is_exit else "sent"] += 1
        if not rows:
            self.wrong(2, "an order without a reservation")
        if said_exit and not is_exit:
            self.wrong(4, f"sold {quantity} {market.base} as an exit, and {self.sellable(market.base)} is one")
        self._once(sent, proposal)
        self._person(sent, proposal)
        self._switch(sent)
        self._caps(sent, market, quantity)
        self._facts(sent, market)
        self.sent.append(sent)

    def _once(self, sent: Sent, proposal: str | None) -> None:
        if any(other.post.client_id == sent.post.client_id for other in self.sent):
            self.wrong(5, "one intent was sent twice")
        if proposal is not None:
            asked = {row[0] for row in self.rig.sql("SELECT client_order_id FROM orders WHERE proposal_id=?", proposal)}
            if len(asked) > 1:
                self.wrong(5, "one proposal made two orders")

    def _person(self, sent: Sent, proposal: str | None) -> None:
        if sent.confirmed and proposal is not None:
            agreed = self.owner.approved[proposal]
            fields, names = sent.post.fields, ("symbol", "side", "quantity", "type")
            # A price that is better for the person than what they agreed to is theirs.
            better = D(fields["price"]) - D(agreed["price"])
            is_worse = better > 0 if fields["side"] == "BUY" else better < 0
            if is_worse or any(fields[name] != agreed[name] for name in names):
                self.wrong(3, f"approved {agreed}, sent {sent.post.fields}")
            return
        loose = [s.worth for s in self.sent[self.owner.acted :] if not s.confirmed and s.order is not None]
        most = self.owner.required_above * self.allowance
        if sum(loose, sent.worth) > most:
            self.wrong(3, f"{sum(loose, sent.worth):.2f} went without a person, {self.owner.required_above} may")
        if sent.post.fields["symbol"] not in self.owner.symbols:
            self.wrong(3, "a symbol that is not listed, and no person was asked")

    @property
    def allowance(self) -> Decimal:
        return LOOSE if self.owner.was_edited else ALLOWANCE

    def _switch(self, sent: Sent) -> None:
        fields, owner = sent.post.fields, self.owner
        if owner.state == "halted":
            self.wrong(6, "sent while the owner had halted trading")
        if owner.state == "reducing" and not sent.is_exit:
            self.wrong(6, "no exit, and sent while trading is reducing")
        if owner.no_log:
            self.wrong(7, "sent while the log was lost")
        if owner.is_broken or owner.no_create:
            self.wrong(7, "sent while the policy file was broken, or allowed no create_order")
        not_listed = fields["symbol"] not in (owner.buys_on if fields["side"] == "BUY" else owner.symbols)
        if not_listed and not sent.is_exit:
            self.wrong(7, "no exit, and sent on a symbol or a side that the policy does not list")

    def _caps(self, sent: Sent, market: Market, quantity: Decimal) -> None:
        allowance = self.allowance
        if sent.worth > NOTIONAL * allowance:
            self.wrong(4, f"one order of {sent.worth:.2f}")
        if sent.is_exit:
            return
        here = [s for s in self.sent if not s.is_exit and s.order is not None]
        for window, most in WINDOWS.items():
            entered = sum((s.worth for s in here if s.at_ms > sent.at_ms - window), sent.worth)
            if entered > most * allowance:
                self.wrong(4, f"{entered:.2f} entered within {window // MINUTE}m, {most} may")
        for window, number in COUNTS.items():
            if 1 + sum(not (s.is_exit or s.is_forgotten) and s.at_ms > sent.at_ms - window for s in self.sent) > number:
                self.wrong(4, f"more than {number} orders within {window // MINUTE}m")
        live = [s for s in here if s.order is not None and s.order.is_open and s.order in self.venue.orders]
        left = [s.worth * s.order.left / s.order.sent_quantity for s in live if s.order is not None]
        if sum(left, sent.worth) > OPEN_CAP * allowance:
            self.wrong(4, f"{sum(left, sent.worth):.2f} open, {OPEN_CAP} may be")
        if len(live) >= OPEN_ORDERS:
            self.wrong(4, f"{len(live) + 1} orders open")
        loss = self.lost()
        if loss > LOSS * allowance + 1:
            self.wrong(4, f"{loss:.2f} lost today, and no exit was sent")
        if sent.post.fields["side"] == "BUY":
            self._buys(sent, market, quantity)

    def _buys(self, sent: Sent, market: Market, quantity: Decimal) -> None:
        buys = [o for o in self.counted() if o.side == "BUY" and self.venue.markets[o.symbol].base == market.base]
        after = self.held(market.base) + sum((o.left for o in buys), quantity)
        most = POSITIONS[market.symbol]
        if after > most + EPSILON:
            self.wrong(4, f"{after} {market.base} held or on order, {most} may be")
        left = self.venue.free.get(market.quote, ZERO) - D(sent.post.fields["price"]) * quantity
        if market.quote == "USDT" and left < self.owner.min_free:
            self.wrong(4, f"{left:.2f} {market.quote} left free, {self.owner.min_free} must be")

    def _facts(self, sent: Sent, market: Market) -> None:
        if not market.is_two_sided:
            self.wrong(7, f"no two-sided book of {market.symbol}")
        if sent.is_exit:
            return
        path = [market] + [self.venue.markets[name] for name in self._path(market.quote)]
        for one in path:
            why = self.unusable(one)
            if why is None and one is not market and self._halted_ms(one) > STATUS_AGE:
                why = f"not traded for {self._halted_ms(one)} ms"  # the exchange itself refuses its own symbol's orders
            if why is not None:
                role = "its own price" if one is market else "a leg"
                self.wrong(7, f"{role}, {one.symbol}: {why}")
        if abs(self.rig.clock.wrong_ms) > 1000:
            self.wrong(7, "the clock is off")

    def _path(self, quote: str) -> list[str]:
        if quote == self.owner.currency:
            return []
        if quote == "USDT":
            return ["BTCUSDT"]
        first = f"{quote}USDT"
        return [first] if self.owner.currency == "USDT" else [first, "BTCUSDT"]

    def unusable(self, market: Market) -> str | None:
        """Why nothing may be counted by this price; None where it is honest."""
        if not market.is_two_sided:
            return "no two-sided book"
        if market.average is None:
            return "no average"
        middle = (market.bid + market.ask) / 2
        if abs(middle - market.average) > market.average * (DIVERGENCE + EPSILON):
            return f"middle {middle}, average {market.average}"
        age = market.traded_ago_ms + self._halted_ms(market)
        return f"last trade {age} ms ago" if age > TRADE_AGE + MINUTE else None

    def _halted_ms(self, market: Market) -> int:
        return 0 if market.halted_ms is None else self.venue.now_ms() - market.halted_ms

    def forget_refused(self) -> None:
        """The log was lost or put back."""
        for sent in self.sent:
            sent.is_forgotten = sent.is_forgotten or sent.order is None

    def cancelled(self, order: Order) -> None:
        """Guardian has cancelled an order. Nobody let it cancel what it did not place."""
        if order.is_foreign:
            self.wrong(5, f"an order that guardian did not place was cancelled: {order.client_id}")

    def arrived(self, post: Post) -> None:
        """The exchange has taken it in, or refused it."""
        for sent in reversed(self.sent):
            if sent.post is post:
                sent.order = post.order
                return
