"""`guardian halt --cancel-open`: guardian's own open orders, cancelled one by one through the gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from guardian.bootstrap import Guardian
from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE
from guardian.cli.support.opened_home import with_guardian
from guardian.cli.support.render import say, say_hint
from guardian.cli.support.stop_requests import StopRequested, StopRequests, stop_requests
from guardian.cli.trading.open_orders import cancel_each, marked_orders
from guardian.domain.codes import Outcome
from guardian.domain.money import plain
from guardian.domain.orders import OrderReport
from guardian.domain.requests import CancelOrder
from guardian.errors import StoreError
from guardian.store.schema.records import OrderRow


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """An order of guardian's to be cancelled, and how it is shown."""

    symbol: str
    client_order_id: str
    described: str


def cancel_own(policy_path: Path | None, *, more_to_do: bool) -> int:
    """Cancel guardian's own orders; the exit code. `more_to_do`: the command has something to do after that.

    Raises CredentialsError and ExchangeError where the store cannot be read and the exchange cannot be asked either,
    and click.Abort where it was asked to stop before all was done.
    """
    with stop_requests() as stop:
        code = with_guardian(policy_path, lambda opened: _cancel_each(opened, stop), needs_policy=False)
    if more_to_do and stop.asked:
        raise click.Abort
    return code


async def _cancel_each(opened: Guardian, stop: StopRequests) -> int:
    """Cancel what is or may be open, one by one, and say how it went; the exit code. Raises as `cancel_own`."""
    try:
        orders, is_complete = await stop.unless_asked(_own_orders(opened))
    except StopRequested:
        say("stopped: guardian's orders were not cancelled")
        raise click.Abort from None
    if not orders:
        say("guardian has no open orders" if is_complete else "no open orders of guardian's were found")
    cancelled = await cancel_each(orders, lambda order: _cancel(opened, order), stop, whose="guardian's orders")
    return FINE if cancelled and is_complete else COULD_NOT_TELL


async def _own_orders(opened: Guardian) -> tuple[list[OwnOrder], bool]:
    """What is or may be open of guardian's own, and whether that is all. Raises as `cancel_own`."""
    try:
        rows = await opened.journal.transact(lambda tx: (*tx.orders.unresolved(None), *tx.orders.live(None)))
    except StoreError as error:
        # Exits are never trapped: the exchange knows guardian's orders by the mark on their ids.
        say(f"guardian's own list cannot be read ({error.message}); the exchange is asked, for the policy's symbols")
        reports, _ = await marked_orders(opened)
        return [_own(report) for report in reports], False  # there may be some on other symbols
    return [_own(row) for row in rows], True


def _own(order: OrderRow | OrderReport) -> OwnOrder:
    price = "" if order.price is None else f" at {plain(order.price)}"
    name = order.client_order_id
    described = f"{order.symbol} {name} ({order.side} {plain(order.quantity)}{price}, {order.state.value})"
    return OwnOrder(order.symbol, name, described)


async def _cancel(opened: Guardian, order: OwnOrder) -> bool:
    """Cancel one order through the gate and say how it went."""
    arguments = {"symbol": order.symbol, "client_order_id": order.client_order_id}
    client = "guardian halt --cancel-open"
    call = await opened.gate.open_call(CancelOrder.tool, arguments, client=client, by_owner=True)
    reply = await opened.gate.handle(call, CancelOrder(symbol=order.symbol, client_order_id=order.client_order_id))
    await opened.gate.close_call(call, reply)
    if reply.outcome is Outcome.DONE:
        say(f"cancelled: {order.described}")
        return True
    why = reply.outcome.value if reply.error is None else reply.error.message
    if reply.error is not None and reply.error.exchange_text is not None:
        why += f"; the exchange's own words: {reply.error.exchange_text!r}"
    how = "not known to be cancelled" if reply.outcome is Outcome.UNKNOWN else "not cancelled"
    say(f"{how}: {order.described}: {why}")
    if reply.error is not None and reply.error.hint is not None:
        say_hint(reply.error.hint)
    return False
