"""The fees of an order's fills, fetched where the exchange's report did not contain them.

The position, and so what can be sold back, is what was bought less what was sold less the fees charged in the base
asset. Fees in another asset (BNB, the quote asset) do not reduce it; they count towards the loss of the day.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from guardian.domain.orders import Trade, fees_of
from guardian.domain.report_match import impossible_fills
from guardian.gate.base.context import GateContext
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange

CLOCK_TOLERANCE_MS: Final = 60_000
"""How far clocks may differ. Trades older than the order by more are not its own: a wipe restarts the order ids."""


def known_fees(tx: Transaction, row: OrderRow, executed: Decimal) -> dict[str, Decimal] | None:
    """The fees by asset of the first `executed` of an order, in the base asset; None where the ledger lacks some."""
    return tx.ledger.fees_of(row.client_order_id) if row.fee_quantity >= executed else None


async def fetch_fees(context: GateContext, exchange: Exchange, client_order_id: str) -> bool:
    """Fetch the fees of what an order has executed, where they are unknown; whether any were added.

    Raises ExchangeError and StoreError.
    """
    row = await context.journal.transact(lambda tx: _order_without_fees(tx, client_order_id))
    if row is None or row.order_id is None:
        return False
    trades = await exchange.my_trades(row.symbol, row.order_id)
    return await context.journal.transact(lambda tx: _record(tx, row, trades))


def _order_without_fees(tx: Transaction, client_order_id: str) -> OrderRow | None:
    row = tx.orders.get(client_order_id)
    lacks_fees = row is not None and row.adopted and row.executed_quantity > row.fee_quantity
    return row if lacks_fees else None


def _record(tx: Transaction, row: OrderRow, trades: tuple[Trade, ...]) -> bool:
    ours = [trade for trade in trades if trade.time >= row.sent_ms - CLOCK_TOLERANCE_MS]
    fees = fees_of(trade.fill for trade in ours)
    # More than was ordered, or other prices, belong to another order. Fewer than were executed are completed later: the
    # list lags.
    is_other = fees.quantity > row.quantity or impossible_fills(row.sent, (trade.fill for trade in ours)) is not None
    if len(ours) < len(trades) or is_other:
        return False
    now = tx.orders.get(row.client_order_id)
    state = row.state if now is None else now.state
    return tx.orders.move(row.client_order_id, state, fees=fees)
