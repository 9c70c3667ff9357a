"""Ends the server on a signal: no new call is accepted, calls in progress are finished, and then the process ends.

So it does where nobody reads its replies any more, a client that has gone without closing the server's input.

Left to itself the process would die at once by SIGTERM, in the middle of an order, and not at all by SIGINT while its
standard input is open: a thread waits there for the next line, which nothing can call back. So the process ends itself.
An order that is cut off all the same is on disk, and the next start resolves it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Final

from guardian.system.stop_signals import stop_signals

DRAIN_TIMEOUT_S: Final = 20.0
"""How long calls may take to finish. An order whose reply is lost is polled a few times within it."""
REPLY_FLUSH_S: Final = 0.1
"""For the last reply to reach the client."""
CLOSE_TIMEOUT_S: Final = 2.0
"""Clients end the process by force about two seconds after they have closed its input."""
DISCONNECT_GRACE_S: Final = 1.0
"""A client that goes closes its other end as well, nearly always; the server then ends by itself."""


class Shutdown:
    """The calls that are being served, and the end of the process once it was asked to end and they are done.

    With `watches_output` the process also ends where nobody reads its standard output any more: that is the client.
    """

    def __init__(
        self,
        *,
        end: Callable[[int], None] = os._exit,
        drain_timeout_s: float = DRAIN_TIMEOUT_S,
        watches_output: bool = True,
    ) -> None:
        self.settle: Callable[[], Awaitable[None]] | None = None
        """Waits for what calls that were answered left to be written."""
        self._close: Callable[[], Awaitable[object]] | None = None
        self._end = end
        self._drain_timeout_s = drain_timeout_s
        self._watches_output = watches_output
        self._calls = 0
        self._signalled: int | None = None
        self._idle = asyncio.Event()
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_ending(self) -> bool:
        """Whether the process was asked to end: no call is taken any more."""
        return self._signalled is not None

    async def until_ending(self) -> None:
        """Return once the process was asked to end: no call waits for a person any more."""
        await self._ending.wait()

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
    async def handling_signals(self, around: AbstractAsyncContextManager[object]) -> AsyncIterator[None]:
        """Handle the signals that ask a process to end, as long as `around` lasts. In the main thread only."""
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in stop_signals()}
        for number in before:
            _handle(loop, number, self.on_signal)
        output = _watch_output(loop, self._client_gone) if self._watches_output else None
        try:
            async with around:
                # The work around the calls is cancelled too: it releases what other processes wait for.
                self._close = lambda: around.__aexit__(None, None, None)
                try:
                    yield
                finally:
                    self._close = None
        finally:
            if output is not None:
                loop.remove_reader(output)
                os.close(output)
            for number, handler in before.items():
                with suppress(NotImplementedError):
                    loop.remove_signal_handler(number)
                signal.signal(number, handler)

    def on_signal(self, number: int) -> None:
        """The process was asked to end: the first time after what it is doing, the second time at once."""
        if self._signalled is not None:
            self._end(128 + number)
            return
        self._signalled = number
        self._ending.set()
        self._task = asyncio.get_running_loop().create_task(self._drain_and_end(128 + number))

    def _client_gone(self) -> None:
        """The client has closed its end of the server's output."""
        loop = asyncio.get_running_loop()
        loop.call_later(DISCONNECT_GRACE_S, self._end_unless_ending, loop)

    def _end_unless_ending(self, loop: asyncio.AbstractEventLoop) -> None:
        # Where the input was closed too, all of this is being left already.
        if self._signalled is None and self._close is not None:
            self._signalled = 0
            self._ending.set()
            self._task = loop.create_task(self._drain_and_end(0))

    async def _drain_and_end(self, code: int) -> None:
        # A call may begin another one's idle moment; what counts is that none is left.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_timeout_s):
                while self._calls:
                    self._idle.clear()
                    await self._idle.wait()
                if self.settle is not None:
                    await self.settle()
        with suppress(Exception):
            await asyncio.sleep(REPLY_FLUSH_S)
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if self._close is not None:
                    await self._close()
        self._end(code)


def _handle(loop: asyncio.AbstractEventLoop, number: signal.Signals, on_signal: Callable[[int], None]) -> None:
    try:
        loop.add_signal_handler(number, on_signal, number)
    except NotImplementedError:  # Windows: its loops know no signals, but are woken by them

        def handler(got: int, _frame: object) -> None:
            loop.call_soon_threadsafe(on_signal, got)

        signal.signal(number, handler)


def _watch_output(loop: asyncio.AbstractEventLoop, gone: Callable[[], None]) -> int | None:
    """Call `gone` once, when the reader of standard output closes its end; None where that cannot be watched."""
    try:
        if not stat.S_ISFIFO(os.fstat(1).st_mode):
            return None  # a socket is readable for other reasons, and a terminal ends with a signal
        # The SDK puts another file in the place of standard output while it serves.
        output = os.dup(1)
    except OSError:
        return None

    def heard() -> None:
        # Nothing can be read from this end of a pipe: it is called because the other end is closed.
        loop.remove_reader(output)
        gone()

    try:
        loop.add_reader(output, heard)
    except NotImplementedError:  # Windows
        os.close(output)
        return None
    return output
