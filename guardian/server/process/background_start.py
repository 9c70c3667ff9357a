"""When a server's work in the background begins: not while its client still waits for the list of tools.

That work (python-binance's import, the connection, polling of pending orders) would keep the processor from the list,
which a client asks for before anything else. So it begins once the list was answered, with the first call where that
comes before, and in any case soon after the start: an order that is pending waits for no client.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

IDLE_S: Final = 3.0
"""After so long the work begins although no client has listed or called anything."""
LISTED_S: Final = 0.1
"""For the list to be written before the work begins."""


class BackgroundStart:
    """Opened by whichever comes first: a list that was answered, a call, or `idle_s` seconds of waiting."""

    def __init__(self, *, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        self._is_open = asyncio.Event()

    def called(self) -> None:
        """Opens it now: a call needs what the work makes ready."""
        self._is_open.set()

    def listed(self) -> None:
        """Opens it in a moment, when the list that is being answered has been written."""
        asyncio.get_running_loop().call_later(LISTED_S, self._is_open.set)

    async def wait(self) -> None:
        """Returns once the work may begin."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._idle_s):
                await self._is_open.wait()
