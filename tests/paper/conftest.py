"""A paper exchange in a thread, and a client that knows nothing of guardian's own code."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from guardian.paper.host.home import PaperEndpoint
from guardian.paper.host.standalone import PaperServer
from guardian.paper.rest.rate_limits import WIDE
from tests.paper.support.made_market import made_market


class Reply:
    """One reply: its status, its headers, and its body as text and as JSON."""

    def __init__(self, status: int, headers: dict[str, str], text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def error(self) -> tuple[int, int, str]:
        """Status, code and message of a refusal."""
        told = self.json
        return self.status, told["code"], told["msg"]


class Client:
    """Speaks Binance's protocol with the standard library alone, one connection a request."""

    def __init__(self, endpoint: PaperEndpoint) -> None:
        parts = urlsplit(endpoint.url)
        self.host, self.port = parts.hostname, parts.port
        self.key, self.secret = endpoint.api_key.reveal(), endpoint.api_secret.reveal()

    def sign(self, payload: str) -> str:
        return hmac.new(self.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()

    def raw(self, method: str, target: str, body: str = "", headers: dict[str, str] | None = None) -> Reply:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            connection.request(method, target, body or None, headers or {})
            reply = connection.getresponse()
            told = {name.lower(): value for name, value in reply.getheaders()}
            return Reply(reply.status, told, reply.read().decode())
        finally:
            connection.close()

    def public(self, path: str, **params: object) -> Reply:
        return self.raw("GET", path + ("?" + urlencode(params) if params else ""))

    def signed(self, method: str, path: str, *, in_body: bool = False, **params: object) -> Reply:
        params.setdefault("timestamp", time.time_ns() // 1_000_000)
        payload = urlencode(params)
        payload += "&signature=" + self.sign(payload)
        headers = {"X-MBX-APIKEY": self.key}
        if in_body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return self.raw(method, path, payload, headers)
        return self.raw(method, f"{path}?{payload}", headers=headers)

    def order(self, **params: object) -> Reply:
        """Places an order; what is not given is a LIMIT BUY of 0.001 BTC at 50000."""
        terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT"}
        if params.get("type", "LIMIT") != "MARKET":
            terms |= {"quantity": "0.001", "price": "50000"}
            if params.get("type") != "LIMIT_MAKER":
                terms["timeInForce"] = "GTC"
        given = {name: value for name, value in (terms | params).items() if value is not None}
        return self.signed("POST", "/api/v3/order", in_body=True, **given)

    def balances(self) -> dict[str, tuple[str, str]]:
        told = self.signed("GET", "/api/v3/account").json["balances"]
        return {row["asset"]: (row["free"], row["locked"]) for row in told}


@pytest.fixture
def paper() -> Iterator[PaperServer]:
    """A paper exchange whose BTCUSDT stands at 59999.99 / 60000.00 with 100 a side."""
    with PaperServer(seed=7, limits=WIDE) as server:
        server.controls.set_book("BTCUSDT", "59999.99", "60000")
        yield server
        assert server.troubles == []


@pytest.fixture(scope="session")
def unchanged() -> Iterator[Client]:
    """A client of an exchange that many tests share, since they leave it as it was: nothing is ever traded there."""
    with PaperServer(seed=7, limits=WIDE) as server:
        server.controls.set_book("BTCUSDT", "59999.99", "60000")
        yield Client(server.endpoint)
        assert server.troubles == []
        assert server.controls.orders() == []


@pytest.fixture
def client(paper: PaperServer) -> Client:
    """A client with the exchange's key."""
    return Client(paper.endpoint)


@pytest.fixture(scope="session")
def client_for() -> Callable[[PaperEndpoint], Client]:
    """Makes a client for an endpoint."""
    return Client


@pytest.fixture(scope="session")
def made_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of the market that is made for the tests, packed as recorded ones are."""
    path = tmp_path_factory.mktemp("market") / "btcusdt.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.writelines(made_market())
    return path
