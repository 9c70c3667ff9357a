"""Queries guardian's open orders on an asset when a SELL of it is judged, so that what filled can be sold at once.

The resolver polls each open order every few seconds. Selling back must not wait for that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from guardian.domain.order_states import LIVE_STATES, OrderState
from guardian.domain.orders import OrderSide, OrderSpec
from guardian.errors import ExchangeError, ExchangeRateLimited
from guardian.gate.base.context import GateContext
from guardian.gate.recovery.fees import fetch_fees
from guardian.gate.recovery.order_reports import apply_report, query_order
from guardian.store.budgets.snapshots import Snapshot
from guardian.store.schema.records import OrderRow

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange

MAX_QUERIES: Final = 10
"""Maximum number of orders that are queried at once; the rest is left to the resolver."""


async def refresh_open_orders(context: GateContext, exchange: Exchange, spec: OrderSpec, snapshot: Snapshot) -> None:
    """Query the open orders whose end or fill changes what a SELL can sell back, and record what is reported.

    Nothing is queried where there are none, or for a BUY. A query that fails changes nothing.

    Raises ExchangeRateLimited, CredentialsError and StoreError.
    """
    if spec.side is not OrderSide.SELL:
        return
    rows = [row for row in snapshot.pending if _changes_holding(row, spec.symbol)]
    # BUYs first: they add to what can be sold.
    rows.sort(key=lambda row: (row.side != OrderSide.BUY.value, -row.intent_seq))
    await asyncio.gather(*(_try_to_refresh(context, exchange, row) for row in rows[:MAX_QUERIES]))


def _changes_holding(row: OrderRow, symbol: str) -> bool:
    """Whether the order trades what may be the symbol's base asset, the start of its name."""
    is_open = row.state in LIVE_STATES or row.state is OrderState.UNKNOWN
    return is_open and symbol.startswith((row.base_asset, row.quote_asset))


async def refresh_order(context: GateContext, exchange: Exchange, row: OrderRow) -> None:
    """Query an order and the fees of what it has executed, and record what is reported.

    Raises ExchangeError, CredentialsError and StoreError.
    """
    report = await query_order(exchange, row.sent)
    if report is None:
        return

    # With 0 an order that has ended meanwhile contradicts no report.
    await context.journal.transact(lambda tx: apply_report(tx, row, report, began_ms=0))
    await fetch_fees(context, exchange, row.client_order_id)


async def _try_to_refresh(context: GateContext, exchange: Exchange, row: OrderRow) -> None:
    try:
        await refresh_order(context, exchange, row)
    except ExchangeRateLimited:
        raise
    except ExchangeError:
        return
