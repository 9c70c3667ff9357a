"""What trades, locks and ends of orders do to the account: the only place where balances and orders change."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from guardian.domain.money import ZERO, minus, plus
from guardian.paper.engine.commissions import commission, commission_in_bnb
from guardian.paper.engine.orders import (
    BalanceChanged,
    Event,
    FeesInBnb,
    Order,
    OrderChanged,
    PlaceOrder,
    Trade,
    Traded,
    quote_value,
    reservation,
)
from guardian.paper.engine.refusals import order_rejected
from guardian.paper.engine.state import State
from guardian.paper.market.feed import Feed
from guardian.paper.market.symbols import DISCOUNT_ASSET, LISTINGS, Listing


class Clearing:
    """Applies changes to a state, and records them as events that hold the new values."""

    def __init__(self, state: State, feed: Feed) -> None:
        self.events: list[Event] = []
        self._state: Final = state
        self._feed: Final = feed

    def accept(self, command: PlaceOrder, listing: Listing, needed: Decimal, now: int, *, working_since: int) -> Order:
        """Creates an order that locks what is needed of the asset that it spends.

        Raises:
            ExchangeRejected: -2010, that much is not free.
        """
        asset = listing.quote_asset if command.side == "BUY" else listing.base_asset
        if self._state.ledger.of(asset).free < needed:
            raise order_rejected("Account has insufficient balance for requested action.")
        order = Order(
            order_id=self._state.next_order_id,
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
            iceberg_quantity=command.iceberg_quantity,
            executed=ZERO,
            executed_quote=ZERO,
            prevented=ZERO,
            prevented_match_id=None,
            status="NEW",
            reserved=needed,
            created=now,
            updated=now,
            working_since=working_since,
            shown=ZERO,
            priority=self._state.next_priority,
        )
        self._move(asset, free=-needed, locked=needed)
        return self.keep(order)

    def lock(self, order: Order, reserved: Decimal) -> Order | None:
        """Locks `reserved` for the order; returns None, with nothing changed, where the balance is too small."""
        asset = _spent(order)
        more = minus(reserved, order.reserved)
        if self._state.ledger.of(asset).free < more:
            return None
        self._move(asset, free=-more, locked=more)
        return self.keep(replace(order, reserved=reserved))

    def fill(self, order: Order, price: Decimal, quantity: Decimal, now: int, *, is_maker: bool) -> Order:
        """Books a trade of an order: moves what was spent, what is received and what the exchange keeps."""
        listing = LISTINGS[order.symbol]
        value = quote_value(price, quantity)
        spent, received = (value, quantity) if order.is_buy else (quantity, value)
        reserved = self._still_needed(order, minus(order.remaining, quantity), spent)
        released = minus(order.reserved, reserved)
        # What was locked beyond what was spent comes back.
        self._move(_spent(order), free=minus(released, spent), locked=-released)
        asset = listing.base_asset if order.is_buy else listing.quote_asset
        paid, paid_in = self._pay(asset, received, now)
        trade = Trade(
            trade_id=self._state.next_trade_id,
            order_id=order.order_id,
            symbol=order.symbol,
            price=price,
            quantity=quantity,
            quote_quantity=value,
            commission=paid,
            commission_asset=paid_in,
            time=now,
            is_buyer=order.is_buy,
            is_maker=is_maker,
        )
        self._state.note(trade)
        self.events.append(Traded(trade))
        executed = plus(order.executed, quantity)
        return self.keep(
            replace(
                order,
                executed=executed,
                executed_quote=plus(order.executed_quote, value),
                status="FILLED" if plus(executed, order.prevented) == order.quantity else "PARTIALLY_FILLED",
                reserved=reserved,
                updated=now,
                shown=minus(order.shown, quantity) if order.shown > 0 else ZERO,
            )
        )

    def give_up(self, order: Order, quantity: Decimal, match_id: int, now: int) -> Order:
        """Gives up a part of an order that will not trade, since it would have with another of the account's."""
        left = minus(order.remaining, quantity)
        reserved = self._still_needed(order, left, ZERO) if order.is_priced else order.reserved
        released = minus(order.reserved, reserved)
        if released > 0:
            self._move(_spent(order), free=released, locked=-released)
        changed = replace(
            order,
            prevented=plus(order.prevented, quantity),
            prevented_match_id=match_id,
            reserved=reserved,
            updated=now,
            shown=min(order.shown, left),
        )
        return self.end(changed, "EXPIRED_IN_MATCH", now) if left == 0 else self.keep(changed)

    def end(self, order: Order, status: str, now: int) -> Order:
        """Ends an order with this status: what it still locks comes back."""
        if order.reserved > 0:
            self._move(_spent(order), free=order.reserved, locked=-order.reserved)
        return self.keep(replace(order, status=status, reserved=ZERO, updated=now, shown=ZERO))

    def keep(self, order: Order) -> Order:
        """Stores the current version of an order."""
        self._state.keep(order)
        self.events.append(OrderChanged(order))
        return order

    def set_free(self, asset: str, free: Decimal) -> None:
        """Makes the free amount of an asset this one."""
        self.events.append(BalanceChanged(self._state.ledger.set_free(asset, free)))

    def pay_fees_in_bnb(self, *, enabled: bool) -> None:
        """From now on commissions are taken in BNB, or not."""
        self._state.fees_in_bnb = enabled
        self.events.append(FeesInBnb(enabled))

    def _still_needed(self, order: Order, left: Decimal, spent: Decimal) -> Decimal:
        """Returns what an order has to lock for what is left of it."""
        return reservation(order.side, order.price, left) if order.is_priced else minus(order.reserved, spent)

    def _pay(self, asset: str, received: Decimal, now: int) -> tuple[Decimal, str]:
        """Books what was received less what the exchange keeps of it, and gives the latter with its asset."""
        if self._state.fees_in_bnb:
            paid = commission_in_bnb(asset, received, self._state.ledger, self._feed, now)
            if paid is not None:
                self._move(asset, free=received)
                self._move(DISCOUNT_ASSET, free=-paid, fees=paid)
                return paid, DISCOUNT_ASSET
        paid = commission(received)
        self._move(asset, free=minus(received, paid), fees=paid)
        return paid, asset

    def _move(self, asset: str, *, free: Decimal = ZERO, locked: Decimal = ZERO, fees: Decimal = ZERO) -> None:
        self.events.append(BalanceChanged(self._state.ledger.move(asset, free=free, locked=locked, fees=fees)))


def _spent(order: Order) -> str:
    """Returns the asset that an order spends and locks."""
    listing = LISTINGS[order.symbol]
    return listing.quote_asset if order.is_buy else listing.base_asset
