"""The part of a transaction that counts: what was entered, ordered, opened and bought, exactly by this table.

| order state            | rolling notional | order count | open notional | duplicate |
|------------------------|------------------|-------------|---------------|-----------|
| rejected, not placed   | no               | yes         | no            | no        |
| reserved, unknown      | full             | yes         | full          | yes       |
| open, part-filled      | full             | yes         | remainder     | yes       |
| filled, cancelled, expired | full         | yes         | none          | yes       |

An order that was given up because the exchange did not know it is `not placed`, and still bars its duplicate.

An order is within a window if it is by window time or by the clock: a clock that was far ahead for a moment and is
right again takes nothing out of a window, for no order is reserved while it is over 1 s from the exchange's.

Exits are in none of the sums and counts but `orders_since_person` and `unconfirmed_since_person`: they spend no budget,
but a person is asked about them as about all else. Sums are exact, in Python.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Final

from guardian.domain.money import ZERO, divided_up, minus, negated, plus, round_up, times, total
from guardian.domain.order_states import LIVE_STATES, UNRESOLVED_STATES, VOID_STATES, OrderState
from guardian.domain.orders import STOP_LIMIT_TYPES, OrderSide, OrderSpec
from guardian.policy.facts import ListedOrders, Usage
from guardian.policy.model import Limits
from guardian.store.budgets.persons_acts import PersonsActsPart
from guardian.store.budgets.slicing import SlicingPart
from guardian.store.budgets.snapshots import Snapshot, SnapshotsPart, spends
from guardian.store.budgets.worth import Worth
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import OrderRow, Scope, StatusUsage
from guardian.store.transaction.audit import AuditPart
from guardian.store.transaction.ledger import LedgerPart, cash_of
from guardian.store.transaction.orders import OrdersPart, is_in_doubt
from guardian.store.transaction.trading_state import TradingPart
from guardian.store.transaction.unit import ROW, Unit, scope_values

_STOP_TYPES: Final = frozenset(order_type.value for order_type in STOP_LIMIT_TYPES)


class UsagePart:
    """Counts for the rules, on the rows as they are in this transaction."""

    def __init__(
        self,
        unit: Unit,
        *,
        trading: TradingPart,
        acts: PersonsActsPart,
        audit: AuditPart,
        ledger: LedgerPart,
        orders: OrdersPart,
        slicing: SlicingPart,
        snapshots: SnapshotsPart,
    ) -> None:
        self._unit = unit
        self._trading = trading
        self._acts = acts
        self._audit = audit
        self._ledger = ledger
        self._orders = orders
        self._slicing = slicing
        self._snapshots = snapshots

    def of(
        self,
        scope: Scope,
        order: OrderSpec,
        limits: Limits,
        *,
        currency: str,
        assets: tuple[str, str] | None,
        snapshot: Snapshot,
        listed: ListedOrders | None = None,
    ) -> Usage:
        """Returns everything that the rules count for this order, in `currency`.

        `assets` are the base and the quote asset of its symbol; without them nothing is known to be held.
        `snapshot` was taken before the facts of the exchange were fetched that the order is judged on. Orders that
        `listed` accounts for are not counted again as open on the symbol.
        """
        pending = self._orders.pending(scope)
        status, sliced = self._status(scope, limits, currency, pending), Worth(currency)
        on_symbol = [row for row in pending if row.symbol == order.symbol]
        of_exchange = listed or ListedOrders()
        unlisted = [row for row in on_symbol if of_exchange.may_lack(row.client_order_id, row.order_id, row.state)]
        in_doubt = [row for row in on_symbol if is_in_doubt(row, self._unit.now_ms)]
        since = self._slicing.active_mark(scope, order.symbol, order.side.value, limits.anti_slicing_window_ms)
        unseen = self._snapshots.unseen_since(scope, snapshot, pending)
        base = None if assets is None else assets[0]
        return Usage(
            trading=status.trading.state,
            halt_reason=status.trading.reason,
            entered=status.entered,
            ordered=status.ordered,
            open_notional=status.open_notional,
            open_orders=status.open_orders,
            # As the exchange counts them: exits among them.
            open_orders_on_symbol=len(unlisted),
            open_stop_orders_on_symbol=sum(row.wire_type in _STOP_TYPES for row in unlisted),
            duplicate_of=self._duplicate_of(scope, order, limits.duplicate_window_ms),
            unresolved_on_symbol=in_doubt[0].client_order_id if in_doubt else None,
            sliced_since_ms=None if since is None else since.since_ms,
            sliced_entered=sliced.entered(() if since is None else self._on_side_since(scope, order, since.since_seq)),
            uncounted=tuple(sorted({*status.uncounted, *sliced.uncounted})),
            position=ZERO if base is None else self._ledger.position(scope, base),
            open_buys=total(may_bring(row, base) for row in pending),
            offered=total(offered_of(row, base) for row in pending),
            taken={asset: unseen.taken(asset) for asset in assets or ()},
            bought_since=ZERO if base is None else unseen.bought(base),
            orders_since_person=status.orders_since_person,
            unconfirmed_since_person=status.unconfirmed_since_person,
            is_unconfirmed_known=status.is_unconfirmed_known,
            calls_last_minute=self._audit.creates_last_minute(),
            traded=self._ledger.traded(scope),
        )

    def sellable(self, scope: Scope, *, with_open_buys: bool = False) -> dict[str, Decimal]:
        """By asset: what guardian bought and has neither sold nor offered, where there is any.

        With `with_open_buys` as if every open BUY had been filled.
        """
        pending, positions = self._orders.pending(scope), self._ledger.positions(scope)
        buys = [row for row in pending if with_open_buys and row.side == OrderSide.BUY.value]
        for row in buys:
            positions[row.base_asset] = plus(positions.get(row.base_asset, ZERO), row.remaining)
        left = {
            asset: minus(position, total(offered_of(row, asset) for row in pending))
            for asset, position in positions.items()
        }
        return {asset: quantity for asset, quantity in left.items() if quantity > 0}

    def status(self, scope: Scope, limits: Limits, currency: str) -> StatusUsage:
        """Returns what does not depend on the order.

        These are the windows, what is open, and what was ordered without a person.
        """
        return self._status(scope, limits, currency, self._orders.pending(scope))

    def _status(self, scope: Scope, limits: Limits, currency: str, pending: Collection[OrderRow]) -> StatusUsage:
        """Returns the same, given the orders that are not in a final state."""
        counted, unconfirmed = Worth(currency), Worth(currency)
        windows = {window.window_ms for window in limits.rolling_notional}
        counts = {window.window_ms for window in limits.max_orders}
        longest = max(windows | counts, default=0)
        rows = self._unit.rows(sql.COUNTED_IN_WINDOW, {**scope_values(scope), **self._unit.window_values(longest)})
        since_person = self._unit.rows(
            sql.COUNTED_SINCE, {**scope_values(scope), "after": self._acts.newest_seq(scope)}
        )
        return StatusUsage(
            trading=self._trading.status(),
            entered={window: counted.entered(self._within(rows, window)) for window in windows},
            ordered={window: sum(not row["is_exit"] for row in self._within(rows, window)) for window in counts},
            open_notional=total(open_notional(row, counted.of_order(row)) for row in pending if not row.is_exit),
            open_orders=sum(not row.is_exit for row in pending),
            unresolved=sum(is_in_doubt(row, self._unit.now_ms) for row in pending),
            orders_since_person=len(since_person),
            unconfirmed_since_person=unconfirmed.total(row for row in since_person if not row["confirmed"]),
            is_unconfirmed_known=not unconfirmed.uncounted,
            uncounted=tuple(sorted(counted.uncounted)),
        )

    def frees_ms(self, scope: Scope, window_ms: int, *, is_count: bool) -> int | None:
        """Returns when the oldest order that counts in a window leaves it, in ms since the epoch; None for none.

        With `is_count` those that never came to be count as well, as in `limits.max_orders`.
        """
        rows = self._unit.rows(sql.COUNTED_IN_WINDOW, {**scope_values(scope), **self._unit.window_values(window_ms)})
        return min(
            (
                max(row["reserved_ms"], row["sent_ms"]) + window_ms
                for row in rows
                if not row["is_exit"] and (is_count or OrderState(row["state"]) not in VOID_STATES)
            ),
            default=None,
        )

    def _within(self, rows: list[ROW], window_ms: int) -> list[ROW]:
        window = self._unit.window_values(window_ms)
        return [
            row
            for row in rows
            if (row["reserved_ms"] > window["after"] or row["sent_ms"] > window["clock_after"])
            and (
                row["reserved_ms"] <= window["now"]
                or row["sent_ms"] <= window["clock_now"]
                or window["set_back"] > window["after"]
            )
        ]

    def _duplicate_of(self, scope: Scope, order: OrderSpec, window_ms: int) -> str | None:
        values = {**scope_values(scope), "fingerprint": order.fingerprint, **self._unit.window_values(window_ms)}
        found = self._unit.value(sql.DUPLICATE_OF, values)
        return None if found is None else str(found)

    def _on_side_since(self, scope: Scope, order: OrderSpec, seq: int) -> list[ROW]:
        values = {**scope_values(scope), "after": seq, "symbol": order.symbol, "side": order.side.value}
        return self._unit.rows(sql.COUNTED_ON_SIDE_SINCE, values)


def open_notional(row: OrderRow, notional: Decimal) -> Decimal:
    """Returns how much of its notional an order counts for while it is open.

    All of it where its fate is unknown, else for the part that is not executed.
    """
    if row.state in UNRESOLVED_STATES:
        return notional
    if row.state not in LIVE_STATES or row.quantity <= 0:
        return ZERO
    return round_up(divided_up(times(notional, row.remaining), row.quantity))


def may_bring(row: OrderRow, asset: str | None) -> Decimal:
    """Returns what an order that has not ended may still bring of an asset.

    By buying it, or by being paid in it: then as much as it was counted for, for the part that is not executed.
    """
    if row.side == OrderSide.BUY.value:
        return row.remaining if row.base_asset == asset else ZERO
    if row.quote_asset != asset or row.quantity <= 0:
        return ZERO
    return round_up(divided_up(times(row.quote_notional, row.remaining), row.quantity))


def offered_of(row: OrderRow, asset: str | None) -> Decimal:
    """Returns what an order that has not ended may still take of an asset.

    By selling it, or by paying with it at the worst.
    """
    if spends(row) != asset:
        return ZERO
    if row.side == OrderSide.SELL.value:
        return row.remaining
    if row.state in LIVE_STATES and row.price is not None:
        return round_up(times(row.price, row.remaining))  # its owner may have amended it to a smaller quantity
    return max(minus(row.quote_notional, negated(cash_of(row))), ZERO)
