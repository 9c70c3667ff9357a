"""`guardian halt --cancel-open --all`: the account's other open orders, which guardian did not place.

They are the owner's own doing, so a person at a terminal is asked, and each is written down before it is cancelled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import click

from guardian.cli.support.opened_home import note_act
from guardian.cli.support.render import say
from guardian.cli.support.stop_requests import StopRequests
from guardian.domain.money import plain
from guardian.domain.text.escaping import clean
from guardian.errors import CredentialsError, ExchangeError, OutcomeUnknown, PolicyInvalid, StoreError

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.connector import Connection
    from guardian.domain.orders import OrderReport
    from guardian.gate.base.context import GateContext


Order = TypeVar("Order")


async def cancel_each(
    orders: Sequence[Order], cancel: Callable[[Order], Awaitable[bool]], stop: StopRequests, *, whose: str
) -> bool:
    """Cancel the orders one by one; whether all of them are cancelled. `cancel` says how each went.

    No request to stop, and no second one, cuts off a cancel that is on its way. After it the number of orders that were
    not cancelled is said, and click.Abort is raised.
    """
    results = []
    for number, order in enumerate(orders):
        if stop.asked:
            say(f"stopped: {len(orders) - number} of {whose} were not cancelled")
            raise click.Abort
        results.append(await cancel(order))
    return all(results)


async def foreign_orders(opened: Guardian) -> tuple[tuple[OrderReport, ...], bool]:
    """Open orders that guardian did not place, on the symbols that the policy lists or the store knows.

    The second value is whether every symbol could be queried; those that could not are printed.

    Raises CredentialsError, ExchangeError and StoreError: nothing could be queried at all.
    """
    there = await opened.journal.run(lambda: _there(opened))
    connection = await there.connector.connect(needs_keys=True)
    symbols = await opened.journal.run(lambda: _symbols(opened, there, connection.account))
    found, complete = await _open_on(connection, symbols)
    foreign = await opened.journal.run(lambda: _not_ours(opened, there, connection.account, found))
    return foreign, complete


async def marked_orders(opened: Guardian) -> tuple[tuple[OrderReport, ...], bool]:
    """Open orders with guardian's mark on their id, on the symbols that the policy lists: for want of the store.

    The second value is as that of `foreign_orders`. Raises CredentialsError and ExchangeError, and PolicyInvalid where
    no policy says where to look.
    """
    from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX

    symbols = tuple(sorted(opened.policy_file.current().policy.symbols))
    connection = await opened.connector.connect(needs_keys=True)
    found, complete = await _open_on(connection, symbols)
    return tuple(report for report in found if report.client_order_id.startswith(CLIENT_ORDER_ID_PREFIX)), complete


async def _open_on(connection: Connection, symbols: tuple[str, ...]) -> tuple[list[OrderReport], bool]:
    found: list[OrderReport] = []
    complete = True
    for symbol in symbols:
        try:
            found += await connection.exchange.open_orders(symbol)
        except (ExchangeError, CredentialsError) as error:
            say(f"the open orders of {symbol} are unavailable: {error.message}")
            complete = False
    return found, complete


def describe(report: OrderReport) -> str:
    """One order in a few words. Its client order id is somebody else's text."""
    what = f"{clean(report.side)} {plain(report.quantity)} {report.symbol} at {plain(report.price)}"
    return f"{what} (order {report.order_id}, {clean(report.client_order_id)})"


async def cancel_foreign(opened: Guardian, reports: tuple[OrderReport, ...], stop: StopRequests) -> bool:
    """Cancel each and say how it went; whether all of them are cancelled. Raises CredentialsError, as `cancel_each`."""
    there = await opened.journal.run(lambda: _there(opened))
    connection = await there.connector.connect(needs_keys=True)
    return await cancel_each(
        reports,
        lambda report: _cancel(opened, there, connection, report),
        stop,
        whose="the orders that guardian did not place",
    )


async def _cancel(opened: Guardian, there: GateContext, connection: Connection, report: OrderReport) -> bool:
    """Cancel one order, with a row in the log before and after, and say how it went."""
    fields = {
        "symbol": report.symbol,
        "environment": there.environment.value,
        "account": connection.account,
        "order_id": str(report.order_id),
        "client_order_id": report.client_order_id,
    }
    try:
        await opened.journal.run(lambda: _note(opened, "cancelling_foreign", fields))
        await connection.exchange.cancel_order(
            report.symbol, order_id=report.order_id, timestamp_ms=opened.gate.context.clock.now_ms()
        )
    except (ExchangeError, CredentialsError, StoreError) as error:
        how = "not known to be cancelled" if isinstance(error, OutcomeUnknown) else "not cancelled"
        say(f"{how}: {describe(report)}: {error.message}")
        return False
    say(f"cancelled: {describe(report)}")
    try:
        await opened.journal.run(lambda: _note(opened, "cancelled_foreign", fields))
    except StoreError as error:
        say(f"guardian: warning: that it is cancelled is not in the log: {error.message}")
    return True


def _note(opened: Guardian, kind: str, fields: Mapping[str, str | None]) -> None:
    with opened.journal.transaction() as tx:
        note_act(tx, kind, fields)


def _there(opened: Guardian) -> GateContext:
    """Where to look: where the policy says, else where guardian placed its last order.

    Raises PolicyInvalid: no policy says, and there is no order.
    """
    from guardian.domain.trading import Environment

    context = opened.gate.context
    if context.is_chosen:
        return context
    with opened.journal.transaction() as tx:
        newest = tx.orders.newest_environment()
    if newest is None:
        opened.policy_file.current()
        return context
    return context.for_environment(Environment(newest))


def _symbols(opened: Guardian, there: GateContext, account: str) -> tuple[str, ...]:
    """The symbols that guardian traded in that account, and those of the policy, where there is one."""
    from guardian.store.schema.records import Scope

    scope = Scope(environment=there.environment.value, account=account)
    with opened.journal.transaction() as tx:
        known = tx.orders.known_symbols(scope, -1)
    listed: tuple[str, ...] = ()
    with suppress(PolicyInvalid):
        listed = tuple(opened.policy_file.current().policy.symbols)
    return tuple(sorted({*listed, *known}))


def _not_ours(
    opened: Guardian, there: GateContext, account: str, reports: list[OrderReport]
) -> tuple[OrderReport, ...]:
    from guardian.gate.recovery.order_reports import row_of
    from guardian.store.schema.records import Scope

    scope = Scope(environment=there.environment.value, account=account)
    with opened.journal.transaction() as tx:
        return tuple(report for report in reports if row_of(tx, scope, report) is None)
