"""Whether this process has compared guardian's orders with the exchange's since it started.

An older copy of the home may have been restored, so the log's orders are trusted only after that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from guardian.store.schema.records import Scope


@dataclass(slots=True)
class ComparedScopes:
    """The scopes that have been compared, and the comparisons in progress."""

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

    async def _compare(self, scope: Scope, compare: Callable[[], Awaitable[str | None]]) -> str | None:
        why = await compare()
        if why is None:
            self.done.add(scope)
        return why
