"""The part of a transaction that says what the exchange's answers may not have in them yet.

Facts of the exchange that orders use up (balances, the list of open orders) are fetched before the transaction that
reserves an order. A snapshot is taken before they are fetched. What was not known to be at the exchange then, or was
reserved since, may or may not be in an answer, so it is counted in full on top of it. An order that was acknowledged
before the snapshot is in every answer, as locked balance and as an open order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from guardian.domain.money import ZERO, minus, negated, total
from guardian.domain.order_states import FINAL_STATES, UNRESOLVED_STATES, VOID_STATES
from guardian.domain.orders import OrderSide
from guardian.store.schema.records import OrderRow, Scope
from guardian.store.transaction.ledger import cash_of
from guardian.store.transaction.orders import OrdersPart
from guardian.store.transaction.unit import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The orders of a scope as they were before facts were fetched."""

    seq: int
    """The last row of the log."""
    pending: tuple[OrderRow, ...]
    """The orders that were not in a final state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Orders since a snapshot, as far as an answer of the exchange that was fetched after it may lack them."""

    orders: tuple[OrderRow, ...]
    """Orders, as they are now, that the exchange was not known to have then; those that never came to be left out."""
    pending: tuple[OrderRow, ...]
    """Orders that were not in a final state then, as they were."""
    now: tuple[OrderRow, ...]
    """The same orders as they are now."""

    def taken(self, asset: str) -> Decimal:
        """Returns how much of the asset's free balance these orders may have taken since; never too little."""
        return total(_takes(row, asset) for row in self.orders)

    def bought(self, asset: str) -> Decimal:
        """Returns how much of the asset orders have brought since."""
        before = {row.client_order_id: _brought(row, asset) for row in self.pending}
        executed = {row.client_order_id: _brought(row, asset) for row in (*self.now, *self.orders)}
        return total(minus(brought, before.get(name, ZERO)) for name, brought in executed.items())


class SnapshotsPart:
    """Takes snapshots, and returns what came after one."""

    def __init__(self, unit: Unit, orders: OrdersPart) -> None:
        self._unit = unit
        self._orders = orders

    def take(self, scope: Scope) -> Snapshot:
        """Returns the orders of the scope as they are now, before facts of the exchange are fetched."""
        return Snapshot(seq=self._unit.head.seq, pending=self._orders.pending(scope))

    def unseen_since(self, scope: Scope, snapshot: Snapshot, pending: Iterable[OrderRow]) -> Unseen:
        """Returns what answers of the exchange may lack that were fetched after the snapshot.

        `pending` are the scope's orders that are not in a final state now.
        """
        since = self._orders.since(scope, snapshot.seq)
        now = tuple(self._now(snapshot.pending, {row.client_order_id: row for row in pending}))
        unsure = {row.client_order_id for row in snapshot.pending if row.state in UNRESOLVED_STATES}
        orders = (*(row for row in now if row.client_order_id in unsure), *since)
        return Unseen(
            orders=tuple(row for row in orders if row.state not in VOID_STATES),
            pending=snapshot.pending,
            now=now,
        )

    def _now(self, rows: Iterable[OrderRow], pending: Mapping[str, OrderRow]) -> Iterable[OrderRow]:
        """Yields the same orders as they are now; only those that have ended since are read for it."""
        for row in rows:
            yield pending.get(row.client_order_id) or self._orders.get(row.client_order_id) or row


def spends(row: OrderRow) -> str:
    """Returns the asset that an order pays with."""
    return row.quote_asset if row.side == OrderSide.BUY.value else row.base_asset


def _brought(row: OrderRow, asset: str) -> Decimal:
    """Returns what an order has brought of an asset by now."""
    if row.side == OrderSide.BUY.value:
        return row.executed_quantity if row.base_asset == asset else ZERO
    return row.executed_quote_quantity if row.quote_asset == asset else ZERO


def _takes(row: OrderRow, asset: str) -> Decimal:
    """Returns what an order takes of an asset: what it spent where it has ended, else all that it may spend."""
    if spends(row) != asset:
        return ZERO
    if row.side == OrderSide.SELL.value:
        return row.executed_quantity if row.state in FINAL_STATES else row.quantity
    return negated(cash_of(row)) if row.state in FINAL_STATES else row.quote_notional
