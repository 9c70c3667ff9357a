"""The parts that the gate works with; handed in by the composition root."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from guardian.gate.base.open_orders import OpenOrderCache, OpenOrderLister
from guardian.store.schema.records import Scope

if TYPE_CHECKING:
    from guardian.connector import Connection, Connector
    from guardian.domain.accounts import KeyPermissions
    from guardian.domain.trading import Environment
    from guardian.exchange.exchange import Exchange
    from guardian.gate.base.journal import Journal
    from guardian.gate.base.policy_file import PolicyFile
    from guardian.system.clock import Clock


@dataclass(slots=True)
class ComparedScopes:
    """The scopes whose orders this process has compared with the exchange's since it started.

    An older copy of the home may have been restored, so the log's orders are trusted only after that.
    """

    done: set[Scope] = field(default_factory=set)
    _tasks: dict[Scope, asyncio.Task[str | None]] = field(default_factory=dict)

    async def ensure(self, scope: Scope, compare: Callable[[], Awaitable[str | None]]) -> str | None:
        """None once the scope has been compared; otherwise awaits one shared `compare`, and returns why it failed.

        Raises what `compare` raises.
        """
        if scope in self.done:
            return None
        task = self._tasks.get(scope)
        if task is None or task.done():
            task = self._tasks[scope] = asyncio.create_task(self._compare(scope, compare))
        # A waiter that is cancelled leaves the comparison running for the others.
        return await asyncio.shield(task)

    async def end(self) -> None:
        """Ends the comparisons that still run, once no call waits for them any more."""
        running = [task for task in self._tasks.values() if not task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _compare(self, scope: Scope, compare: Callable[[], Awaitable[str | None]]) -> str | None:
        why = await compare()
        if why is None:
            self.done.add(scope)
        return why


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReading:
    """When a key's permissions were requested, on both clocks, and what the exchange answered."""

    read_ms: int
    """On the wall clock."""
    read_s: float
    """On the monotonic clock."""
    found: KeyPermissions


@dataclass(slots=True)
class KeyChecks:
    """What this process knows of the permissions of its keys, by the exchange that a key is used at."""

    readings: dict[Exchange, KeyReading] = field(default_factory=dict)
    problem: str | None = None
    """Why they could not be read, the last time that was tried."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while they are read: one request is enough."""


@dataclass(slots=True)
class ServerStart:
    """What the start of a server left to do, because the log took no row then."""

    must_end_mandates: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateContext:
    """Everything the gate works with. Time and randomness come in here and nowhere else."""

    environment: Environment
    """Where orders are created; meaningless while `is_chosen` is False."""
    connector: Connector
    connector_to: Callable[[Environment], Connector]
    """The connector to another environment, for cancels of orders that guardian placed there."""
    journal: Journal
    policy_file: PolicyFile
    clock: Clock
    random_bytes: Callable[[int], bytes]
    """Returns a number of unpredictable bytes."""
    compared: ComparedScopes = field(default_factory=ComparedScopes)
    """The scopes whose orders this process has compared with the exchange since it started."""
    key_checks: KeyChecks = field(default_factory=KeyChecks)
    """What the keys may do, as this process read it."""
    server_start: ServerStart = field(default_factory=ServerStart)
    open_order_lists: OpenOrderCache = field(default_factory=OpenOrderCache)
    """The lists of open orders that this process keeps for a minute."""
    is_chosen: bool = True
    """False while no valid policy has named an environment: then only cancels of guardian's own orders are sent."""

    def scope_of(self, connection: Connection) -> Scope:
        """The scope under which orders of a connection's account are stored."""
        return Scope(environment=self.environment.value, account=connection.account)

    def lister(self, scope: Scope) -> OpenOrderLister:
        """Lists the open orders of an account."""
        return OpenOrderLister(kept=self.open_order_lists, scope=scope, clock=self.clock)

    def named_environment(self) -> Environment:
        """Where orders would be created by what the policy's file says, for as long as no valid policy has chosen.

        Raises PolicyInvalid: the file names no environment.
        """
        return self.policy_file.named_environment() or self.policy_file.current().policy.environment

    def for_environment(self, environment: Environment) -> GateContext:
        """The same parts for another environment."""
        return replace(self, environment=environment, connector=self.connector_to(environment), is_chosen=True)
