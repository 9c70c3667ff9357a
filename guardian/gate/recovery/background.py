"""The background task of a server: polls pending orders every second and reconciles every five minutes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from guardian.errors import CredentialsError, ExchangeError, ExchangeRateLimited, StoreError
from guardian.exchange.limits.weight_meter import in_background
from guardian.exchange.limits.weights import ALL_ORDERS, OPEN_ORDERS
from guardian.gate.base.context import GateContext
from guardian.gate.recovery.reconcile import Reconciler
from guardian.gate.recovery.resolve import Resolver
from guardian.gate.recovery.schedule import KEPT_FOR_LISTS, PERIOD_S

_log: Final = logging.getLogger("guardian.gate")

TICK_S: Final = 1.0
"""Seconds between two looks for due orders; each costs one read of the store."""

RECONCILE_PERIOD_S: Final = 300.0

SYMBOL_WEIGHT: Final = OPEN_ORDERS + ALL_ORDERS
"""What comparing one symbol weighs where no order is missing; it waits until the background may use that."""

RECONCILE_RETRY_S: Final = 60.0
"""After a reconciliation that was not possible (no keys, or another process does it) or that failed."""


@dataclass(slots=True)
class RecoveryTask:
    """Resolves and reconciles the orders of one environment and account until it is cancelled."""

    context: GateContext
    resolver: Resolver = field(init=False)
    reconciliation: PeriodicReconciliation = field(init=False)

    def __post_init__(self) -> None:
        self.resolver = Resolver(context=self.context)
        self.reconciliation = PeriodicReconciliation(context=self.context, resolver=self.resolver)

    async def run_forever(self) -> None:
        """Do what is due every TICK_S; after a failure of any kind, after PERIOD_S. Only cancellation ends it."""
        try:
            while True:
                await self.context.clock.pause(await self._guarded_tick())
        finally:
            await self.resolver.leaseholder.release()

    async def _guarded_tick(self) -> float:
        """One tick, with every failure logged; returns the seconds until the next."""
        try:
            return await self.tick()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not this task was cancelled but one that it awaited, such as the one that made the connection.
            _log.warning("a round of polling orders was cancelled")
        except Exception:  # noqa: BLE001 - logged, and tried again
            # A bug must not end the polling: unknown orders would stay unknown until a restart.
            _log.exception("a round of polling orders failed")
        return PERIOD_S

    async def tick(self) -> float:
        """Poll and reconcile what is due; returns the seconds until the next tick.

        Raises what is neither an ExchangeError, a CredentialsError nor a StoreError.
        """
        try:
            await self.resolver.run_once(only_due=True)
            await self.reconciliation.run_if_due()
        except Exception as error:
            await self.resolver.leaseholder.back_off()
            if not isinstance(error, ExchangeError | CredentialsError | StoreError):
                raise
            await self.context.connector.mark_disconnected()
            return PERIOD_S
        return TICK_S


@dataclass(slots=True)
class PeriodicReconciliation:
    """Reconciles at start and every RECONCILE_PERIOD_S, while there are keys and this process holds the lease."""

    context: GateContext
    resolver: Resolver
    due: float = field(init=False)
    """On the monotonic clock."""
    _warned: frozenset[str] = frozenset()
    """The causes of the last warnings: each is logged once while it lasts."""

    def __post_init__(self) -> None:
        self.due = self.context.clock.monotonic()

    async def run_if_due(self) -> None:
        """Reconcile if it is due. Raises ExchangeError, CredentialsError and StoreError."""
        now = self.context.clock.monotonic()
        if now < self.due:
            return
        self.due = now + RECONCILE_RETRY_S
        connection = await self.context.connector.connect(needs_keys=False)
        scope = self.context.scope_of(connection)
        if not connection.has_keys or not await self.resolver.leaseholder.holds(scope):
            return

        async def poll_between() -> bool:
            """Poll what is due between two symbols, of which there may be hundreds; False where the lease is lost."""
            while True:
                await self.resolver.run_once(only_due=True)
                if not await self.resolver.leaseholder.holds(scope):
                    return False
                if self.resolver.budget.has(SYMBOL_WEIGHT, leaving=KEPT_FOR_LISTS):
                    return True
                await self.context.clock.pause(TICK_S)

        try:
            with in_background(self.resolver.budget.meter):
                found = await Reconciler(self.context).run(between=poll_between)
        except (ExchangeError, CredentialsError, StoreError) as error:
            # The message of a rate limit has another number each time, so its class is the cause.
            cause = type(error).__name__ if isinstance(error, ExchangeRateLimited) else error.message
            self._warn({cause: f"the orders could not all be compared with the exchange's: {error.message}"})
            raise
        self._warn({f"{one.symbol} {one.exchange_code}": f"{one.symbol}: {one.why}" for one in found.refused})
        if found.is_whole or found.refused:
            self.due = now + RECONCILE_PERIOD_S

    def _warn(self, causes: Mapping[str, str]) -> None:
        """Log the message of each cause that the last reconciliation did not have."""
        for cause, message in causes.items():
            if cause not in self._warned:
                _log.warning("reconciliation: %s", message)
        self._warned = frozenset(causes)
