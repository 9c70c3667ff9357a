"""What an order's fills cost in fees: asked for where the exchange's report did not say.

The position, and so what can be sold back, is what was bought less what was sold less the fees taken of the base asset.
Fees in another asset (BNB, the quote asset) take nothing of it; they count for the loss of the day.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from guardian.domain.orders import Trade, fees_of
from guardian.domain.report_match import impossible_fills
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow

BEFORE_IT_WAS_SENT_MS: Final = 60_000
"""Trades before the order was sent, less what clocks may differ by, are another's: order ids start anew on a wipe."""


def known_fees(tx: Transaction, row: OrderRow, executed: Decimal) -> dict[str, Decimal] | None:
    """The fees of an order's first `executed` base asset, by asset; None where the ledger lacks some of them."""
    return tx.ledger.fees_of(row.client_order_id) if row.fee_quantity >= executed else None


async def fetch_fees(context: GateContext, exchange: Exchange, client_order_id: str) -> bool:
    """Ask for the fees of what an order has executed, where they are not known; whether that brought anything.

    Raises ExchangeError and StoreError.
    """
    row = await context.journal.run(lambda: _wanted(context, client_order_id))
    if row is None or row.order_id is None:
        return False
    trades = await exchange.my_trades(row.symbol, row.order_id)
    return await context.journal.run(lambda: _note(context, row, trades))


def _wanted(context: GateContext, client_order_id: str) -> OrderRow | None:
    with context.journal.transaction() as tx:
        row = tx.orders.get(client_order_id)
    is_wanted = row is not None and row.adopted and row.executed_quantity > row.fee_quantity
    return row if is_wanted else None


def _note(context: GateContext, row: OrderRow, trades: tuple[Trade, ...]) -> bool:
    ours = [trade for trade in trades if trade.time >= row.sent_ms - BEFORE_IT_WAS_SENT_MS]
    fees = fees_of(trade.fill for trade in ours)
    # More than was ordered, or at other prices, is no order of guardian's. Fewer than are executed come later: the list
    # lags.
    is_other = fees.quantity > row.quantity or impossible_fills(row.sent, (trade.fill for trade in ours)) is not None
    if len(ours) < len(trades) or is_other:
        return False
    with context.journal.transaction() as tx:
        now = tx.orders.get(row.client_order_id)
        state = row.state if now is None else now.state
        return tx.orders.move(row.client_order_id, state, fees=fees)
