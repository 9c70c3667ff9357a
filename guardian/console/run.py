"""Serves the page until it is asked to stop, and says in the terminal what a person has to know."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from guardian.bootstrap import Guardian
from guardian.console.approvals import Approvals
from guardian.console.notifications import notify_command, show_notification
from guardian.console.owner_acts import OwnerActs
from guardian.console.page_data import PageData
from guardian.console.page_requests import PageRequests
from guardian.console.unfinished import Unfinished
from guardian.console.web.page_app import PageApp
from guardian.console.web.sessions import Sessions
from guardian.errors import StoreError
from guardian.gate.orders.proposal_views import money_line, order_line, proposed_order
from guardian.gate.owner.agreement import Agreement, PinHashes
from guardian.loopback.listening import quiet_server
from guardian.store.schema.records import Proposal

STATIC: Final = ("page.css", "page.js", "draw.js", "passkey.js", "requests.js", "icon.svg")
AGAIN: Final = "press Enter in the terminal where `guardian console` runs for a new link"
LOOK_S: Final = 1.0
"""How often `--notify` looks for new proposals."""

Say = Callable[[str], None]


class ConsoleServer:
    """The page of one opened home on sockets that listen already. `pins` opens where the PIN's hash is."""

    def __init__(
        self, opened: Guardian, sockets: Sequence[socket.socket], say: Say, *, pins: Callable[[], PinHashes]
    ) -> None:
        self._opened = opened
        self._sockets = list(sockets)
        self._say = say
        self._sessions = Sessions(time.monotonic, secrets.token_bytes)
        self.port: int = sockets[0].getsockname()[1]
        self.origin = f"http://localhost:{self.port}"
        agreement = Agreement(opened.journal, random_bytes=secrets.token_bytes, pins=pins)
        self._unfinished = Unfinished()
        self.data = PageData(opened)
        self.acts = OwnerActs(opened, self._unfinished)
        self.approvals = Approvals(opened, agreement, self._unfinished, origin=self.origin, seconds=time.monotonic)
        page = PageApp(
            page="page.html",
            static=STATIC,
            handlers=PageRequests(self.data, self.acts, self.approvals).handlers(),
            port=self.port,
            sessions=self._sessions,
            notice=say,
            again=AGAIN,
        )
        self._server = quiet_server(page.app)

    def new_link(self) -> str:
        """A link that opens the page once, within five minutes. Its code is in the fragment, which no request has."""
        return f"{self.origin}/#{self._sessions.new_code()}"

    async def serve(self, stop: Callable[[], Awaitable[None]], *, notify: bool = False) -> None:
        """Serve until `stop` returns."""
        serving = asyncio.create_task(self._server.serve(sockets=self._sockets))
        others = [asyncio.ensure_future(stop())]
        watching = [asyncio.create_task(self._notify())] if notify else []
        try:
            await asyncio.wait({serving, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._server.should_exit = True
            for task in (*others, *watching):
                task.cancel()
            await asyncio.gather(*others, *watching, return_exceptions=True)
            await serving
            await self._unfinished.wait()

    async def _notify(self) -> None:
        """Show a notification for each proposal that is new; where that fails, say so once and stop looking."""
        known: set[str] | None = None
        while True:
            with suppress(StoreError):
                waiting = await self._opened.journal.transact(lambda tx: tx.proposals.waiting())
                new = [one for one in waiting if one.id not in (known or ())]
                known = {one.id for one in waiting}
                for proposal in new:
                    why_not = await _show(proposal)
                    if why_not is not None:
                        self._say(f"no notification could be shown: {why_not}; the page shows what waits all the same")
                        return
            await asyncio.sleep(LOOK_S)


async def _show(proposal: Proposal) -> str | None:
    """Show that a proposal waits; returns why that failed."""
    environment = proposal.scope.environment.upper()
    body = f"{order_line(proposal)}; {money_line(proposed_order(proposal))}"
    command = notify_command(f"guardian, {environment}: an order waits for you", body)
    return "this system has no program for it" if command is None else await show_notification(command)
