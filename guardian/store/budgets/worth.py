"""What orders count for in one currency: at the prices that they were judged with, or not at all.

An order is kept with its notional in the accounting currency of its time, its notional in the quote asset, and its
quantity of the base asset. After the owner has edited `[accounting] currency`, one of the three is in the new currency,
or what the order counts for is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from guardian.domain.money import ZERO, total
from guardian.domain.order_states import VOID_STATES
from guardian.store.schema.records import OrderRow
from guardian.store.transaction.unit import ROW

WORTH_COLUMNS: Final = ("currency", "notional", "quote_asset", "quote_notional", "base_asset", "quantity")


@dataclass(slots=True)
class Worth:
    """Sums in one currency; remembers the currencies of orders that it could not add up."""

    currency: str
    uncounted: set[str] = field(default_factory=set)

    def of(self, row: ROW) -> Decimal:
        """Returns what one order counts for; zero, and its currency is remembered, where that is unknown."""
        for asset, amount in (
            (row["currency"], row["notional"]),
            (row["quote_asset"], row["quote_notional"]),
            (row["base_asset"], row["quantity"]),
        ):
            if asset == self.currency:
                return Decimal(amount)
        self.uncounted.add(str(row["currency"]))
        return ZERO

    def of_order(self, row: OrderRow) -> Decimal:
        """Returns the same of a whole order."""
        return self.of({name: getattr(row, name) for name in WORTH_COLUMNS})

    def total(self, rows: Iterable[ROW]) -> Decimal:
        """Returns the sum of orders, exits included, without those that never came to be."""
        return total(self.of(row) for row in rows if row["state"] not in VOID_STATES)

    def entered(self, rows: Iterable[ROW]) -> Decimal:
        """Returns the sum of orders that were entered: neither exits nor such as never came to be."""
        return self.total(row for row in rows if not row["is_exit"])
