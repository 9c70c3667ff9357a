"""The matching engine: `(command, now) -> events`. It has no clock, no network and no dice.

Each symbol has one book (see book.py): the feed's levels and trades are the market, and the account's orders are in it
with a price and a place in time like any other. They take from it and from one another, rest in it, and trade when the
market reaches their price.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from guardian.domain.milliseconds import SECOND_MS
from guardian.domain.money import ZERO, minus, plus
from guardian.domain.orders import STOP_TYPES
from guardian.paper.engine import filters
from guardian.paper.engine.book import Book, Resting
from guardian.paper.engine.clearing import Clearing
from guardian.paper.engine.matching import Plan, PlannedFill, Prevention, TakerRequest, plan
from guardian.paper.engine.orders import (
    Advance,
    CancelAll,
    CancelOne,
    Command,
    Event,
    Order,
    PayFeesInBnb,
    PlaceOrder,
    Prevented,
    Rematch,
    SetBalance,
    is_triggered,
    is_worse,
    reservation,
)
from guardian.paper.engine.refusals import cancel_rejected, invalid_symbol, order_rejected, refusal
from guardian.paper.engine.state import State
from guardian.paper.market.feed import Feed, MarketTrade
from guardian.paper.market.symbols import LISTINGS, Listing

_DEAD_BOOK = "Order book liquidity is less than `LOT_SIZE` filter minimum quantity."
_CLOSE_MS = 10_000


class Engine:
    """Carries out commands on a state, and returns the changes as events that hold the new values."""

    def __init__(self, state: State, feed: Feed) -> None:
        self.state = state
        self._feed = feed
        self._clearing = Clearing(state, feed)
        self._books: dict[str, Book] = {}
        self._own_last_prices: dict[str, tuple[int, Decimal]] = {}
        """By symbol: the price of the account's last trade, and the update id of the book that it happened in."""
        self._prices_for_stops: list[Decimal] = []
        """Prices of the account's own trades by which no stop has been checked yet."""
        self._averages: dict[tuple[str, int], Decimal] = {}
        for order in sorted(state.open_orders.values(), key=lambda one: one.priority):
            if order.working_since >= 0:
                self.book(order.symbol).join(order, state.checked)

    def handle(self, command: Command, now: int) -> tuple[Event, ...]:
        """Carries one command out at a time in milliseconds; time that goes back counts as standing still.

        A command that is refused changes nothing. Whoever wants the market accounted for first sends `Advance` first.

        Raises:
            ExchangeRejected: the exchange says no, in Binance's words.
        """
        now = max(now, self.state.checked)
        self._clearing.events = []
        match command:
            case Advance():
                self._averages.clear()
                self._advance(now)
            case Rematch():
                self._averages.clear()
                self.book(command.symbol).renew()
                self._apply_market(command.symbol, now, now)
            case PlaceOrder():
                self._place(command, now)
            case CancelOne():
                self._cancel(command, now)
            case CancelAll():
                self._cancel_all(command.symbol, now)
            case PayFeesInBnb():
                self._clearing.pay_fees_in_bnb(enabled=command.enabled)
            case SetBalance():
                self._clearing.set_free(command.asset, command.free)
        return tuple(self._clearing.events)

    def check(self, command: PlaceOrder, now: int) -> Listing:
        """Checks an order against the symbol's rules, as `order/test` does: neither balances nor the book.

        Raises:
            ExchangeRejected: they do not.
        """
        listing = LISTINGS.get(command.symbol)
        if listing is None:
            raise invalid_symbol()
        held = self.state.ledger.of(listing.base_asset)
        filters.check(
            command,
            listing,
            self._average(command.symbol, now),
            self.state.open_in(command.symbol),
            plus(held.free, held.locked),
        )
        return listing

    def book(self, symbol: str) -> Book:
        """Returns the symbol's book, the account's own orders included."""
        found = self._books.get(symbol)
        if found is None:
            found = self._books[symbol] = Book(symbol, self._feed)
        return found

    def last_price(self, symbol: str, now: int) -> Decimal:
        """Returns the price of the last trade: the market's, or the account's own if the market has not moved since."""
        own = self._own_last_prices.get(symbol)
        if own is not None and own[0] == self._feed.update_id(symbol, now):
            return own[1]
        return self._feed.last_price(symbol, now)

    def _average(self, symbol: str, now: int) -> Decimal:
        key = (symbol, now // SECOND_MS)
        found = self._averages.get(key)
        if found is None:
            self._averages.clear()
            found = self._averages[key] = self._feed.average(symbol, now).price
        return found

    # Placing

    def _place(self, command: PlaceOrder, now: int) -> None:
        listing = self.check(command, now)
        if self.state.open_with(command.client_order_id) is not None:
            raise order_rejected("Duplicate order sent.")
        if command.order_type in STOP_TYPES:
            self._place_stop(command, listing, now)
        elif command.order_type == "MARKET":
            self._place_market(command, listing, now)
        else:
            self._place_limit(command, listing, now)
        self._trigger_by_own_trades(command.symbol, now)

    def _place_limit(self, command: PlaceOrder, listing: Listing, now: int) -> None:
        if command.order_type == "LIMIT_MAKER":
            best = self.book(command.symbol).best(_other(command.side), now)
            if best is not None and not is_worse(command.side, best, command.price):
                raise order_rejected("Order would immediately match and take.")
        needed = reservation(command.side, command.price, command.quantity)
        order = self._clearing.accept(command, listing, needed, now, working_since=now)
        self._match_and_rest(order, now)

    def _place_stop(self, command: PlaceOrder, listing: Listing, now: int) -> None:
        last = self.last_price(command.symbol, now)
        if is_triggered(command.order_type, command.side, command.stop_price, last):
            raise order_rejected("Order would trigger immediately.")
        # A stop without a price of its own locks what it would cost at its stop price.
        price = command.price or command.stop_price
        needed = reservation(command.side, price, command.quantity)
        self._clearing.accept(command, listing, needed, now, working_since=-1)

    def _place_market(self, command: PlaceOrder, listing: Listing, now: int) -> None:
        by_quote = command.quote_quantity > 0
        outcome = self._plan(command, command.quote_quantity if by_quote else command.quantity, now, by_quote=by_quote)
        if by_quote:
            if not outcome.steps:
                raise order_rejected(_DEAD_BOOK)
            command = replace(command, quantity=plus(outcome.quantity, outcome.given_up))
        needed = outcome.cost if command.side == "BUY" else command.quantity
        order = self._clearing.accept(command, listing, needed, now, working_since=now)
        order = self._carry_out(order, outcome, now)
        if order.is_open or (outcome.thin and order.status == "FILLED"):
            self._clearing.end(order, "EXPIRED", now)

    def _plan(self, order: PlaceOrder | Order, amount: Decimal, now: int, *, by_quote: bool = False) -> Plan:
        taker = TakerRequest(
            side=order.side,
            amount=amount,
            by_quote=by_quote,
            worst=order.price if order.price > 0 else None,
            step=LISTINGS[order.symbol].step,
            self_trade_mode=order.self_trade_mode,
        )
        return plan(self.book(order.symbol).queue(_other(order.side), now), taker)

    def _match_and_rest(self, order: Order, now: int) -> None:
        """Lets an order with a price take what there is, and then rest or end."""
        outcome = self._plan(order, order.remaining, now)
        if order.time_in_force == "FOK" and outcome.quantity < order.remaining:
            self._clearing.end(order, "EXPIRED", now)
            return
        order = self._carry_out(order, outcome, now)
        if not order.is_open:
            return
        if order.time_in_force in {"IOC", "FOK"}:
            self._clearing.end(order, "EXPIRED", now)
            return
        self._rest(order, now)

    def _rest(self, order: Order, now: int) -> None:
        """Puts what is left of an order, or the next part of an iceberg, at the end of its level."""
        part = min(order.iceberg_quantity, order.remaining) if order.iceberg_quantity > 0 else order.remaining
        order = self._clearing.keep(replace(order, shown=part, priority=self.state.next_priority))
        self.book(order.symbol).join(order, now)

    def _carry_out(self, order: Order, outcome: Plan, now: int) -> Order:
        """Does what was planned for a taker."""
        for step in outcome.steps:
            match step:
                case PlannedFill():
                    order = self._take(order, step, now)
                case Prevention():
                    order = self._prevent(order, step, now)
        return order

    def _take(self, order: Order, step: PlannedFill, now: int) -> Order:
        if step.maker is None:
            self.book(order.symbol).take(_other(order.side), step.price, step.quantity, now)
        else:
            self._fill_maker(self.state.open_orders[step.maker.order_id], step.price, step.quantity, now)
        self._note_own_trade(order.symbol, step.price, now)
        return self._clearing.fill(order, step.price, step.quantity, now, is_maker=False)

    def _prevent(self, order: Order, step: Prevention, now: int) -> Order:
        match_id = self.state.next_match_id
        maker = self.state.open_orders[step.maker.order_id]
        if step.maker_quantity is not None:
            after = self._clearing.give_up(maker, step.maker_quantity, match_id, now)
            if after.is_open:
                self.book(after.symbol).changed(after)
            else:
                self.book(after.symbol).leave(after)
        if step.taker_quantity is not None:
            order = self._clearing.give_up(order, step.taker_quantity, match_id, now)
        self._clearing.events.append(
            Prevented(
                match_id=match_id,
                symbol=order.symbol,
                taker_order_id=order.order_id,
                maker_order_id=maker.order_id,
                price=step.price,
                mode=order.self_trade_mode,
                taker_quantity=step.taker_quantity,
                maker_quantity=step.maker_quantity,
                time=now,
            )
        )
        return order

    def _fill_maker(self, maker: Order, price: Decimal, quantity: Decimal, now: int) -> None:
        after = self._clearing.fill(maker, price, quantity, now, is_maker=True)
        book = self.book(maker.symbol)
        if not after.is_open:
            book.leave(after)
        elif after.shown > 0:
            book.changed(after)
        else:
            book.leave(after)
            self._rest(after, now)

    # Cancelling

    def _cancel(self, command: CancelOne, now: int) -> None:
        if command.symbol not in LISTINGS:
            raise invalid_symbol()
        order = self._open_order(command)
        if command.only_status is not None and order.status != command.only_status:
            raise cancel_rejected("Order was not canceled due to cancel restrictions.")
        self._cancel_order(order, now)

    def _cancel_all(self, symbol: str, now: int) -> None:
        if symbol not in LISTINGS:
            raise invalid_symbol()
        orders = self.state.open_in(symbol)
        if not orders:
            raise cancel_rejected()
        for order in orders:
            self._cancel_order(order, now)

    def _cancel_order(self, order: Order, now: int) -> None:
        self.book(order.symbol).leave(order)
        self._clearing.end(order, "CANCELED", now)

    def _open_order(self, command: CancelOne) -> Order:
        if command.order_id is None:
            order = self.state.open_with(command.client_order_id or "")
        else:
            order = self.state.open_orders.get(command.order_id)
        if order is None or order.symbol != command.symbol:
            raise cancel_rejected()
        if command.client_order_id not in {None, order.client_order_id}:
            raise refusal(-2039, "Client order ID is not correct for this order ID.")
        return order

    # Applying the market to open orders

    def _advance(self, now: int) -> None:
        for symbol in self.state.open_symbols():
            since = self.state.checked
            for moment in self._feed.moments(symbol, self.state.checked, now):
                self._apply_market(symbol, since, moment)
                if not self.state.open_in(symbol):
                    break
                since = moment
        self.state.checked = now

    def _apply_market(self, symbol: str, since: int, moment: int) -> None:
        """Applies what the market did since an earlier moment to a symbol's open orders."""
        # Between moments that lie far apart the market's way is thinned out, and so are its trades.
        after = since if moment - since <= _CLOSE_MS else moment - SECOND_MS
        for trade in self._feed.trades(symbol, after, moment):
            self._apply_market_trade(symbol, trade, moment)
            self._trigger(symbol, trade.price, moment)
        self._match_crossed(symbol, moment)
        self.book(symbol).settle_queues(moment)
        self._trigger(symbol, self._feed.last_price(symbol, moment), moment)
        self._trigger_by_own_trades(symbol, moment)

    def _apply_market_trade(self, symbol: str, trade: MarketTrade, moment: int) -> None:
        """Applies a trade between others: own orders with a better price get it first, those at its price move up."""
        book, left, passed = self.book(symbol), trade.quantity, ZERO
        side = "BUY" if trade.is_buyer_maker else "SELL"
        for resting in book.own(side):
            if left == 0 or is_worse(side, trade.price, resting.order.price):
                break
            if resting.order.price == trade.price:
                before = min(max(ZERO, minus(resting.ahead, passed)), left)
                passed, left = plus(passed, before), minus(left, before)
            left = self._fill_from_market_trade(resting, left, trade.price, moment)
        if passed > 0:
            book.pass_by(side, trade.price, passed)

    def _fill_from_market_trade(self, resting: Resting, left: Decimal, price: Decimal, moment: int) -> Decimal:
        """Returns what is left of a trade that went by once an order has had its part of it."""
        order = resting.order
        # At a better price there is nobody else: an iceberg there shows one part after the other.
        available = order.shown if order.price == price else order.remaining
        taken = min(available, left)
        self._fill_parts(order, taken, moment)
        return minus(left, taken)

    def _fill_parts(self, order: Order, quantity: Decimal, moment: int) -> None:
        while quantity > 0:
            part = min(order.shown, quantity)
            self._fill_maker(order, order.price, part, moment)
            order, quantity = self.state.orders[order.order_id], minus(quantity, part)

    def _match_crossed(self, symbol: str, moment: int) -> None:
        """Fills own orders that the market's best price has reached, each at its own price."""
        book = self.book(symbol)
        for side in ("BUY", "SELL"):
            while own := book.own(side):
                order = own[0].order
                level = book.market(_other(side), moment).best()
                if level is None or is_worse(side, level.price, order.price):
                    break
                quantity = min(order.shown, level.quantity)
                book.take(_other(side), level.price, quantity, moment)
                self._note_own_trade(symbol, order.price, moment)
                self._fill_maker(order, order.price, quantity, moment)

    # Stops

    def _note_own_trade(self, symbol: str, price: Decimal, now: int) -> None:
        self._own_last_prices[symbol] = (self._feed.update_id(symbol, now), price)
        self._prices_for_stops.append(price)

    def _trigger_by_own_trades(self, symbol: str, now: int) -> None:
        """Triggers the account's stops by its own trades, and by those of the stops in turn."""
        while self._prices_for_stops:
            self._trigger(symbol, self._prices_for_stops.pop(0), now)

    def _trigger(self, symbol: str, price: Decimal, now: int) -> None:
        for order in self.state.open_in(symbol):
            waits = order.working_since < 0 and order.order_id in self.state.open_orders
            if waits and is_triggered(order.order_type, order.side, order.stop_price, price):
                self._activate_stop(order, now)

    def _activate_stop(self, order: Order, now: int) -> None:
        order = self._clearing.keep(replace(order, working_since=now, updated=now))
        if order.is_priced:
            self._match_and_rest(order, now)
            return
        outcome = self._plan(order, order.remaining, now)
        locked = self._clearing.lock(order, outcome.cost) if order.is_buy else order
        if locked is not None:
            order = self._carry_out(locked, outcome, now)
        if order.is_open:
            # The book was too thin, or the account cannot pay what it costs by now.
            self._clearing.end(order, "EXPIRED", now)


def _other(side: str) -> str:
    return "SELL" if side == "BUY" else "BUY"
