"""Finding out: orders whose fate is not known are asked for, for as long as it takes; open ones are kept up to date.

That the exchange does not know an order (-2013) proves nothing right after sending: its reads lag behind its engine
(seen for up to minutes). Absence counts only when the order can no longer arrive, was denied several times, and
is in neither the open nor the recent orders. Then an order that was never acknowledged is `not_placed`, and one that
was (the testnet forgets all orders once in a while) is `expired`.

On live nothing is wiped: there an order that was acknowledged and is gone stays as it is, counts, and is told.

One process of a home asks at a time, by a lease in the store; one that cannot ask leaves it to another. Each order has
its own back-off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final

from guardian.domain.orders import FINAL_STATES, LIVE_STATES, UNRESOLVED_STATES, OrderReport, OrderState
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, ExchangeError, ExchangeRateLimited, ExchangeRejected, StoreError
from guardian.exchange.exchange import Exchange
from guardian.gate.connection import Connection
from guardian.gate.events import note_found, tell_once
from guardian.gate.fees import fetch_fees
from guardian.gate.leasing import Leaseholder
from guardian.gate.parts import Parts
from guardian.gate.reconciling import KEY_REFUSED_CODES, Reconciler
from guardian.store.records import OrderRow, Scope

_log: Final = logging.getLogger("guardian.gate")

ABSENT_AFTER_MS: Final = 60_000
"""recvWindow 5 s, the engine's own time-out 10 s and 1 s of skew have passed long before this."""

ABSENT_AFTER_ANSWERS: Final = 3

ARCHIVED_CODE: Final = -2026
"""The exchange's word for an order that ended long ago without any fill."""

UNLISTED_CODE: Final = -1121
"""The exchange's word for a symbol that it does not list."""
GONE_AFTER_MS: Final = 86_400_000
"""For so long a symbol must be gone, in window time and over restarts, until orders of it end."""
GONE_HERE_MS: Final = 600_000
"""And for so long as this process knows by itself, on the clock that only goes forward."""
GONE_AFTER_ANSWERS: Final = 3

WARNED_EVERY_S: Final = 3600.0
"""Between two warnings about the same order."""

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
    gone: int = 0
    """How often in a row its symbol was gone."""
    gone_since: float = 0.0
    warned: float = -inf


@dataclass(slots=True)
class Resolver:
    """Asks for unresolved and open orders of one environment and account."""

    parts: Parts
    absent_after_ms: int = ABSENT_AFTER_MS
    _asked: dict[str, _Asked] = field(default_factory=dict)
    """By client order id."""
    _leaseholder: Leaseholder = field(init=False)
    _reconcile_due: float = field(init=False)
    _told: frozenset[str] = frozenset()
    """Why the last reconciliation in the background could not compare all."""

    def __post_init__(self) -> None:
        self._leaseholder = Leaseholder(parts=self.parts)
        self._reconcile_due = self.parts.monotonic()

    async def run_forever(self) -> None:
        """Look every TICK_S what is due; after a failure of any kind, after PERIOD_S. Only cancelling ends it."""
        try:
            while True:
                await self.parts.pause(await self._look())
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
            await self.parts.connector.lost()
            return PERIOD_S
        return TICK_S

    async def _reconcile(self) -> None:
        """At start and every RECONCILED_EVERY_S, where there are keys to ask with."""
        now = self.parts.monotonic()
        if now < self._reconcile_due:
            return
        self._reconcile_due = now + RECONCILED_AGAIN_S
        connection = await self.parts.connector.connect(needs_keys=False)
        scope = self._scope(connection)
        if not connection.has_keys or not await self._leaseholder.holds(scope):
            return

        async def between() -> bool:
            """What is due is asked for meanwhile: there may be hundreds of symbols."""
            await self._round(only_due=True)
            return await self._leaseholder.holds(scope)

        try:
            found = await Reconciler(self.parts).run(between=between)
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
                if error.code in KEY_REFUSED_CODES:
                    raise  # it refuses who asks, not what is asked
                self._warn(row, f"the exchange refused to tell of an order of {row.symbol} (code {error.code})")
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

    def _warn(self, row: OrderRow, why: str) -> None:
        """At most one warning an hour about an order that is asked for again and again."""
        asked, now = self._asked.setdefault(row.client_order_id, _Asked()), self.parts.monotonic()
        if now - asked.warned >= WARNED_EVERY_S:
            asked.warned = now
            _log.warning("%s; %s", row.client_order_id, why)

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
            if error.code == ARCHIVED_CODE:
                why = "the exchange has put it into its archive: it ended long ago without a fill"
            elif error.code == UNLISTED_CODE and await self._is_gone(exchange, row, asked):
                why = f"the exchange neither lists {row.symbol} nor tells of its orders, for over a day"
            else:
                raise
            return await self._end(scope, row, OrderState.EXPIRED, why)
        await self._note_listed(row, asked)
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
        why = "the exchange had it and does not know it any more"
        if self.parts.environment is Environment.LIVE:
            asked.absences = 0  # the lists are asked again only after as many answers
            self._warn(row, f"{why}, in any of its lists; it goes on counting")
            await self.parts.journal.run(lambda: self._tell_vanished(scope, row, why))
            return Found(client_order_id=row.client_order_id, state=None)
        why += ": it was wiped, as the testnet is once in a while"
        return await self._end(scope, row, OrderState.EXPIRED, why)

    async def _end(self, scope: Scope, row: OrderRow, state: OrderState, why: str) -> Found:
        await self.parts.journal.run(lambda: self._note(scope, row, state, None, why))
        return Found(client_order_id=row.client_order_id, state=state)

    async def _is_gone(self, exchange: Exchange, row: OrderRow, asked: _Asked) -> bool:
        """Whether the order's symbol is gone for good: neither asking for the order nor the list of symbols knows it.

        A symbol can be gone for a while, as when the exchange is being looked after.
        """
        now = self.parts.monotonic()
        if await exchange.instruments((row.symbol,)):
            await self._note_listed(row, asked)
            return False
        if asked.gone == 0:
            asked.gone_since = now
        asked.gone += 1
        gone_ms = await self.parts.journal.run(lambda: self._gone_for_ms(row))
        here_ms = (now - asked.gone_since) * 1000
        return asked.gone >= GONE_AFTER_ANSWERS and here_ms >= GONE_HERE_MS and gone_ms > GONE_AFTER_MS

    def _gone_for_ms(self, row: OrderRow) -> int:
        with self.parts.journal.transaction() as tx:
            return tx.now_ms - tx.mark(_gone(row))

    async def _note_listed(self, row: OrderRow, asked: _Asked) -> None:
        """The order's symbol is there: if it was gone, here or in a process before this one, that is over."""
        if asked.gone or asked.times == 1:
            asked.gone = 0
            await self.parts.journal.run(lambda: self._unmark(row))

    def _unmark(self, row: OrderRow) -> None:
        with self.parts.journal.transaction() as tx:
            tx.unmark(_gone(row))

    def _tell_vanished(self, scope: Scope, row: OrderRow, why: str) -> None:
        with self.parts.journal.transaction() as tx:
            body = {"kind": "order_vanished", "client_order_id": row.client_order_id, "state": row.state, "why": why}
            key = f"vanished/{scope.environment}/{row.client_order_id}"
            tell_once(tx, scope, key, row.symbol, body, call_id=row.call_id)

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


def _gone(row: OrderRow) -> str:
    """The mark since when an order's symbol is gone."""
    return f"gone/{row.environment}/{row.client_order_id}"
