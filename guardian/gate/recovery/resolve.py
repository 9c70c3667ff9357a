"""Resolves orders by asking the exchange for them, for as long as it takes; open ones are kept up to date.

What an absence proves is in `guardian.gate.recovery.absence`, when each order is asked for in
`guardian.gate.recovery.order_query`.

One process of a home asks at a time, by a lease in the store; one that cannot ask leaves it to another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from guardian.connector import Connection
from guardian.domain.order_states import FINAL_STATES
from guardian.errors import CredentialsError, ExchangeError, ExchangeRateLimited, ExchangeRejected, StoreError
from guardian.exchange.exchange import Exchange
from guardian.gate.base.context import GateContext
from guardian.gate.recovery.absence import Found, OrderResolver
from guardian.gate.recovery.fees import fetch_fees
from guardian.gate.recovery.lease import Leaseholder
from guardian.gate.recovery.order_query import PERIOD_S, Pace
from guardian.gate.recovery.reconcile import KEY_REFUSED_CODES, Reconciler
from guardian.store.schema.records import OrderRow, Scope

_log: Final = logging.getLogger("guardian.gate")

TICK_S: Final = 1.0
"""How often it is looked whether there is anything to ask for; that costs a read of the store."""

RECONCILED_EVERY_S: Final = 300.0

RECONCILED_AGAIN_S: Final = 60.0
"""After one that could not be done: without keys, while another process does it, or where it failed."""


@dataclass(slots=True)
class Resolver:
    """Asks for unresolved and open orders of one environment and account."""

    context: GateContext
    _pace: Pace = field(init=False)
    _one: OrderResolver = field(init=False)
    _leaseholder: Leaseholder = field(init=False)
    _reconcile_due: float = field(init=False)
    _told: frozenset[str] = frozenset()
    """Why the last reconciliation in the background could not compare all."""

    def __post_init__(self) -> None:
        self._pace = Pace(context=self.context)
        self._one = OrderResolver(context=self.context, pace=self._pace)
        self._leaseholder = Leaseholder(context=self.context)
        self._reconcile_due = self.context.monotonic()

    async def run_forever(self) -> None:
        """Look every TICK_S what is due; after a failure of any kind, after PERIOD_S. Only cancelling ends it."""
        try:
            while True:
                await self.context.pause(await self._look())
        finally:
            await self._leaseholder.give_back()

    async def _look(self) -> float:
        """A look at what is due, whatever becomes of it; returns the seconds until the next."""
        try:
            return await self._tick()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Another task was cancelled that this one waited for, such as one that was making the connection.
            _log.warning("a round of asking for orders was cut off")
        except Exception:  # noqa: BLE001 - logged, and tried again
            # A fault of ours must not end the asking: orders that are not known would stay so until a restart.
            _log.exception("a round of asking for orders failed")
        return PERIOD_S

    async def _tick(self) -> float:
        """What is due now; returns the seconds until the next look."""
        try:
            await self.run_once(only_due=True)
            await self._reconcile()
        except Exception as error:
            await self._leaseholder.stand_back()
            if not isinstance(error, ExchangeError | CredentialsError | StoreError):
                raise
            await self.context.connector.mark_disconnected()
            return PERIOD_S
        return TICK_S

    async def _reconcile(self) -> None:
        """At start and every RECONCILED_EVERY_S, where there are keys to ask with."""
        now = self.context.monotonic()
        if now < self._reconcile_due:
            return
        self._reconcile_due = now + RECONCILED_AGAIN_S
        connection = await self.context.connector.connect(needs_keys=False)
        scope = self._scope(connection)
        if not connection.has_keys or not await self._leaseholder.holds(scope):
            return

        async def between() -> bool:
            """What is due is asked for meanwhile: there may be hundreds of symbols."""
            await self._round(only_due=True)
            return await self._leaseholder.holds(scope)

        try:
            found = await Reconciler(self.context).run(between=between)
        except (ExchangeError, CredentialsError, StoreError) as error:
            # How long to wait is another number each time; that there is a limit is one cause.
            cause = type(error).__name__ if isinstance(error, ExchangeRateLimited) else error.message
            self._tell({cause: f"the orders could not all be compared with the exchange's: {error.message}"})
            raise
        self._tell({f"{one.symbol} {one.exchange_code}": f"{one.symbol}: {one.why}" for one in found.refused})
        if found.is_whole or found.refused:
            self._reconcile_due = now + RECONCILED_EVERY_S

    def _tell(self, causes: Mapping[str, str]) -> None:
        """Warn of each cause that the last reconciliation did not have."""
        for cause, why in causes.items():
            if cause not in self._told:
                _log.warning("reconciliation: %s", why)
        self._told = frozenset(causes)

    async def run_once(self, *, only_due: bool = False) -> tuple[Found, ...]:
        """One round over all orders that are not in a final state. Raises ExchangeError, CredentialsError, StoreError.

        Nothing is asked, and no connection made, where there is nothing to ask for; nothing is asked either while
        another process does. That one order cannot be asked for keeps no other from being asked for: the exchange's no
        to a question is logged, another failure is raised at the end of the round; its no to the key, at once.

        `only_due` is a round of many, between which the lease is kept. Without it this is the one round of a command,
        and whoever comes next can ask at once.
        """
        try:
            return await self._round(only_due=only_due)
        finally:
            if not only_due:
                await self._leaseholder.give_back()

    async def _round(self, *, only_due: bool) -> tuple[Found, ...]:
        journal = self.context.journal
        if not await journal.run(self._anything):
            return ()
        connection = await self.context.connector.connect(needs_keys=True)
        scope = self._scope(connection)
        rows = await journal.run(lambda: self._rows(scope))
        # Kept for as long as there is anything to ask for, not only while it is asked: nobody else asks in between.
        if not rows or not await self._leaseholder.holds(scope):
            return ()
        found: list[Found] = []
        failure: ExchangeError | None = None
        for row in rows:
            if only_due and not self._pace.is_due(row):
                continue
            if not await self._leaseholder.holds(scope):
                break  # this round took so long, or stood still for so long, that another process goes on with it
            try:
                answer = await self._ask(connection.exchange, scope, row)
            except ExchangeRateLimited:
                raise  # to go on asking would make it worse
            except ExchangeRejected as error:
                if error.code in KEY_REFUSED_CODES:
                    raise  # it refuses who asks, not what is asked
                self._pace.warn(row, f"the exchange refused to tell of an order of {row.symbol} (code {error.code})")
                answer = Found(client_order_id=row.client_order_id, state=None)
            except ExchangeError as error:
                failure = error
                continue
            if answer is not None:
                found.append(answer)
        if failure is not None:
            raise failure
        return tuple(found)

    def _scope(self, connection: Connection) -> Scope:
        return Scope(environment=self.context.environment.value, account=connection.account)

    def _anything(self) -> bool:
        with self.context.journal.transaction() as tx:
            return tx.orders.has_pending(self.context.environment.value)

    def _rows(self, scope: Scope) -> tuple[OrderRow, ...]:
        """What is not final, and what was executed without that its fees are known; what is final is forgotten."""
        with self.context.journal.transaction() as tx:
            pending = (*tx.orders.unresolved(scope), *tx.orders.live(scope))
            names = {row.client_order_id for row in pending}
            fees = (row for row in tx.orders.with_unknown_fees(scope) if row.client_order_id not in names)
            rows = (*pending, *fees)
        self._pace.keep_only(rows)
        return rows

    async def _ask(self, exchange: Exchange, scope: Scope, row: OrderRow) -> Found | None:
        """Ask for one order, and for the fees of what it has executed; None where there were only fees to ask for."""
        asked = self._pace.plan(row)
        answer: Found | None = None
        if row.state not in FINAL_STATES:
            answer = await self._one.resolve(exchange, scope, row, asked)
        await fetch_fees(self.context, exchange, row.client_order_id)
        return answer
