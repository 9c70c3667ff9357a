"""Lists the open orders of a symbol, whoever placed them: the exchange's limits on their number count all of them.

A list is kept for a minute where the limit is far away, so that an order usually needs no request for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from guardian.domain.instruments import Instrument
from guardian.domain.order_states import LIVE_STATES
from guardian.domain.orders import STOP_LIMIT_TYPES, OrderReport, OrderSpec, OrderType
from guardian.policy.facts import ListedOrders
from guardian.store.budgets.snapshots import Snapshot
from guardian.store.schema.records import OrderRow, Scope
from guardian.system.clock import Clock

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange

KEPT_S: Final = 60.0
"""How old a kept list may be, in seconds."""
_PLAIN_TYPES: Final = frozenset({OrderType.LIMIT.value, OrderType.LIMIT_MAKER.value, OrderType.MARKET.value})
"""Every other type counts as a stop order, one that guardian does not know among them."""


@dataclass(slots=True)
class OpenOrderCache:
    """The newest list of open orders by account and symbol, with the time at which it was requested."""

    _lists: dict[tuple[Scope, str], tuple[float, ListedOrders]] = field(default_factory=dict)

    def newest(self, scope: Scope, symbol: str, now: float) -> ListedOrders | None:
        """The kept list; None where it is missing or older than a minute."""
        found = self._lists.get((scope, symbol))
        return None if found is None or now - found[0] > KEPT_S else found[1]

    def keep(self, scope: Scope, symbol: str, requested: float, listed: ListedOrders) -> None:
        """Keep the list unless one that was requested later is kept already."""
        found = self._lists.get((scope, symbol))
        if found is None or found[0] <= requested:
            self._lists[scope, symbol] = (requested, listed)

    def forget(self, scope: Scope, symbol: str) -> None:
        """Drop the list of the symbol."""
        self._lists.pop((scope, symbol), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrderLister:
    """Lists the open orders of one account."""

    kept: OpenOrderCache
    scope: Scope
    clock: Clock

    async def listed(
        self, exchange: Exchange, spec: OrderSpec, instrument: Instrument, snapshot: Snapshot
    ) -> ListedOrders | None:
        """The open orders of the order's symbol; None where the exchange does not limit their number for this order.

        A stop order always gets a new list, for few of them are allowed. Another order gets the kept list unless the
        orders that are known to be open, this one included, are half the limit or more. `snapshot` was taken before.

        Raises what `open_orders` of the exchange raises.
        """
        requested = self.clock.monotonic()
        pending = [row for row in snapshot.pending if row.symbol == spec.symbol]
        if spec.order_type not in STOP_LIMIT_TYPES or instrument.max_stop_orders is None:
            if instrument.max_orders is None:
                return None
            kept = self.kept.newest(self.scope, spec.symbol, requested)
            if kept is not None and not _is_near(instrument.max_orders, kept, pending):
                return kept
        listed = _listed(await exchange.open_orders(spec.symbol), pending)
        self.kept.keep(self.scope, spec.symbol, requested, listed)
        return listed


def _is_near(most: int, kept: ListedOrders, pending: list[OrderRow]) -> bool:
    """Whether one more order makes half the limit or more."""
    known = kept.count + sum(kept.may_lack(row.client_order_id, row.order_id, row.state) for row in pending)
    return 2 * (known + 1) >= most


def _listed(reports: tuple[OrderReport, ...], pending: list[OrderRow]) -> ListedOrders:
    return ListedOrders(
        count=len(reports),
        stops=sum(report.order_type not in _PLAIN_TYPES for report in reports),
        client_order_ids=frozenset(report.client_order_id for report in reports),
        order_ids=frozenset(report.order_id for report in reports),
        acknowledged=frozenset(row.client_order_id for row in pending if row.state in LIVE_STATES),
    )
