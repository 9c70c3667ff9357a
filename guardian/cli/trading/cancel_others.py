"""`guardian halt --cancel-open --all`: the account's other open orders, which guardian did not place.

They are the owner's own doing, so a person at a terminal is asked, and each is written down before it is cancelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from guardian.cli.support.acts import note_act
from guardian.cli.support.exit_codes import COULD_NOT_TELL, FINE
from guardian.cli.support.opened_home import with_home
from guardian.cli.support.owner import ask_yes
from guardian.cli.support.render import say
from guardian.cli.support.stop_requests import StopRequests, stop_requests
from guardian.cli.trading.open_orders import cancel_each, foreign_orders, target_context
from guardian.connector import Connection
from guardian.domain.money import plain
from guardian.domain.orders import OrderReport
from guardian.domain.text.escaping import clean
from guardian.errors import CredentialsError, ExchangeError, OutcomeUnknown, OwnerNotPresent, StoreError
from guardian.gate.base.context import GateContext
from guardian.home.opened import OpenedHome


def cancel_others(policy_path: Path | None) -> int:
    """Show the orders that guardian did not place, ask, and cancel them; the exit code.

    Trading is halted by now, whatever comes of this.
    """
    others, complete = with_home(policy_path, foreign_orders, needs_policy=False)
    if not others:
        say("there are no other open orders" if complete else "no other open orders were found")
        return FINE if complete else COULD_NOT_TELL
    for report in others:
        say(f"not placed by guardian: {_described(report)}")
    try:
        # Asked with no event loop around it: inside one, Ctrl-C would wait for the answer.
        agreed = ask_yes(f"cancel {len(others)} orders that guardian did not place?")
    except OwnerNotPresent as error:
        say(f"not cancelled: {error.message}")
        return COULD_NOT_TELL
    if not agreed:
        say("the orders that guardian did not place are left alone")
        return COULD_NOT_TELL
    with stop_requests() as stop:
        cancelled = with_home(policy_path, lambda opened: _cancel_each(opened, others, stop), needs_policy=False)
    return FINE if cancelled and complete else COULD_NOT_TELL


async def _cancel_each(opened: OpenedHome, reports: tuple[OrderReport, ...], stop: StopRequests) -> bool:
    """Cancel each and say how it went; whether all of them are cancelled. Raises CredentialsError, as `cancel_each`."""
    context = await opened.journal.run(lambda: target_context(opened))
    connection = await context.connector.connect(needs_keys=True)
    return await cancel_each(
        reports,
        lambda report: _cancel(opened, context, connection, report),
        stop,
        whose="the orders that guardian did not place",
    )


async def _cancel(opened: OpenedHome, context: GateContext, connection: Connection, report: OrderReport) -> bool:
    """Cancel one order, with a row in the log before and after, and say how it went."""
    fields = {
        "symbol": report.symbol,
        "environment": context.environment.value,
        "account": connection.account,
        "order_id": str(report.order_id),
        "client_order_id": report.client_order_id,
    }
    try:
        await opened.journal.run(lambda: _note(opened, "cancelling_foreign", fields))
        await connection.exchange.cancel_order(
            report.symbol, order_id=report.order_id, timestamp_ms=opened.context.clock.now_ms()
        )
    except (ExchangeError, CredentialsError, StoreError) as error:
        how = "not known to be cancelled" if isinstance(error, OutcomeUnknown) else "not cancelled"
        say(f"{how}: {_described(report)}: {error.message}")
        return False
    say(f"cancelled: {_described(report)}")
    try:
        await opened.journal.run(lambda: _note(opened, "cancelled_foreign", fields))
    except StoreError as error:
        say(f"guardian: warning: that it is cancelled is not in the log: {error.message}")
    return True


def _described(report: OrderReport) -> str:
    """One order in a few words. Its client order id is somebody else's text."""
    what = f"{clean(report.side)} {plain(report.quantity)} {report.symbol} at {plain(report.price)}"
    return f"{what} (order {report.order_id}, {clean(report.client_order_id)})"


def _note(opened: OpenedHome, kind: str, fields: Mapping[str, str | None]) -> None:
    with opened.journal.transaction() as tx:
        note_act(tx, kind, fields)
