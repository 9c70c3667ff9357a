"""Asks for guardian's open orders on an asset when a SELL of it is judged, so that what filled can be sold at once.

The resolver asks for each open order every few seconds. What can be sold back must not wait for that.
"""

from __future__ import annotations

import asyncio
from typing import Final

from guardian.domain.order_states import LIVE_STATES, OrderState
from guardian.domain.orders import OrderSide, OrderSpec
from guardian.errors import ExchangeError, ExchangeRateLimited
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.gate.recovery.fees import fetch_fees
from guardian.gate.recovery.order_query import ask_for
from guardian.gate.recovery.order_reports import DifferenceKind, take_report
from guardian.store.budgets.snapshots import Snapshot
from guardian.store.schema.records import OrderRow

MAX_QUESTIONS: Final = 10
"""How many orders are asked for at once; the rest is left to the resolver."""


async def catch_up(context: GateContext, exchange: Exchange, spec: OrderSpec, snapshot: Snapshot) -> None:
    """Ask for the open orders whose end or fill changes what a SELL can sell back, and note what is found.

    Nothing is asked where there are none, or for a BUY. A question that fails changes nothing.

    Raises ExchangeRateLimited, CredentialsError and StoreError.
    """
    if spec.side is not OrderSide.SELL:
        return
    rows = [row for row in snapshot.pending if _changes_what_is_held(row, spec.symbol)]
    # BUYs first: they are what brings something to sell.
    rows.sort(key=lambda row: (row.side != OrderSide.BUY.value, -row.intent_seq))
    await asyncio.gather(*(_ask(context, exchange, row) for row in rows[:MAX_QUESTIONS]))


def _changes_what_is_held(row: OrderRow, symbol: str) -> bool:
    """Whether the order trades what may be the symbol's base asset, which its name begins with."""
    is_open = row.state in LIVE_STATES or row.state is OrderState.UNKNOWN
    return is_open and symbol.startswith((row.base_asset, row.quote_asset))


async def learn_of(context: GateContext, exchange: Exchange, row: OrderRow) -> None:
    """Ask for an order and for the fees of what it has executed, and note what is found.

    Raises ExchangeError, CredentialsError and StoreError.
    """
    report = await ask_for(exchange, row.sent)
    if report is None:
        return

    def note() -> DifferenceKind | None:
        with context.journal.transaction() as tx:
            # What has ended meanwhile is not held against this report.
            return take_report(tx, row, report, began_ms=0)

    await context.journal.run(note)
    await fetch_fees(context, exchange, row.client_order_id)


async def _ask(context: GateContext, exchange: Exchange, row: OrderRow) -> None:
    try:
        await learn_of(context, exchange, row)
    except ExchangeRateLimited:
        raise
    except ExchangeError:
        return
