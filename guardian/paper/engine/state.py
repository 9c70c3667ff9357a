"""All that the paper exchange remembers of its one account while it runs. What is long over is in the storage alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from guardian.domain.money import ZERO, plus
from guardian.paper.engine.balances import Ledger
from guardian.paper.engine.orders import Balance, Order, Trade

KEPT: Final = 2000
"""How many ended orders, and how many trades, are remembered at most."""
_FIRST_ORDER_ID: Final = 1_000_001
_FIRST_TRADE_ID: Final = 500_001


@dataclass(slots=True, kw_only=True)
class State:
    """The ledger, the open orders, the last ended ones and the last trades.

    `checked` is how far the market's movements have been accounted for (milliseconds).
    """

    ledger: Ledger
    orders: dict[int, Order] = field(default_factory=dict)
    """The open ones and the last `KEPT` that have ended, by id."""
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=KEPT))
    """The last ones."""
    checked: int = 0
    born: int = 0
    """When this exchange was first started; its wallet's history ends here."""
    updated: int = 0
    """When an order last changed (milliseconds); zero for never."""
    fees_in_bnb: bool = False
    next_order_id: int = _FIRST_ORDER_ID
    next_trade_id: int = _FIRST_TRADE_ID
    next_match_id: int = 0
    next_priority: int = 1
    open_orders: dict[int, Order] = field(default_factory=dict)
    _open_in: dict[str, dict[int, Order]] = field(default_factory=dict)
    _open_ids: dict[str, int] = field(default_factory=dict)
    _ended: deque[int] = field(default_factory=deque)

    def open_in(self, symbol: str) -> tuple[Order, ...]:
        """Returns the open orders of a symbol, in the order in which they came."""
        return tuple(self._open_in.get(symbol, {}).values())

    def open_symbols(self) -> tuple[str, ...]:
        """Returns the symbols that have open orders, sorted."""
        return tuple(sorted(symbol for symbol, orders in self._open_in.items() if orders))

    def open_with(self, client_order_id: str) -> Order | None:
        """Returns the open order that has this client order id, if any."""
        order_id = self._open_ids.get(client_order_id)
        return None if order_id is None else self.open_orders[order_id]

    def keep(self, order: Order) -> None:
        """Files an order that is new or has changed, and forgets the oldest of those that have long ended."""
        order_id = order.order_id
        self.orders[order_id] = order
        self.next_order_id = max(self.next_order_id, order_id + 1)
        self.next_priority = max(self.next_priority, order.priority + 1)
        self.updated = max(self.updated, order.updated)
        if order.prevented_match_id is not None:
            self.next_match_id = max(self.next_match_id, order.prevented_match_id + 1)
        if order.is_open:
            self.open_orders[order_id] = order
            self._open_in.setdefault(order.symbol, {})[order_id] = order
            self._open_ids[order.client_order_id] = order_id
        elif self.open_orders.pop(order_id, None) is not None:
            self._open_in[order.symbol].pop(order_id)
            self._open_ids.pop(order.client_order_id)
            self._end(order_id)

    def remember(self, order: Order) -> None:
        """Files an order that ended in an earlier life."""
        self.orders[order.order_id] = order
        self._end(order.order_id)

    def note(self, trade: Trade) -> None:
        """Files a trade."""
        self.trades.append(trade)
        self.next_trade_id = trade.trade_id + 1

    def _end(self, order_id: int) -> None:
        self._ended.append(order_id)
        if len(self._ended) > KEPT:
            del self.orders[self._ended.popleft()]


def new_state(balances: Mapping[str, Decimal], *, born: int) -> State:
    """Returns an account that owns these amounts, all free, and has never traded."""
    ledger = Ledger(Balance(asset=asset, free=free) for asset, free in balances.items())
    return State(ledger=ledger, checked=born, born=born)


def mistakes(state: State, assets_of: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    """Returns what does not add up: assets that lock another amount than their open orders reserve, and debts.

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
