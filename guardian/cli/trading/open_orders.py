"""Finds open orders at the exchange, and cancels orders one by one, for `guardian halt --cancel-open`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import click

from guardian.cli.support.render import say
from guardian.cli.support.stop_requests import StopRequests
from guardian.connector import Connection
from guardian.domain.orders import OrderReport
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, ExchangeError, PolicyInvalid
from guardian.gate.base.context import GateContext
from guardian.gate.recovery.order_reports import row_of
from guardian.home.opened import OpenedHome
from guardian.store.schema.records import Scope

Order = TypeVar("Order")


async def foreign_orders(opened: OpenedHome) -> tuple[tuple[OrderReport, ...], bool]:
    """Open orders that guardian did not place, on the symbols that the policy lists or the store knows.

    The second value is whether every symbol could be queried; those that could not are printed.

    Raises CredentialsError, ExchangeError and StoreError: nothing could be queried at all.
    """
    context = await opened.journal.run(lambda: target_context(opened))
    connection = await context.connector.connect(needs_keys=True)
    symbols = await opened.journal.run(lambda: _symbols(opened, context, connection.account))
    found, complete = await _open_on(connection, symbols)
    foreign = await opened.journal.run(lambda: _not_ours(opened, context, connection.account, found))
    return foreign, complete


def target_context(opened: OpenedHome) -> GateContext:
    """Where to look: where the policy says, else where guardian placed its last order.

    Raises PolicyInvalid: no policy says, and there is no order.
    """
    context = opened.context
    if context.is_chosen:
        return context
    with opened.journal.transaction() as tx:
        newest = tx.orders.newest_environment()
    if newest is None:
        opened.policy_file.current()
        return context
    return context.for_environment(Environment(newest))


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


def _symbols(opened: OpenedHome, context: GateContext, account: str) -> tuple[str, ...]:
    """The symbols that guardian traded in that account, and those of the policy, where there is one."""
    scope = Scope(environment=context.environment.value, account=account)
    with opened.journal.transaction() as tx:
        known = tx.orders.known_symbols(scope, -1)
    listed: tuple[str, ...] = ()
    with suppress(PolicyInvalid):
        listed = tuple(opened.policy_file.current().policy.symbols)
    return tuple(sorted({*listed, *known}))


def _not_ours(
    opened: OpenedHome, context: GateContext, account: str, reports: list[OrderReport]
) -> tuple[OrderReport, ...]:
    scope = Scope(environment=context.environment.value, account=account)
    with opened.journal.transaction() as tx:
        return tuple(report for report in reports if row_of(tx, scope, report) is None)


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
