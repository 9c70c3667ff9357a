"""Being told to end: no call is taken any more, those that are served are finished, and then the process ends.

Left to itself the process would die at once by SIGTERM, in the middle of an order, and not at all by SIGINT while its
standard input is open: a thread waits there for the next line, which nothing can call back. So the process ends itself.
An order that is cut off all the same is on disk, and the next start finds out what became of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Final

PATIENCE_S: Final = 20.0
"""How long calls may take to finish. An order whose reply is lost is asked for a few times within it."""
LAST_WORDS_S: Final = 0.1
"""For the last reply to reach the client."""
CLOSING_S: Final = 2.0
NAMES: Final = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")
"""What asks a process to end, as far as the system has it: SIGBREAK is Windows' Ctrl-Break, SIGHUP it has not."""


class Leaving:
    """The calls that are being served, and the end of the process once it was asked to end and they are done."""

    def __init__(
        self,
        *,
        end: Callable[[int], None] = os._exit,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._close: Callable[[], Awaitable[object]] | None = None
        self._end = end
        self._patience_s = patience_s
        self._calls = 0
        self._signalled: int | None = None
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_asked(self) -> bool:
        """Whether the process was asked to end: no call is taken any more."""
        return self._signalled is not None

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around each call that is served."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            if self._calls == 0:
                self._idle.set()

    @asynccontextmanager
    async def heeding(self, around: AbstractAsyncContextManager[object]) -> AsyncIterator[None]:
        """Heed the signals that ask a process to end, as long as `around` lasts. In the main thread only."""
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in _signals()}
        for number in before:
            _heed(loop, number, self.asked)
        try:
            async with around:
                # What lives around the calls is told to end too: it gives back what other processes wait for.
                self._close = lambda: around.__aexit__(None, None, None)
                yield
        finally:
            for number, handler in before.items():
                with suppress(NotImplementedError):
                    loop.remove_signal_handler(number)
                signal.signal(number, handler)

    def asked(self, number: int) -> None:
        """The process was asked to end: the first time after what it is doing, the second time at once."""
        if self._signalled is not None:
            self._end(128 + number)
            return
        self._signalled = number
        self._task = asyncio.get_running_loop().create_task(self._leave(number))

    async def _leave(self, number: int) -> None:
        # A call may begin another one's idle moment; what counts is that none is left.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                while self._calls:
                    self._idle.clear()
                    await self._idle.wait()
        with suppress(Exception):
            await asyncio.sleep(LAST_WORDS_S)
            async with asyncio.timeout(CLOSING_S):
                if self._close is not None:
                    await self._close()
        self._end(128 + number)


def _signals() -> tuple[signal.Signals, ...]:
    return tuple(number for name in NAMES if (number := getattr(signal, name, None)) is not None)


def _heed(loop: asyncio.AbstractEventLoop, number: signal.Signals, asked: Callable[[int], None]) -> None:
    try:
        loop.add_signal_handler(number, asked, number)
    except NotImplementedError:  # Windows: its loops know no signals, but are woken by them

        def handler(got: int, _frame: object) -> None:
            loop.call_soon_threadsafe(asked, got)

        signal.signal(number, handler)
