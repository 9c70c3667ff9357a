"""`guardian halt --cancel-open`: guardian's own open orders, cancelled one by one through the gate."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from guardian.cli.support.cancel_all import marked_orders
from guardian.cli.support.render import say, say_hint
from guardian.domain.money import plain
from guardian.errors import StoreError

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.domain.orders import OrderReport
    from guardian.store.schema.records import OrderRow


async def cancel_own(opened: Guardian) -> int:
    """Cancel what is or may be open of guardian's own, one by one, and say how it went; the exit code.

    Raises CredentialsError and ExchangeError where the store cannot be read and the exchange cannot be asked either.
    """
    from guardian.gate.orders.shielded import run_to_completion

    try:
        rows = await opened.journal.run(lambda: _open_orders(opened))
        complete = True
        orders = [(row.symbol, row.client_order_id, _describe(row)) for row in rows]
    except StoreError as error:
        # Exits are never trapped: the exchange knows guardian's orders by the mark on their ids.
        say(f"guardian's own list cannot be read ({error.message}); the exchange is asked, for the policy's symbols")
        reports, _ = await marked_orders(opened)
        complete = False  # there may be some on other symbols
        orders = [(report.symbol, report.client_order_id, _describe(report)) for report in reports]
    if not orders:
        say("guardian has no open orders" if complete else "no open orders of guardian's were found")
    results = []
    for number, order in enumerate(orders, start=1):
        try:
            # Ctrl-C waits for this one: its outcome is printed and logged.
            results.append(await run_to_completion(_cancel(opened, *order)))
        except asyncio.CancelledError:
            if number < len(orders):
                say(f"stopped: {len(orders) - number} of guardian's orders were not cancelled")
            raise
    return 0 if all(results) and complete else 3


def _open_orders(opened: Guardian) -> tuple[OrderRow, ...]:
    """Guardian's orders that are open or may be, in every environment."""
    with opened.journal.transaction() as tx:
        return (*tx.orders.unresolved(None), *tx.orders.live(None))


def _describe(order: OrderRow | OrderReport) -> str:
    price = "" if order.price is None else f" at {plain(order.price)}"
    return f"{order.symbol} {order.client_order_id} ({order.side} {plain(order.quantity)}{price}, {order.state.value})"


async def _cancel(opened: Guardian, symbol: str, client_order_id: str, described: str) -> bool:
    """Cancel one order through the gate and say how it went."""
    from guardian.domain.codes import Outcome
    from guardian.domain.requests import CancelOrder

    arguments = {"symbol": symbol, "client_order_id": client_order_id}
    client = "guardian halt --cancel-open"
    call = await opened.gate.open_call(CancelOrder.tool, arguments, client=client, by_owner=True)
    reply = await opened.gate.handle(call, CancelOrder(symbol=symbol, client_order_id=client_order_id))
    await opened.gate.close_call(call, reply)
    if reply.outcome is Outcome.DONE:
        say(f"cancelled: {described}")
        return True
    why = reply.outcome.value if reply.error is None else reply.error.message
    if reply.error is not None and reply.error.exchange_text is not None:
        why += f"; the exchange's own words: {reply.error.exchange_text!r}"
    how = "not known to be cancelled" if reply.outcome is Outcome.UNKNOWN else "not cancelled"
    say(f"{how}: {described}: {why}")
    if reply.error is not None and reply.error.hint is not None:
        say_hint(reply.error.hint)
    return False
