"""The console of one home, served in a thread as `guardian console` serves it, and raw requests to it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

from guardian.bootstrap import open_guardian
from guardian.console.run import ConsoleServer
from guardian.credentials.owner_items import OwnerItems
from guardian.credentials.turns import KeyringQueue, Turn
from guardian.loopback.listening import listen
from tests.support.keyring import MemoryKeyring
from tests.support.loops import end_loop

T = TypeVar("T")
PATIENCE_S = 30


def owner_items() -> OwnerItems:
    """The owner's items in a keyring in memory."""
    return OwnerItems(MemoryKeyring(), KeyringQueue(PATIENCE_S, Turn()), home="a home")


class ServedConsole:
    """A page that is served until `close`. `said` has what a person would read in the terminal."""

    def __init__(
        self,
        home: Path,
        policy_path: Path,
        *,
        notify: bool = False,
    ) -> None:
        self.said: list[str] = []
        self.items = owner_items()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._ready = threading.Event()
        self._ended = False
        self._serving = asyncio.run_coroutine_threadsafe(self._serve(home, policy_path, notify), self._loop)
        self._ready.wait(PATIENCE_S)
        if self._serving.done():
            self._serving.result()

    async def _serve(self, home: Path, policy_path: Path, notify: bool) -> None:
        self._stop = asyncio.Event()
        self.sockets: tuple[socket.socket, ...] = listen(0)
        self.opened = open_guardian(policy_path, home=home)
        try:
            self.server = ConsoleServer(self.opened, self.sockets, self.said.append, pins=lambda: self.items)
            self._ready.set()
            await self.server.serve(self._wait, notify=notify)
        finally:
            self._ready.set()
            await self.opened.close()

    async def _wait(self) -> None:
        await self._stop.wait()

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    def link(self) -> str:
        """A new link, as the terminal prints it."""

        async def made() -> str:
            return self.server.new_link()

        return self.run(made())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def close(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._loop.call_soon_threadsafe(self._stop.set)
        self._serving.result(PATIENCE_S)
        end_loop(self._loop, self._thread)


@dataclass(frozen=True)
class Answered:
    """One response: its status, its headers and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])


class RawBrowser:
    """Sends the headers that a browser sends for this page's own requests, and whatever a test puts in their place."""

    def __init__(self, console: ServedConsole) -> None:
        self._console = console
        self.cookie: str | None = None
        self.page_token: str | None = None

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        without: tuple[str, ...] = (),
        address: str = "127.0.0.1",
        **headers: str,
    ) -> Answered:
        """One request; `headers` are by name with `_` for `-`, and replace the page's own."""
        own = {"host": f"localhost:{self._console.port}", "sec-fetch-site": "same-origin"}
        if method == "GET" and path == "/":
            own |= {"sec-fetch-site": "none", "sec-fetch-dest": "document"}
        if method == "POST":
            own |= {"origin": self._console.origin, "content-type": "application/json"}
            own |= {} if body is None else {"content-length": str(len(body))}
        if self.cookie is not None:
            own["cookie"] = self.cookie
        if self.page_token is not None:
            own["x-guardian-page"] = self.page_token
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection(address, self._console.port, timeout=PATIENCE_S)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in own.items():
                if name not in without:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answered(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, name: str, sent: object = None, **options: Any) -> Answered:
        """A request of the page's script."""
        return self.send("POST", f"/api/{name}", json.dumps({} if sent is None else sent).encode(), **options)

    def log_in(self, link: str) -> Answered:
        """Use a link; the session's secrets are kept and sent from then on."""
        answered = self.post("login", {"code": link})
        if answered.status == 200:
            self.page_token = str(answered.json["page_token"])
            self.cookie = answered.headers["set-cookie"].split(";")[0]
        return answered
