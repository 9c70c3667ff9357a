"""The part of a transaction that sets guardian's position in an asset to what the owner says.

What was sold by hand, moved away or wiped is no longer guardian's to sell back, and must not count in `max_position`. A
correction is neither gain nor loss: what it takes off the position of a symbol leaves at the symbol's present price, as
if it had been sold for that. That worth is a flow of its own kind, which counts in the loss of the day and is no
position in the quote asset.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from guardian.domain.money import ZERO, absolute_difference, minus, negated, times
from guardian.errors import StoreConflict
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.records import CORRECTION, Scope
from guardian.store.transaction.ledger import FlowKind, LedgerPart, Place
from guardian.store.transaction.unit import Unit, scope_values


class CorrectionsPart:
    """Sets positions right."""

    def __init__(self, unit: Unit, ledger: LedgerPart) -> None:
        self._unit = unit
        self._ledger = ledger

    def symbols(self, scope: Scope, asset: str) -> dict[str, Decimal]:
        """Returns the quantity held of the asset, by symbol: those that have it as their base asset and hold any."""
        rows = self._unit.rows(sql.HOLDINGS_AS_BASE, {**scope_values(scope), "asset": asset})
        held = {str(row["symbol"]): Decimal(row["quantity"]) for row in rows}
        return {symbol: quantity for symbol, quantity in held.items() if quantity != 0}

    def set_position(
        self, scope: Scope, asset: str, quantity: Decimal, prices: Mapping[str, Decimal], key: str
    ) -> None:
        """Sets the position in the asset. `prices` are by symbol; `key` is that of the log's row of the correction.

        What is taken off is taken off the symbols that hold it, and what is added fills up those that sold too much;
        the rest belongs to no symbol.

        Raises StoreConflict: the price of a symbol is missing, or the key is not that of a correction.
        """
        if not key.startswith(CORRECTION):
            raise self._unit.refused(StoreConflict("a correction without its row in the log is not made"))
        rest = minus(quantity, self._ledger.position(scope, asset))
        for row in self._unit.rows(sql.HOLDINGS_AS_BASE, {**scope_values(scope), "asset": asset}):
            place = Place(scope, row["symbol"], row["base_asset"], row["quote_asset"], key)
            share = _towards_zero(Decimal(row["quantity"]), rest)
            if share == 0:
                continue
            if place.symbol not in prices:
                raise self._unit.refused(StoreConflict(f"the price of {place.symbol} is missing"))
            self._ledger.add_flow(place, FlowKind.CORRECTION, asset, share)
            self._ledger.add_flow(place, FlowKind.WORTH, place.quote_asset, negated(times(share, prices[place.symbol])))
            rest = minus(rest, share)
        if rest != 0:
            self._ledger.add_flow(Place(scope, "", "", "", key), FlowKind.CORRECTION, asset, rest)


def _towards_zero(held: Decimal, change: Decimal) -> Decimal:
    """Returns how much of the change brings what is held nearer to zero, and not past it."""
    if held == 0 or change == 0 or (held > 0) is (change > 0):
        return ZERO
    most = min(absolute_difference(held, ZERO), absolute_difference(change, ZERO))
    return most if change > 0 else negated(most)
