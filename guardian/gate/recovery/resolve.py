"""Resolves unknown orders by polling the exchange, and keeps open orders up to date.

`schedule` says when an order is polled and how, `poll_round` polls what is due, `poll` polls one order, `absence` says
when a missing order is believed to be missing, `background` repeats all this while a server runs. One process of a home
polls at a time, by a lease in the store; a process that cannot reach the exchange leaves it to another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from guardian.domain.order_states import LIVE_STATES
from guardian.exchange.limits.weight_meter import in_background
from guardian.gate.base.context import GateContext
from guardian.gate.recovery.lease import Leaseholder
from guardian.gate.recovery.poll import OrderPoller, PollResult
from guardian.gate.recovery.poll_round import PollRound
from guardian.gate.recovery.schedule import BackgroundBudget, PollSchedule
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope


@dataclass(slots=True)
class Resolver:
    """Polls the pending orders of one environment and account, in rounds."""

    context: GateContext
    leaseholder: Leaseholder = field(init=False)
    budget: BackgroundBudget = field(init=False)
    """What the background task of this resolver may use; reconciliation shares it."""
    _schedule: PollSchedule = field(init=False)
    _poller: OrderPoller = field(init=False)

    def __post_init__(self) -> None:
        self.leaseholder = Leaseholder(context=self.context)
        self.budget = BackgroundBudget(context=self.context)
        self._schedule = PollSchedule(context=self.context)
        self._poller = OrderPoller(context=self.context, schedule=self._schedule)

    async def run_once(self, *, only_due: bool = False) -> tuple[PollResult, ...]:
        """Poll every order that is not final, in one round. Raises ExchangeError, CredentialsError and StoreError.

        Nothing is sent, and no connection made, where no order is pending or another process polls. One order that
        cannot be polled does not stop the others: a refusal of its query is logged, another failure is raised at the
        end of the round. A refusal of the API key, or of the rate limit, ends the round at once.

        With `only_due` this is a round of the background: only orders that are due are polled, within `budget` and with
        the lowest priority, and the lease is kept for the next round. Without it this is the single round of a command:
        all orders are polled and the lease is released.
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
        rows, now_ms = await self.context.journal.transact(lambda tx: (_pending(tx, scope), tx.now_ms))
        self._schedule.keep_only(rows)
        # The lease is held while any order is pending, not only while one is due, so that no other process polls.
        if not rows or not await self.leaseholder.holds(scope):
            return ()
        this = PollRound(
            context=self.context,
            exchange=connection.exchange,
            scope=scope,
            schedule=self._schedule,
            poller=self._poller,
            leaseholder=self.leaseholder,
            budget=self.budget if only_due else None,
        )
        if not only_due:
            return await this.run(rows, now_ms)
        with in_background(self.budget.meter):
            return await this.run(rows, now_ms)


def _pending(tx: Transaction, scope: Scope) -> tuple[OrderRow, ...]:
    """Orders that are not final, the unresolved ones first, and executed ones with unknown fees."""
    pending = tx.orders.pending(scope)
    names = {row.client_order_id for row in pending}
    without_fees = (row for row in tx.orders.with_unknown_fees(scope) if row.client_order_id not in names)
    return (*sorted(pending, key=lambda row: row.state in LIVE_STATES), *without_fees)
