"""Finding out: orders whose fate is not known are asked for, for as long as it takes; open ones are kept up to date.

That the exchange does not know an order (-2013) proves nothing right after sending: its reads lag behind its engine
(seen for up to minutes). Absence counts only when the order can no longer arrive, was denied several times, and
is in neither the open nor the recent orders. Then an order that was never acknowledged is `not_placed`, and one that
was (the testnet forgets all orders once in a while) is `expired`.

One process of a home asks at a time, by a lease in the store. Each order has its own back-off.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from guardian.domain.orders import FINAL_STATES, LIVE_STATES, UNRESOLVED_STATES, OrderReport, OrderState
from guardian.errors import CredentialsError, ExchangeError, ExchangeRateLimited, ExchangeRejected, StoreError
from guardian.exchange.exchange import Exchange
from guardian.gate.connection import Connection
from guardian.gate.events import note_found
from guardian.gate.fees import fetch_fees
from guardian.gate.leasing import Leaseholder
from guardian.gate.parts import Parts
from guardian.gate.reconciling import Reconciler
from guardian.store.records import OrderRow, Scope

_log: Final = logging.getLogger("guardian.gate")

ABSENT_AFTER_MS: Final = 60_000
"""recvWindow 5 s, the engine's own time-out 10 s and 1 s of skew have passed long before this."""

ABSENT_AFTER_ANSWERS: Final = 3

ARCHIVED_CODE: Final = -2026
"""The exchange's word for an order that ended long ago without any fill."""

TICK_S: Final = 1.0
"""How often it is looked whether there is anything to ask for; that costs a read of the store."""

PERIOD_S: Final = 10.0
"""Between two questions for an open order, and after a round that failed."""

BACK_OFF_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Between two questions for an order whose fate is not known; the last for as long as it takes."""

RECONCILED_EVERY_S: Final = 300.0

RECONCILED_AGAIN_S: Final = 60.0
"""After one that could not be done: without keys, while another process does it, or where it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What asking for one order has brought."""

    client_order_id: str
    state: OrderState | None
    """None while it is still not known."""


@dataclass(slots=True)
class _Asked:
    """What was asked about one order so far; the times are seconds on the monotonic clock."""

    times: int = 0
    due: float = 0.0
    absences: int = 0
    absent_since: float = 0.0


@dataclass(slots=True)
class Resolver:
    """Asks for unresolved and open orders of one environment and account."""

    parts: Parts
    absent_after_ms: int = ABSENT_AFTER_MS
    _asked: dict[str, _Asked] = field(default_factory=dict)
    """By client order id."""
    _leaseholder: Leaseholder = field(init=False)
    _reconcile_due: float = field(init=False)

    def __post_init__(self) -> None:
        self._leaseholder = Leaseholder(parts=self.parts)
        self._reconcile_due = self.parts.monotonic()

    async def run_forever(self) -> None:
        """Look every TICK_S what is due; a failure of any kind is tried again after PERIOD_S."""
        try:
            while True:
                await self.parts.pause(await self._tick())
        finally:
            await self._leaseholder.give_back()

    async def _tick(self) -> float:
        """What is due now; returns the seconds until the next look."""
        try:
            await self.run_once(only_due=True)
            await self._reconcile()
        except (ExchangeError, CredentialsError, StoreError):
            await self.parts.connector.lost()
            return PERIOD_S
        except Exception:  # noqa: BLE001 - logged, and tried again
            # A fault of ours must not end the asking: orders that are not known would stay so until a restart.
            _log.exception("a round of asking for orders failed")
            return PERIOD_S
        return TICK_S

    async def _reconcile(self) -> None:
        """At start and every RECONCILED_EVERY_S, where there are keys to ask with."""
        now = self.parts.monotonic()
        if now < self._reconcile_due:
            return
        self._reconcile_due = now + RECONCILED_AGAIN_S
        connection = await self.parts.connector.connect(needs_keys=False)
        if connection.has_keys and await self._leaseholder.holds(self._scope(connection)):
            await Reconciler(self.parts).run(gently=True)
            self._reconcile_due = now + RECONCILED_EVERY_S

    async def run_once(self, *, only_due: bool = False) -> tuple[Found, ...]:
        """One round over all orders that are not in a final state. Raises ExchangeError, CredentialsError, StoreError.

        Nothing is asked, and no connection made, where there is nothing to ask for; nothing is asked either while
        another process does. That one order cannot be asked for keeps no other from being asked for: the exchange's no
        to a question is logged, another failure is raised at the end of the round.

        `only_due` is a round of many, between which the lease is kept. Without it this is the one round of a command,
        and whoever comes next can ask at once.
        """
        try:
            return await self._round(only_due=only_due)
        finally:
            if not only_due:
                await self._leaseholder.give_back()

    async def _round(self, *, only_due: bool) -> tuple[Found, ...]:
        journal = self.parts.journal
        if not await journal.run(self._anything):
            return ()
        connection = await self.parts.connector.connect(needs_keys=True)
        scope = self._scope(connection)
        rows = await journal.run(lambda: self._rows(scope))
        # Kept for as long as there is anything to ask for, not only while it is asked: nobody else asks in between.
        if not rows or not await self._leaseholder.holds(scope):
            return ()
        found: list[Found] = []
        failure: ExchangeError | None = None
        for row in rows:
            if only_due and not self._is_due(row):
                continue
            if not await self._leaseholder.holds(scope):
                break  # this round took so long, or stood still for so long, that another process goes on with it
            try:
                answer = await self._ask(connection.exchange, scope, row)
            except ExchangeRateLimited:
                raise  # to go on asking would make it worse
            except ExchangeRejected as error:
                _log.warning("the exchange refused to tell of an order of %s (code %s)", row.symbol, error.code)
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
        return Scope(environment=self.parts.environment.value, account=connection.account)

    def _anything(self) -> bool:
        with self.parts.journal.transaction() as tx:
            return tx.has_pending(self.parts.environment.value)

    def _rows(self, scope: Scope) -> tuple[OrderRow, ...]:
        """What is not final, and what was executed without that its fees are known; what is final is forgotten."""
        with self.parts.journal.transaction() as tx:
            pending = (*tx.unresolved(scope), *tx.live(scope))
            names = {row.client_order_id for row in pending}
            fees = (row for row in tx.fees_wanted(scope) if row.client_order_id not in names)
            rows = (*pending, *fees)
        wanted = {row.client_order_id for row in rows}
        self._asked = {name: asked for name, asked in self._asked.items() if name in wanted}
        return rows

    def _is_due(self, row: OrderRow) -> bool:
        asked = self._asked.get(row.client_order_id)
        return asked is None or asked.due <= self.parts.monotonic()

    def _plan(self, row: OrderRow) -> _Asked:
        """Say when this order is asked for again, before it is asked for now: a failure counts as a question."""
        asked = self._asked.setdefault(row.client_order_id, _Asked())
        pause = PERIOD_S if row.state in LIVE_STATES else BACK_OFF_S[min(asked.times, len(BACK_OFF_S) - 1)]
        # Up to a quarter more or less, so that processes and orders do not fall into step.
        chance = int.from_bytes(self.parts.random_bytes(2), "big") / 0xFFFF
        asked.times += 1
        asked.due = self.parts.monotonic() + pause * (0.75 + chance / 2)
        return asked

    async def _ask(self, exchange: Exchange, scope: Scope, row: OrderRow) -> Found | None:
        """Ask for one order, and for the fees of what it has executed; None where there were only fees to ask for."""
        asked = self._plan(row)
        answer: Found | None = None
        if row.state not in FINAL_STATES:
            answer = await self._resolve(exchange, scope, row, asked)
        await fetch_fees(self.parts, exchange, row.client_order_id)
        return answer

    async def _resolve(self, exchange: Exchange, scope: Scope, row: OrderRow, asked: _Asked) -> Found:
        try:
            report = await exchange.order(row.symbol, client_order_id=row.client_order_id)
        except ExchangeRejected as error:
            if error.code != ARCHIVED_CODE:
                raise
            why = "the exchange has put it into its archive: it ended long ago without a fill"
            return await self._end(scope, row, OrderState.EXPIRED, why)
        if report is not None:
            asked.absences = 0
            if report.state is not OrderState.UNKNOWN:
                await self.parts.journal.run(lambda: self._note(scope, row, report.state, report))
            return Found(client_order_id=row.client_order_id, state=report.state)
        # Time is told by the clock that only goes forward: the wall clock may be set while an order is on its way.
        if asked.absences == 0:
            asked.absent_since = self.parts.monotonic()
        asked.absences += 1
        waited = (self.parts.monotonic() - asked.absent_since) * 1000 >= self.absent_after_ms
        if not waited or asked.absences < ABSENT_AFTER_ANSWERS or await self._listed(exchange, row):
            return Found(client_order_id=row.client_order_id, state=None)
        if row.state in UNRESOLVED_STATES:
            why = "the exchange does not know it, in any of its lists, long after it could have arrived"
            return await self._end(scope, row, OrderState.NOT_PLACED, why)
        why = "the exchange had it and does not know it any more: it was wiped, as the testnet is once in a while"
        return await self._end(scope, row, OrderState.EXPIRED, why)

    async def _end(self, scope: Scope, row: OrderRow, state: OrderState, why: str) -> Found:
        await self.parts.journal.run(lambda: self._note(scope, row, state, None, why))
        return Found(client_order_id=row.client_order_id, state=state)

    async def _listed(self, exchange: Exchange, row: OrderRow) -> bool:
        """Whether the lists of open and of recent orders have it after all."""
        listed = (
            *await exchange.open_orders(row.symbol),
            *await exchange.all_orders(row.symbol, start_time=row.sent_ms - 60_000, end_time=None, limit=500),
        )
        return any(report.client_order_id == row.client_order_id for report in listed)

    def _note(
        self, scope: Scope, row: OrderRow, state: OrderState, report: OrderReport | None, why: str | None = None
    ) -> None:
        with self.parts.journal.transaction() as tx:
            note_found(tx, scope, row, state, report, why=why)
