"""The HTTP API of the paper exchange: the way of every request, from raw bytes to a reply."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping, MutableSequence
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from guardian.errors import ExchangeRejected, StoreError
from guardian.paper.rest.authentication import Claim, check_signed
from guardian.paper.rest.endpoint import Call, Endpoint, Security
from guardian.paper.rest.endpoints import (
    account,
    coins,
    futures,
    futures_market,
    market_data,
    order_history,
    orders,
    wallet,
)
from guardian.paper.rest.fault_injection import FaultedRequest, inject
from guardian.paper.rest.faults import Faults
from guardian.paper.rest.parameters import Parameters
from guardian.paper.rest.rate_limits import Meter, TooMuch
from guardian.paper.venue import Venue

JSON: Final = "application/json;charset=UTF-8"
MAX_BODY_BYTES: Final = 65_536
_OK: Final = 200
_METHODS: Final = ("GET", "POST", "PUT", "DELETE")
_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})

ENDPOINTS: Final[Mapping[tuple[str, str], Endpoint]] = {
    (endpoint.method, endpoint.path): endpoint
    for module in (market_data, orders, order_history, account, wallet, coins, futures, futures_market)
    for endpoint in module.ENDPOINTS
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came in: before any check, whatever the outcome. The time is the exchange's, in ms."""

    method: str
    path: str
    params: Mapping[str, str]
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Housekeeping:
    """The two requests of guardian to its own paper process, beside the trading API: prove who you are, and end."""

    prove: Callable[[str, str], str]
    """Returns the proof, for a purpose and a challenge, that the process knows the home folder's secret."""
    end: Callable[[], None]


class HttpApi:
    """Answers every request of one paper exchange.

    `busy` is called with each request of this machine, `trouble` with each exception that is a bug or a failure of the
    storage; the client gets a 5xx.
    """

    def __init__(
        self,
        venue: Venue,
        *,
        meter: Meter | None = None,
        faults: Faults | None = None,
        journal: MutableSequence[Received] | None = None,
        housekeeping: Housekeeping | None = None,
        busy: Callable[[], None] = lambda: None,
        trouble: Callable[[Exception], None] = lambda _error: None,
    ) -> None:
        self._venue = venue
        self._meter = meter or Meter()
        venue.on_events = self._meter.watch
        self._faults = faults or Faults()
        self._journal = journal
        self._housekeeping = housekeeping
        self._busy = busy
        self._trouble = trouble
        self.app = Starlette(routes=[Route("/{path:path}", self._respond, methods=list(_METHODS))])

    async def _respond(self, request: Request) -> Response:
        if not is_local(request):
            # Nothing is counted and nothing happens: a page must not spend the limits, nor keep the process alive.
            return _refused(ExchangeRejected(-1002, "You are not authorized to execute this request.", http_status=403))
        self._busy()
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        own = self._answer_housekeeping(request)
        if own is not None:
            return own
        query: bytes = request.scope["query_string"]
        self._record(request, query, body)
        fault = self._faults.take(request.method, request.scope["path"])
        if fault is None:
            return self._answer(request, query, body)
        faulted = FaultedRequest(request, _sent(query, body), lambda: self._answer(request, query, body), self._venue)
        return await inject(fault, faulted)

    def _answer(self, request: Request, query: bytes, body: bytes) -> Response:
        method, path = request.method, str(request.scope["path"])
        now = self._venue.now()
        try:
            with self._venue.at_work() as now:
                key = request.headers.get("x-mbx-apikey")
                reply = _json(self._carry_out(method, path, key, query, body, now))
        except TooMuch as no:
            reply = _refused(no)
            reply.headers["retry-after"] = str(no.retry_after_s)
        except ExchangeRejected as no:
            reply = _refused(no)
        except StoreError as error:
            self._trouble(error)
            # Nothing of it is on disk and nothing of it has happened, but a client cannot know.
            text = "Internal error; unable to process your request. Please try again."
            reply = _refused(ExchangeRejected(-1001, text, http_status=500))
        except Exception as bug:  # noqa: BLE001 -- a bug of ours is reported to whoever runs this; the client gets a 5xx
            self._trouble(bug)
            text = "An unknown error occurred while processing the request."
            reply = _refused(ExchangeRejected(-1000, text, http_status=500))
        reply.headers.update(self._meter.headers(method, path, now, done=reply.status_code == _OK))
        return reply

    def _carry_out(self, method: str, path: str, key: str | None, query: bytes, body: bytes, now: int) -> object:
        """Returns the JSON that a request is answered with. Raises ExchangeRejected."""
        try:
            params = Parameters.parse(query, body)
        except ExchangeRejected:
            self._meter.enter(method, path, {}, now)
            raise
        self._meter.enter(method, path, params.everything, now)
        endpoint = ENDPOINTS.get((method, path))
        if endpoint is None:
            raise ExchangeRejected(-5000, f"Path {path}, Method {method} is invalid", http_status=404)
        if endpoint.security is Security.SIGNED:
            claim = Claim(
                None if key is None else key.encode("latin-1"),
                query,
                body,
                wants_to_trade=method != "GET",
                is_futures=path.startswith("/fapi/"),
            )
            check_signed(self._venue.keys, claim, params, now)
        is_order = (method, path) == ("POST", "/api/v3/order")
        if is_order:
            self._meter.enter_order(now)
        try:
            reply = endpoint.answer(Call(params, self._venue, now, self._meter))
            if endpoint.strict:
                params.finish(signed=endpoint.security is Security.SIGNED)
        except BaseException:
            if is_order:
                self._meter.refused_order(now)
            raise
        self._meter.succeeded(method, path, now)
        return reply

    def _record(self, request: Request, query: bytes, body: bytes) -> None:
        if self._journal is None:
            return
        path, sent = str(request.scope["path"]), _sent(query, body)
        self._journal.append(Received(method=request.method, path=path, params=sent, time=self._venue.now()))

    def _answer_housekeeping(self, request: Request) -> Response | None:
        house, path = self._housekeeping, str(request.scope["path"])
        if house is None or not path.startswith("/guardian/"):
            return None
        challenge = request.query_params.get("challenge", "")
        if (request.method, path) == ("GET", "/guardian/identity") and challenge:
            return _json({"proof": house.prove("identity", challenge)})
        if (request.method, path) == ("POST", "/guardian/end"):
            if not hmac.compare_digest(house.prove("end", challenge), request.query_params.get("proof", "")):
                return Response(status_code=403)
            house.end()
            return _json({})
        return Response(status_code=404)


def is_local(request: Request) -> bool:
    """Whether a request names this machine as its host, and was not sent by a web page.

    A browser sends `Origin`, `Referer` or `Sec-Fetch-Site` with a page's request; no client of an exchange sends these.
    A page that uses its own name for this machine (DNS rebinding) is recognised by the host.
    """
    headers = request.headers
    host = headers.get("host", "")
    if (host if host.endswith("]") else host.rpartition(":")[0] or host) not in _LOCAL_HOSTS:
        return False
    return not {"origin", "referer"} & set(headers.keys()) and headers.get("sec-fetch-site", "none") == "none"


def _sent(query: bytes, body: bytes) -> Mapping[str, str]:
    """Returns the parameters as far as they can be read."""
    try:
        return Parameters.parse(query, body).everything
    except ExchangeRejected:
        return {"malformed": (query + body).decode("utf-8", "replace")}


async def _body(request: Request) -> bytes | None:
    """Returns the body, or None where it is longer than any request has a reason to be."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _json(value: object, status: int = 200) -> Response:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return Response(text, status_code=status, headers={"content-type": JSON})


def _refused(no: ExchangeRejected) -> Response:
    return _json({"code": no.code, "msg": no.text}, no.http_status)
