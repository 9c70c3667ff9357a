"""Finding out: orders whose fate is not known are asked for, for as long as it takes; open ones are kept up to date.

That the exchange does not know an order (-2013) proves nothing right after sending: its reads lag behind its engine
(seen for up to minutes). Absence counts only when the order can no longer arrive, was denied several times, and
is in neither the open nor the recent orders.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from guardian.domain.orders import UNRESOLVED_STATES, OrderReport, OrderState
from guardian.errors import CredentialsError, ExchangeError, ExchangeRateLimited, ExchangeRejected, StoreError
from guardian.exchange.exchange import Exchange
from guardian.gate.events import note_found
from guardian.gate.parts import Parts
from guardian.store.records import OrderRow, Scope

_log: Final = logging.getLogger("guardian.gate")

ABSENT_AFTER_MS: Final = 60_000
"""recvWindow 5 s, the engine's own time-out 10 s and 1 s of skew have passed long before this."""

ABSENT_AFTER_ANSWERS: Final = 3

PERIOD_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What asking for one order has brought."""

    client_order_id: str
    state: OrderState | None
    """None while it is still not known."""


@dataclass(slots=True)
class Resolver:
    """Asks for unresolved and open orders of one environment and account."""

    parts: Parts
    absent_after_ms: int = ABSENT_AFTER_MS
    _absences: dict[str, tuple[int, float]] = field(default_factory=dict)
    """By client order id: how often the exchange did not know it, and since when on the monotonic clock."""

    async def run_forever(self) -> None:
        """Ask at once, then every PERIOD_S; a failure of any kind is tried again in the next round."""
        while True:
            try:
                await self.run_once()
            except (ExchangeError, CredentialsError, StoreError):
                await self.parts.connector.lost()
            except Exception:  # noqa: BLE001 - logged, and tried again
                # A fault of ours must not end the asking: orders that are not known would stay so until a restart.
                _log.exception("a round of asking for orders failed")
            await self.parts.pause(PERIOD_S)

    async def run_once(self) -> tuple[Found, ...]:
        """One round over all orders that are not in a final state. Raises ExchangeError, CredentialsError, StoreError.

        Nothing is asked, and no connection made, where there is nothing to ask for. That one order cannot be asked for
        keeps no other from being asked for: the exchange's no to a question is logged, another failure is raised at the
        end of the round.
        """
        journal = self.parts.journal
        if not await journal.run(self._anything):
            return ()
        connection = await self.parts.connector.connect(needs_keys=True)
        scope = Scope(environment=self.parts.environment.value, account=connection.account)
        rows = await journal.run(lambda: self._rows(scope))
        found: list[Found] = []
        failure: ExchangeError | None = None
        for row in rows:
            try:
                found.append(await self._resolve(connection.exchange, scope, row))
            except ExchangeRateLimited:
                raise  # to go on asking would make it worse
            except ExchangeRejected as error:
                _log.warning("the exchange refused to tell of an order of %s (code %s)", row.symbol, error.code)
                found.append(Found(client_order_id=row.client_order_id, state=None))
            except ExchangeError as error:
                failure = error
        if failure is not None:
            raise failure
        return tuple(found)

    def _anything(self) -> bool:
        with self.parts.journal.transaction() as tx:
            return tx.has_pending(self.parts.environment.value)

    def _rows(self, scope: Scope) -> tuple[OrderRow, ...]:
        with self.parts.journal.transaction() as tx:
            return (*tx.unresolved(scope), *tx.live(scope))

    async def _resolve(self, exchange: Exchange, scope: Scope, row: OrderRow) -> Found:
        report = await exchange.order(row.symbol, client_order_id=row.client_order_id)
        if report is not None:
            self._absences.pop(row.client_order_id, None)
            if report.state is not OrderState.UNKNOWN:
                await self.parts.journal.run(lambda: self._note(scope, row, report.state, report))
            return Found(client_order_id=row.client_order_id, state=report.state)
        if row.state not in UNRESOLVED_STATES:
            return Found(client_order_id=row.client_order_id, state=None)
        # Time is told by the clock that only goes forward: the wall clock may be set while an order is on its way.
        answers, since = self._absences.get(row.client_order_id, (0, self.parts.monotonic()))
        answers += 1
        self._absences[row.client_order_id] = (answers, since)
        waited = (self.parts.monotonic() - since) * 1000 >= self.absent_after_ms
        if not waited or answers < ABSENT_AFTER_ANSWERS or await self._listed(exchange, row):
            return Found(client_order_id=row.client_order_id, state=None)
        await self.parts.journal.run(lambda: self._note(scope, row, OrderState.NOT_PLACED, None))
        del self._absences[row.client_order_id]
        return Found(client_order_id=row.client_order_id, state=OrderState.NOT_PLACED)

    async def _listed(self, exchange: Exchange, row: OrderRow) -> bool:
        """Whether the lists of open and of recent orders have it after all."""
        listed = (
            *await exchange.open_orders(row.symbol),
            *await exchange.all_orders(row.symbol, start_time=row.sent_ms - 60_000, end_time=None, limit=500),
        )
        return any(report.client_order_id == row.client_order_id for report in listed)

    def _note(self, scope: Scope, row: OrderRow, state: OrderState, report: OrderReport | None) -> None:
        with self.parts.journal.transaction() as tx:
            note_found(tx, scope, row, state, report)
