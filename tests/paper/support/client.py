"""A client that knows nothing of guardian's own code, and the replies that it gets."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from guardian.paper.host.home import PaperEndpoint
from tests.support.present import present


class Reply:
    """One reply: its status, its headers, and its body as text and as JSON."""

    def __init__(self, status: int, headers: dict[str, str], text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self) -> Any:
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
        connection = http.client.HTTPConnection(present(self.host), self.port, timeout=10)
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


ClientFor = Callable[[PaperEndpoint], Client]
"""Makes a client of an exchange."""
