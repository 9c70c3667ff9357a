"""A play of `live` on this machine: the paper exchange behind TLS, under the names of Binance's own hosts.

The client of a play finds these two names on loopback and no other name at all, and believes an authority that the
play has made and no other. Both are handed to it by the test; nothing in guardian can be set to come here.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp.abc import AbstractResolver, ResolveResult
from starlette.types import Receive, Scope, Send

from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind
from guardian.exchange.network import Network
from guardian.paper.host.serving import listen, quiet
from guardian.paper.host.standalone import Controls, PaperServer
from tests.support.authority import made_authority
from tests.support.keyring import MemoryKeyring

SPOT_HOST = "api.binance.com"
FUTURES_HOST = "fapi.binance.com"
HOSTS = (SPOT_HOST, FUTURES_HOST)


class LoopbackResolver(AbstractResolver):
    """Finds the two hosts of `live` at one port of loopback; every other name is unknown. `asked` has them all."""

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in HOSTS:
            raise OSError(f"a play does not know the host {host}")
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=self._port, family=socket.AF_INET, proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]  # fmt: skip

    async def close(self) -> None:
        return


def trusting_only(authority: Path) -> ssl.SSLContext:
    """As guardian's own context, but with one authority: the play's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=authority)
    return context


@dataclass(frozen=True, kw_only=True)
class LivePlay:
    """One running play."""

    paper: PaperServer
    network: Network
    resolver: LoopbackResolver
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """The host, method and path of everything that arrived over TLS."""

    @property
    def controls(self) -> Controls:
        """What the exchange is set to, and what it received."""
        return self.paper.controls

    @property
    def pair(self) -> ApiKeyPair:
        """The key of the account, as one of `live`."""
        return ApiKeyPair(
            environment="live",
            family=KeyFamily.SPOT,
            kind=KeyKind.HMAC,
            api_key=self.paper.api_key,
            signing_key=self.paper.api_secret,
        )

    def keyring(self) -> CredentialStore:
        """A store that has this key."""
        store = CredentialStore(MemoryKeyring())
        store.put(self.pair)
        return store


@contextmanager
def live_play(folder: Path) -> Iterator[LivePlay]:
    """Plays `live` while the block runs; certificates are made in `folder`."""
    made_authority(folder, HOSTS)
    with PaperServer(balances={"USDT": "1000", "BTC": "0.5", "BNB": "1"}) as paper, listen() as listener:
        paper.controls.set_book("BTCUSDT", "60000.00", "60000.01")
        paper.controls.set_average("BTCUSDT", "60000.00")
        paper.controls.set_book("BNBUSDT", "600.00", "600.01")
        paper.controls.set_average("BNBUSDT", "600.00")
        resolver = LoopbackResolver(int(listener.getsockname()[1]))
        play = LivePlay(
            paper=paper,
            network=Network(resolver=resolver, tls=trusting_only(folder / "ca.pem")),
            resolver=resolver,
        )
        with _served(play, folder, listener):
            yield play
        assert paper.troubles == []


@contextmanager
def _served(play: LivePlay, folder: Path, listener: socket.socket) -> Iterator[None]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Notes the host, and hands the request on as one for this machine; futures are on their own host."""
        headers = dict(scope["headers"])
        host, path = headers.get(b"host", b"").decode(), str(scope["path"])
        play.requests.append((host, scope["method"], path))
        assert host == (FUTURES_HOST if path.startswith("/fapi/") else SPOT_HOST)
        headers[b"host"] = b"127.0.0.1"
        await play.paper.app({**scope, "headers": list(headers.items())}, receive, send)

    server = quiet(app)  # type: ignore[arg-type]  # any ASGI application is served alike
    server.tick_s = 0.01
    server.config.ssl_certfile = server.config.ssl_keyfile = str(folder / "server.pem")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="live play", daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline
        assert thread.is_alive()
        time.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
