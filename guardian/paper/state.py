"""All that the paper exchange remembers of its one account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from guardian.domain.money import ZERO, plus
from guardian.paper.ledger import Ledger
from guardian.paper.orders import Balance, Order, Trade


@dataclass(slots=True, kw_only=True)
class State:
    """The ledger, every order and trade, and how far the market's movements have been accounted for (milliseconds)."""

    ledger: Ledger
    orders: dict[int, Order] = field(default_factory=dict)
    open_orders: dict[int, Order] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    checked: int = 0
    born: int = 0
    """When this exchange was first started; its wallet's history ends here."""

    @property
    def next_order_id(self) -> int:
        """One more than the last."""
        return next(reversed(self.orders)) + 1 if self.orders else 1_000_001

    @property
    def next_trade_id(self) -> int:
        """One more than the last."""
        return self.trades[-1].trade_id + 1 if self.trades else 500_001

    def keep(self, order: Order) -> None:
        """Files an order that is new or has changed."""
        self.orders[order.order_id] = order
        if order.is_open:
            self.open_orders[order.order_id] = order
        else:
            self.open_orders.pop(order.order_id, None)


def new_state(balances: Mapping[str, Decimal], *, born: int) -> State:
    """An account that owns these amounts, all free, and has never traded."""
    ledger = Ledger(Balance(asset=asset, free=free) for asset, free in balances.items())
    return State(ledger=ledger, checked=born, born=born)


def mistakes(state: State, assets_of: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    """What does not add up: an asset whose locked amount is not what its open orders reserve, and negative amounts.

    `assets_of` gives the base and the quote asset of each symbol.
    """
    reserved: dict[str, Decimal] = {}
    for order in state.open_orders.values():
        base, quote = assets_of[order.symbol]
        asset = quote if order.is_buy else base
        reserved[asset] = plus(reserved.get(asset, ZERO), order.reserved)
    return tuple(_ledger_mistakes(state.ledger, reserved))


def _ledger_mistakes(ledger: Iterable[Balance], reserved: dict[str, Decimal]) -> Iterable[str]:
    for balance in ledger:
        expected = reserved.pop(balance.asset, ZERO)
        if balance.locked != expected:
            yield f"{balance.asset}: {balance.locked} is locked, and open orders reserve {expected}"
        if balance.free < 0:
            yield f"{balance.asset}: less than nothing is free"
    for asset, expected in reserved.items():
        if expected > 0:
            yield f"{asset}: open orders reserve {expected}, and nothing is locked"
