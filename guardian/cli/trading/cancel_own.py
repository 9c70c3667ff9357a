"""`guardian halt --cancel-open`: guardian's own open orders, cancelled one by one through the gate."""

from __future__ import annotations

from pathlib import Path

import click

from guardian.bootstrap import Guardian
from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE
from guardian.cli.support.opened_home import with_guardian
from guardian.cli.support.render import say, say_hint
from guardian.cli.support.stop_requests import StopRequested, StopRequests, stop_requests
from guardian.cli.trading.open_orders import cancel_each
from guardian.domain.codes import Outcome
from guardian.domain.money import plain
from guardian.domain.requests import CancelOrder
from guardian.gate.cancels.own_orders import OwnOrder, own_open_orders


def cancel_own(policy_path: Path | None, *, more_to_do: bool) -> int:
    """Cancel guardian's own orders; the exit code. `more_to_do`: the command has something to do after that.

    Raises CredentialsError and ExchangeError where the store cannot be read and the exchange cannot be asked either,
    and click.Abort where it was asked to stop before all was done.
    """
    with stop_requests() as stop:
        code = with_guardian(policy_path, lambda opened: _cancel_each(opened, stop))
    if more_to_do and stop.asked:
        raise click.Abort
    return code


async def _cancel_each(opened: Guardian, stop: StopRequests) -> int:
    """Cancel what is or may be open, one by one, and say how it went; the exit code. Raises as `cancel_own`."""
    try:
        found = await stop.unless_asked(own_open_orders(opened.gate.context))
    except StopRequested:
        say("stopped: guardian's orders were not cancelled")
        raise click.Abort from None
    is_complete = found.unread is None
    if not is_complete:
        say(f"guardian's own list cannot be read ({found.unread}); its open orders come from the exchange")
    if not found.orders:
        say("guardian has no open orders" if is_complete else "no open orders of guardian's were found")
    cancelled = await cancel_each(found.orders, lambda order: _cancel(opened, order), stop, whose="guardian's orders")
    return FINE if cancelled and is_complete else COULD_NOT_TELL


async def _cancel(opened: Guardian, order: OwnOrder) -> bool:
    """Cancel one order through the gate and say how it went."""
    request = CancelOrder(symbol=order.symbol, client_order_id=order.client_order_id)
    reply = await opened.gate.cancel_one(request, client="guardian halt --cancel-open", by_owner=True)
    described = _described(order)
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


def _described(order: OwnOrder) -> str:
    price = "" if order.price is None else f" at {plain(order.price)}"
    terms = f"{order.side} {plain(order.quantity)}{price}, {order.state.value}"
    return f"{order.symbol} {order.client_order_id} ({terms})"
