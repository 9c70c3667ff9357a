"""Signals that ask a command to stop, noted so that what it has begun is finished and its result is said."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from guardian.system.stop_signals import stop_signals

Result = TypeVar("Result")


class StopRequested(Exception):
    """The command was asked to stop, and what it was doing was cancelled."""


class StopRequests:
    """Whether this command was asked to stop."""

    def __init__(self) -> None:
        self.asked = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event = asyncio.Event()

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """The signal handler."""
        self.asked = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Return once the command is asked to stop."""
        self._loop = asyncio.get_running_loop()
        if not self.asked:
            await self._event.wait()

    async def unless_asked(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of work that may be left half done. Raises what the work raises.

        Raises:
            StopRequested: a request to stop cancelled it.
        """
        task = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if task.cancelled():
            raise StopRequested
        return task.result()


@contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Note the signals that ask a process to stop, in place of their usual effect. In the main thread only."""
    stop = StopRequests()
    before = {number: signal.getsignal(number) for number in stop_signals()}
    for number in before:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, stop.note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
