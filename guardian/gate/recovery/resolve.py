"""Resolves unknown orders by polling the exchange, and keeps open orders up to date.

`schedule` says when an order is polled, `poll` polls one order, `absence` says when a missing order is believed to be
missing, `background` repeats all this while a server runs. One process of a home polls at a time, by a lease in the
store; a process that cannot reach the exchange leaves it to another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from guardian.domain.order_states import FINAL_STATES
from guardian.errors import ExchangeError, ExchangeRateLimited, ExchangeRejected
from guardian.exchange.error_codes import KEY_REFUSED
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.gate.recovery.fees import fetch_fees
from guardian.gate.recovery.lease import Leaseholder
from guardian.gate.recovery.poll import OrderPoller, PollResult
from guardian.gate.recovery.schedule import PollSchedule
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope


@dataclass(slots=True)
class Resolver:
    """Polls the pending orders of one environment and account, in rounds."""

    context: GateContext
    leaseholder: Leaseholder = field(init=False)
    _schedule: PollSchedule = field(init=False)
    _poller: OrderPoller = field(init=False)

    def __post_init__(self) -> None:
        self.leaseholder = Leaseholder(context=self.context)
        self._schedule = PollSchedule(context=self.context)
        self._poller = OrderPoller(context=self.context, schedule=self._schedule)

    async def run_once(self, *, only_due: bool = False) -> tuple[PollResult, ...]:
        """Poll every order that is not final, in one round. Raises ExchangeError, CredentialsError and StoreError.

        Nothing is sent, and no connection made, where no order is pending or another process polls. One order that
        cannot be polled does not stop the others: a refusal of its query is logged, another failure is raised at the
        end of the round. A refusal of the API key, or of the rate limit, ends the round at once.

        With `only_due` only orders that are due are polled, and the lease is kept for the next round. Without it this
        is the single round of a command: all orders are polled and the lease is released.
        """
        try:
            return await self._round(only_due=only_due)
        finally:
            if not only_due:
                await self.leaseholder.release()

    async def _round(self, *, only_due: bool) -> tuple[PollResult, ...]:
        environment = self.context.environment.value
        if not await self.context.journal.transact(lambda tx: tx.orders.has_pending(environment)):
            return ()
        connection = await self.context.connector.connect(needs_keys=True)
        scope = self.context.scope_of(connection)
        rows = await self.context.journal.transact(lambda tx: _pending(tx, scope))
        self._schedule.keep_only(rows)
        # The lease is held while any order is pending, not only while one is due, so that no other process polls.
        if not rows or not await self.leaseholder.holds(scope):
            return ()
        results: list[PollResult] = []
        failure: ExchangeError | None = None
        for row in rows:
            if only_due and not self._schedule.is_due(row):
                continue
            if not await self.leaseholder.holds(scope):
                break  # the round took, or was suspended for, so long that another process has taken over
            try:
                result = await self._poll(connection.exchange, scope, row)
            except ExchangeRateLimited:
                raise
            except ExchangeRejected as error:
                if error.code in KEY_REFUSED:
                    raise
                why = f"the exchange refused the query for an order of {row.symbol} (code {error.code})"
                self._schedule.warn(row, why)
                result = PollResult(client_order_id=row.client_order_id, state=None)
            except ExchangeError as error:
                failure = error
                continue
            if result is not None:
                results.append(result)
        if failure is not None:
            raise failure
        return tuple(results)

    async def _poll(self, exchange: Exchange, scope: Scope, row: OrderRow) -> PollResult | None:
        """Poll one order and the fees of what it has executed; None for a final order, of which only fees lack."""
        state = self._schedule.begin_poll(row)
        result: PollResult | None = None
        if row.state not in FINAL_STATES:
            result = await self._poller.poll(exchange, scope, row, state)
        await fetch_fees(self.context, exchange, row.client_order_id)
        return result


def _pending(tx: Transaction, scope: Scope) -> tuple[OrderRow, ...]:
    """Orders that are not final, and executed ones with unknown fees."""
    not_final = (*tx.orders.unresolved(scope), *tx.orders.live(scope))
    names = {row.client_order_id for row in not_final}
    without_fees = (row for row in tx.orders.with_unknown_fees(scope) if row.client_order_id not in names)
    return (*not_final, *without_fees)
