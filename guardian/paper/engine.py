"""The matching engine: `(command, now) -> events`. It has no clock, no network and no dice.

The market's side of every book comes from the feed, which is a function of symbol and time. The account's orders take
from it, rest beside it at their own price, and fill when the market comes to them. The market's liquidity is there
again for the next order; the account's orders do not trade with one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from guardian.domain.instruments import largest_quantity
from guardian.domain.money import ZERO, minus, plus, round_down, times, total
from guardian.paper import filters
from guardian.paper.listing import COMMISSION, LISTINGS, STOP_TYPES, Listing
from guardian.paper.market import Feed, Level
from guardian.paper.orders import (
    Advance,
    BalanceChanged,
    CancelOrder,
    Command,
    Event,
    Meet,
    Order,
    OrderChanged,
    PlaceOrder,
    SetBalance,
    Trade,
    Traded,
    quote_value,
    reservation,
)
from guardian.paper.refusals import cancel_rejected, invalid_symbol, order_rejected, refusal
from guardian.paper.state import State

_DEAD_BOOK = "Order book liquidity is less than `LOT_SIZE` filter minimum quantity."


class Engine:
    """Carries commands out on a state. What it changes, it also tells, as events that hold the new values."""

    def __init__(self, state: State, feed: Feed) -> None:
        self.state = state
        self._feed = feed
        self._events: list[Event] = []

    def handle(self, command: Command, now: int) -> tuple[Event, ...]:
        """Carries one command out at a time in milliseconds; time that goes back counts as standing still.

        A command that is refused changes nothing. Whoever wants the market accounted for first sends `Advance` first.

        Raises:
            ExchangeRejected: the exchange says no, in Binance's words.
        """
        now = max(now, self.state.checked)
        self._events = []
        match command:
            case Advance():
                self._advance(now)
            case Meet():
                self._meet(command.symbol, now)
            case PlaceOrder():
                self._place(command, now)
            case CancelOrder():
                self._cancel(command, now)
            case SetBalance():
                self._events.append(BalanceChanged(self.state.ledger.set_free(command.asset, command.free)))
        return tuple(self._events)

    def check(self, command: PlaceOrder, now: int) -> Listing:
        """Whether the symbol's rules take the order: what `order/test` asks, and no question of money or of the book.

        Raises:
            ExchangeRejected: they do not.
        """
        listing = LISTINGS.get(command.symbol)
        if listing is None:
            raise invalid_symbol()
        average = self._feed.average(command.symbol, now).price
        filters.check(command, listing, average, tuple(self.state.open_orders.values()))
        return listing

    # Placing

    def _place(self, command: PlaceOrder, now: int) -> None:
        listing = self.check(command, now)
        if any(order.client_order_id == command.client_order_id for order in self.state.open_orders.values()):
            raise order_rejected("Duplicate order sent.")
        if command.order_type == "MARKET":
            self._place_market(command, listing, now)
        else:
            self._place_priced(command, listing, now)

    def _place_priced(self, command: PlaceOrder, listing: Listing, now: int) -> None:
        if command.order_type == "LIMIT_MAKER" and self._reachable(command.symbol, command.side, command.price, now):
            raise order_rejected("Order would immediately match and take.")
        waits = command.order_type in STOP_TYPES
        if waits and _triggered(
            command.order_type, command.side, command.stop_price, self._feed.last_price(command.symbol, now)
        ):
            raise order_rejected("Order would trigger immediately.")
        needed = reservation(command.side, command.price, command.quantity)
        order = self._accept(command, listing, needed, now, working_since=-1 if waits else now)
        if not waits:
            self._match(order, now)

    def _place_market(self, command: PlaceOrder, listing: Listing, now: int) -> None:
        thin = False
        if command.quote_quantity > 0:
            fills, thin = self._fills_for_quote(command, listing, now)
            command = replace(command, quantity=total(fill.quantity for fill in fills))
        else:
            fills = self._fills(command.symbol, command.side, command.quantity, None, now)
        cost = total(quote_value(fill.price, fill.quantity) for fill in fills)
        needed = cost if command.side == "BUY" else command.quantity
        order = self._accept(command, listing, needed, now, working_since=now)
        for fill in fills:
            left = minus(order.reserved, quote_value(fill.price, fill.quantity) if order.is_buy else fill.quantity)
            order = self._settle(order, fill.price, fill.quantity, reserved=left, now=now, is_maker=False)
        if order.is_open or thin:
            self._end(order, "EXPIRED", now)

    def _accept(self, command: PlaceOrder, listing: Listing, needed: Decimal, now: int, *, working_since: int) -> Order:
        asset = listing.quote_asset if command.side == "BUY" else listing.base_asset
        if self.state.ledger.of(asset).free < needed:
            raise order_rejected("Account has insufficient balance for requested action.")
        order = Order(
            order_id=self.state.next_order_id,
            symbol=command.symbol,
            client_order_id=command.client_order_id,
            side=command.side,
            order_type=command.order_type,
            time_in_force=command.time_in_force,
            price=command.price,
            quantity=command.quantity,
            quote_quantity=command.quote_quantity,
            stop_price=command.stop_price,
            self_trade_mode=command.self_trade_mode,
            strategy_id=command.strategy_id,
            strategy_type=command.strategy_type,
            executed=ZERO,
            executed_quote=ZERO,
            status="NEW",
            reserved=needed,
            created=now,
            updated=now,
            working_since=working_since,
        )
        self._move(asset, free=-needed, locked=needed)
        return self._keep(order)

    # Cancelling

    def _cancel(self, command: CancelOrder, now: int) -> None:
        if command.symbol not in LISTINGS:
            raise invalid_symbol()
        order = self._open_order(command)
        if command.only_status is not None and order.status != command.only_status:
            raise cancel_rejected("Order was not canceled due to cancel restrictions.")
        self._end(order, "CANCELED", now)

    def _open_order(self, command: CancelOrder) -> Order:
        for order in self.state.open_orders.values():
            if order.symbol != command.symbol:
                continue
            if command.order_id is None and order.client_order_id == command.client_order_id:
                return order
            if order.order_id == command.order_id:
                if command.client_order_id not in {None, order.client_order_id}:
                    raise refusal(-2039, "Client order ID is not correct for this order ID.")
                return order
        raise cancel_rejected()

    # Matching

    def _advance(self, now: int) -> None:
        for symbol in sorted({order.symbol for order in self.state.open_orders.values()}):
            for moment in self._feed.moments(symbol, self.state.checked, now):
                if not self._meet(symbol, moment):
                    break
        self.state.checked = now

    def _meet(self, symbol: str, moment: int) -> bool:
        """Lets the market of one moment come to each of a symbol's open orders; false where there were none."""
        waiting = [order for order in self.state.open_orders.values() if order.symbol == symbol]
        for order in waiting:
            self._visit(order, moment)
        return bool(waiting)

    def _visit(self, order: Order, moment: int) -> None:
        """Lets the market of one moment come to an order that rests or waits."""
        if order.working_since < 0:
            last = self._feed.last_price(order.symbol, moment)
            if _triggered(order.order_type, order.side, order.stop_price, last):
                self._match(self._keep(replace(order, working_since=moment, updated=moment)), moment)
        elif self._reachable(order.symbol, order.side, order.price, moment):
            for fill in self._fills(order.symbol, order.side, order.remaining, order.price, moment):
                # It was there first: the market comes to its price.
                order = self._settle_priced(order, order.price, fill.quantity, moment, is_maker=True)

    def _match(self, order: Order, now: int) -> None:
        """Lets an order with a price take what there is, and then rest or end."""
        fills = self._fills(order.symbol, order.side, order.remaining, order.price, now)
        if order.time_in_force == "FOK" and total(fill.quantity for fill in fills) < order.remaining:
            fills = []
        for fill in fills:
            order = self._settle_priced(order, fill.price, fill.quantity, now, is_maker=False)
        if order.is_open and order.time_in_force in {"IOC", "FOK"}:
            self._end(order, "EXPIRED", now)

    def _fills(self, symbol: str, side: str, quantity: Decimal, worst: Decimal | None, now: int) -> list[Level]:
        """What the other side gives for a quantity at `worst` or better (None: at any price)."""
        fills: list[Level] = []
        for level in self._opposite(symbol, side, now):
            if quantity == 0 or (worst is not None and _beyond(side, level.price, worst)):
                break
            taken = min(quantity, level.quantity)
            fills.append(Level(level.price, taken))
            quantity = minus(quantity, taken)
        return fills

    def _fills_for_quote(self, command: PlaceOrder, listing: Listing, now: int) -> tuple[list[Level], bool]:
        """What the other side gives for an amount of the quote asset, in whole steps, and whether it was too thin."""
        fills: list[Level] = []
        left, thin = command.quote_quantity, True
        for level in self._opposite(command.symbol, command.side, now):
            taken = min(level.quantity, largest_quantity(left, level.price, listing.step))
            if taken > 0:
                fills.append(Level(level.price, taken))
                left = minus(left, times(level.price, taken))
            if taken < level.quantity:
                thin = False
                break
        if not fills:
            raise order_rejected(_DEAD_BOOK)
        return fills, thin

    def _opposite(self, symbol: str, side: str, now: int) -> Iterator[Level]:
        return self._feed.asks(symbol, now) if side == "BUY" else self._feed.bids(symbol, now)

    def _reachable(self, symbol: str, side: str, price: Decimal, now: int) -> bool:
        best = next(self._opposite(symbol, side, now), None)
        return best is not None and not _beyond(side, best.price, price)

    # Settling

    def _settle_priced(self, order: Order, price: Decimal, quantity: Decimal, now: int, *, is_maker: bool) -> Order:
        left = reservation(order.side, order.price, minus(order.remaining, quantity))
        return self._settle(order, price, quantity, reserved=left, now=now, is_maker=is_maker)

    def _settle(
        self, order: Order, price: Decimal, quantity: Decimal, *, reserved: Decimal, now: int, is_maker: bool
    ) -> Order:
        listing = LISTINGS[order.symbol]
        value = quote_value(price, quantity)
        released = minus(order.reserved, reserved)
        received = quantity if order.is_buy else value
        commission = round_down(times(received, COMMISSION))
        net = minus(received, commission)
        if order.is_buy:
            got = listing.base_asset
            # What was locked beyond what was spent comes back.
            self._move(listing.quote_asset, free=minus(released, value), locked=-released)
        else:
            got = listing.quote_asset
            self._move(listing.base_asset, locked=-released)
        self._move(got, free=net, fees=commission)
        trade = Trade(
            trade_id=self.state.next_trade_id,
            order_id=order.order_id,
            symbol=order.symbol,
            price=price,
            quantity=quantity,
            quote_quantity=value,
            commission=commission,
            commission_asset=got,
            time=now,
            is_buyer=order.is_buy,
            is_maker=is_maker,
        )
        self.state.trades.append(trade)
        self._events.append(Traded(trade))
        executed = plus(order.executed, quantity)
        return self._keep(
            replace(
                order,
                executed=executed,
                executed_quote=plus(order.executed_quote, value),
                status="FILLED" if executed == order.quantity else "PARTIALLY_FILLED",
                reserved=reserved,
                updated=now,
            )
        )

    def _end(self, order: Order, status: str, now: int) -> None:
        listing = LISTINGS[order.symbol]
        asset = listing.quote_asset if order.is_buy else listing.base_asset
        if order.reserved > 0:
            self._move(asset, free=order.reserved, locked=-order.reserved)
        self._keep(replace(order, status=status, reserved=ZERO, updated=now))

    def _keep(self, order: Order) -> Order:
        self.state.keep(order)
        self._events.append(OrderChanged(order))
        return order

    def _move(self, asset: str, *, free: Decimal = ZERO, locked: Decimal = ZERO, fees: Decimal = ZERO) -> None:
        self._events.append(BalanceChanged(self.state.ledger.move(asset, free=free, locked=locked, fees=fees)))


def _beyond(side: str, price: Decimal, worst: Decimal) -> bool:
    """Whether a price is worse than the worst one wanted."""
    return price > worst if side == "BUY" else price < worst


def _triggered(order_type: str, side: str, stop_price: Decimal, last: Decimal) -> bool:
    """Whether the last trade has set a stop off; STOP_LOSS BUY and TAKE_PROFIT SELL wait above the market."""
    above = (order_type == "STOP_LOSS_LIMIT") == (side == "BUY")
    return last >= stop_price if above else last <= stop_price
