"""The HTTP face: one way for every request, from raw bytes to a reply."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, MutableSequence
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from guardian.errors import ExchangeRejected, StoreError
from guardian.paper import account, futures, market_data, trading, wallet
from guardian.paper.endpoint import Call, Endpoint, Security
from guardian.paper.faults import Fault, FaultKind, Faults
from guardian.paper.parameters import Parameters
from guardian.paper.security import check_signed
from guardian.paper.venue import Venue

JSON: Final = "application/json;charset=UTF-8"
MAX_BODY_BYTES: Final = 65_536
_METHODS: Final = ("GET", "POST", "PUT", "DELETE")
_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})

ENDPOINTS: Final[Mapping[tuple[str, str], Endpoint]] = {
    (endpoint.method, endpoint.path): endpoint
    for module in (market_data, trading, account, wallet, futures)
    for endpoint in module.ENDPOINTS
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came in: before any check, and whatever became of it. The time is the exchange's, in ms."""

    method: str
    path: str
    params: Mapping[str, str]
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Housekeeping:
    """The helper process' own two requests, which the trading API never shows: who are you, and please end."""

    prove: Callable[[str, str], str]
    """What only somebody who knows the home folder can say, for a purpose and a challenge."""
    end: Callable[[], None]


class Front:
    """Answers every request of one paper exchange."""

    def __init__(
        self,
        venue: Venue,
        *,
        faults: Faults | None = None,
        journal: MutableSequence[Received] | None = None,
        housekeeping: Housekeeping | None = None,
        busy: Callable[[], None] = lambda: None,
        trouble: Callable[[Exception], None] = lambda _error: None,
    ) -> None:
        self._venue = venue
        self._faults = faults or Faults()
        self._journal = journal
        self._housekeeping = housekeeping
        self._busy = busy
        self._trouble = trouble
        self.app = Starlette(routes=[Route("/{path:path}", self._respond, methods=list(_METHODS))])

    async def _respond(self, request: Request) -> Response:
        self._busy()
        if _host(request) not in _LOCAL_HOSTS:
            # A web page that a browser was tricked into resolving to this machine.
            return _refused(ExchangeRejected(-1002, "You are not authorized to execute this request.", http_status=403))
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        own = self._keep_house(request)
        if own is not None:
            return own
        query: bytes = request.scope["query_string"]
        self._note(request, query, body)

        async def execute() -> Response:
            return self._answer(request, query, body)

        fault = self._faults.take(request.method, request.scope["path"])
        return await execute() if fault is None else await _suffer(fault, request, execute)

    def _answer(self, request: Request, query: bytes, body: bytes) -> Response:
        endpoint = ENDPOINTS.get((request.method, request.scope["path"]))
        if endpoint is None:
            text = f"Path {request.scope['path']}, Method {request.method} is invalid"
            return _refused(ExchangeRejected(-5000, text, http_status=404))
        try:
            with self._venue.at_work() as now:
                params = Parameters.parse(query, body)
                if endpoint.security is Security.SIGNED:
                    key = request.headers.get("x-mbx-apikey")
                    check_signed(
                        self._venue.keys, None if key is None else key.encode("latin-1"), query, body, params, now
                    )
                reply = endpoint.answer(Call(params, self._venue, now))
                if endpoint.strict:
                    params.finish(signed=endpoint.security is Security.SIGNED)
        except ExchangeRejected as no:
            return _refused(no)
        except StoreError as error:
            self._trouble(error)
            # Nothing of it is on disk and nothing of it has happened, but a client cannot know.
            text = "Internal error; unable to process your request. Please try again."
            return _refused(ExchangeRejected(-1001, text, http_status=500))
        except Exception as bug:  # noqa: BLE001 -- a bug of ours is told to whoever runs this, and its client sees a 5xx
            self._trouble(bug)
            text = "An unknown error occurred while processing the request."
            return _refused(ExchangeRejected(-1000, text, http_status=500))
        return _json(reply)

    def _note(self, request: Request, query: bytes, body: bytes) -> None:
        if self._journal is None:
            return
        try:
            params = Parameters.parse(query, body).everything
        except ExchangeRejected:
            params = {"malformed": (query + body).decode("utf-8", "replace")}
        self._journal.append(
            Received(method=request.method, path=request.scope["path"], params=params, time=self._venue.now())
        )

    def _keep_house(self, request: Request) -> Response | None:
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


def _host(request: Request) -> str:
    host = request.headers.get("host", "")
    return host if host.endswith("]") else host.rpartition(":")[0] or host


async def _body(request: Request) -> bytes | None:
    """The body, or None where it is longer than any request has a reason to be."""
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


async def _suffer(fault: Fault, request: Request, execute: Callable[[], Awaitable[Response]]) -> Response:
    """Lets a fault happen to one request."""
    if fault.kind in {FaultKind.DELAY, FaultKind.HANG}:
        try:
            await asyncio.sleep(fault.seconds)
        except asyncio.CancelledError:
            # The server ends: without this uvicorn would still say 500.
            request.scope["state"]["transport"].abort()
            raise
    reply = await execute() if fault.execute else None
    if fault.kind in {FaultKind.REPLY_LOST, FaultKind.RESET_BEFORE, FaultKind.HANG}:
        # See serving.py: each connection's transport is within reach of its requests.
        request.scope["state"]["transport"].abort()
        await asyncio.sleep(0)
        return Response()
    if fault.kind is FaultKind.DELAY and reply is not None:
        return reply
    return Response(fault.body, status_code=fault.status, headers={"content-type": fault.content_type, **fault.headers})
