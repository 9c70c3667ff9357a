"""Work that is finished once it has begun, whoever stops waiting for it: an order on its way, a cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Unfinished:
    """The work that has begun and not ended."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Returns the result of the work; where the caller is cancelled, it continues. Raises what it raises."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def wait(self) -> None:
        """Returns once all of it has ended, however it ended."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
