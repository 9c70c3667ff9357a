"""The composition root: opens a home and wires the gate. No decisions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from guardian.domain.trading import Environment
from guardian.errors import GuardianError, StoreError
from guardian.exchange.network import Network
from guardian.gate.base.context import GateContext
from guardian.gate.owner.policy_history import PolicyHistory
from guardian.gate.owner.session_mandate import RESTARTED, end_mandates
from guardian.gate.pipeline import Gate
from guardian.gate.recovery.reconcile import why_not_compared
from guardian.home.opened import OpenedHome, open_home
from guardian.store.schema.files import POLICY_NAME
from guardian.store.schema.records import Scope
from guardian.system.clock import SYSTEM_CLOCK, Clock

_log: Final = logging.getLogger("guardian")


async def _at_once() -> None:
    """Returns: the work in the background begins with the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardian(OpenedHome):
    """One home, opened, with the gate."""

    gate: Gate

    @asynccontextmanager
    async def running(self, begin: Callable[[], Awaitable[None]] = _at_once) -> AsyncIterator[None]:
        """Runs the background work of a server: warming up, and resolving orders. At the end everything is closed.

        The work begins when `begin` returns.
        """
        # A command that looks at the home, or a server with another file, leaves the home's last good policy as it is.
        self.policy_file.remembers = self._serves_own_policy()
        await asyncio.to_thread(self._end_mandates)
        elsewhere = await asyncio.to_thread(self._elsewhere)

        async def after_begin(work: Callable[[], Awaitable[None]]) -> None:
            await begin()
            await work()

        works: list[Callable[[], Awaitable[None]]] = [
            self._warm_up,
            self._resolve_here,
            self._check_key,
            self._keep_seal,
        ]
        works += [partial(_resolve, one) for one in elsewhere]
        tasks = [asyncio.create_task(after_begin(work)) for work in works]
        for task in tasks:
            task.add_done_callback(_log_fault)
        try:
            yield
        finally:
            # First of all, as the time that clients leave for this is short.
            await self.gate.settle()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.close()

    async def _resolve_here(self) -> None:
        await self.gate.chosen.wait()
        await _resolve(self.gate.context)

    async def _check_key(self) -> None:
        # Here and not at the top, as in `_resolve`: a server alone needs it, and every command would load it.
        from guardian.gate.live.key_check import check_forever

        await self.gate.chosen.wait()
        await check_forever(self.gate.context)

    async def _keep_seal(self) -> None:
        from guardian.gate.seal.keeping import keep_seal

        await keep_seal(self.journal)

    def _end_mandates(self) -> None:
        """End the session mandates, which were given to the servers that ran then; else the first call has to."""
        try:
            with self.journal.transaction() as tx:
                end_mandates(tx, RESTARTED)
        except StoreError:
            self.gate.context.server_start.must_end_mandates = True

    def _serves_own_policy(self) -> bool:
        return self.policy_file.path.resolve() == (self.home / POLICY_NAME).resolve()

    def _elsewhere(self) -> tuple[GateContext, ...]:
        """The gate's context for every other environment with pending orders, so that they are polled there.

        Only reads go there; a policy that names another environment than before changes where orders are created.
        """
        context = self.gate.context
        others = [one for one in Environment if not context.is_chosen or one is not context.environment]
        try:
            with self.journal.transaction() as tx:
                pending = [environment for environment in others if tx.orders.has_pending(environment.value)]
        except StoreError:
            return ()
        return tuple(map(context.for_environment, pending))

    async def _warm_up(self) -> None:
        """Do in the background what the first call would otherwise wait for; what fails here fails there, aloud."""
        await self.gate.chosen.wait()
        with suppress(GuardianError):
            connection = await self.connector.connect(needs_keys=False)
            await asyncio.to_thread(connection.exchange.warm_up)
            if connection.has_keys:
                scope = Scope(environment=self.gate.environment.value, account=connection.account)
                await why_not_compared(self.gate.context, scope)

    async def close(self) -> None:
        """Close the exchange's connections and, once every outcome row that is due is written, the store."""
        await self.gate.settle()
        await self.gate.context.compared.end()
        await OpenedHome.close(self)  # `super()` does not know a class with slots


async def _resolve(context: GateContext) -> None:
    """Resolves the pending orders of one environment until it is cancelled."""
    from guardian.gate.recovery.background import RecoveryTask

    await RecoveryTask(context=context).run_forever()


def _log_fault(task: asyncio.Task[None]) -> None:
    """Log that work in the background ended by a fault: nobody waits for it before the server ends."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("work in the background ended by a fault, and is not begun again", exc_info=task.exception())


def open_guardian(
    policy_path: Path | None = None,
    *,
    home: Path | None = None,
    clock: Clock = SYSTEM_CLOCK,
    network: Network | None = None,
) -> Guardian:
    """Open a home and wire the gate. Raises as `open_home`, and leaves to later what that leaves."""
    opened = open_home(policy_path, home=home, clock=clock, network=network)
    return Guardian(
        home=opened.home,
        context=opened.context,
        gate=Gate(opened.context, PolicyHistory(opened.journal)),
        journal=opened.journal,
        policy_file=opened.policy_file,
        connectors=opened.connectors,
        imported=opened.imported,
    )
