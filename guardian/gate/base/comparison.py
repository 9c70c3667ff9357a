"""Whether this process has compared guardian's orders with the exchange's since it started.

An older copy of the home may have been put back: what the log says was ordered is believed only after that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from guardian.store.schema.records import Scope


@dataclass(slots=True)
class Compared:
    """The scopes that were compared, and the comparisons that are going on now."""

    done: set[Scope] = field(default_factory=set)
    _tasks: dict[Scope, asyncio.Task[str | None]] = field(default_factory=dict)

    async def ensure(self, scope: Scope, compare: Callable[[], Awaitable[str | None]]) -> str | None:
        """None once the scope was compared; else `compare` does it, once for all who wait, and says why it could not.

        Raises what `compare` raises.
        """
        if scope in self.done:
            return None
        task = self._tasks.get(scope)
        if task is None or task.done():
            task = self._tasks[scope] = asyncio.create_task(self._compare(scope, compare))
        # Whoever is cancelled while waiting leaves it going on for the others.
        return await asyncio.shield(task)

    async def _compare(self, scope: Scope, compare: Callable[[], Awaitable[str | None]]) -> str | None:
        why = await compare()
        if why is None:
            self.done.add(scope)
        return why
