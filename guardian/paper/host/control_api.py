"""The control endpoint: the controls over HTTP, on a port of its own and with a token: no trading client meets it.

Every request needs `Authorization: Bearer TOKEN`:

    GET    /                the faults that wait and the clock's skew
    POST   /fault           {"fault": "reply_lost,times=2"}, as on the command line
    DELETE /fault           no fault waits any more, and the clock is right
    POST   /book            {"symbol": "BTCUSDT", "bid": "59999", "ask": "60000", "quantity": "1"}
    DELETE /book            {"symbol": "BTCUSDT"}: the market's own book again
    POST   /balance         {"asset": "USDT", "free": "100"}
    GET    /orders          every order taken
    GET    /requests        the last requests received
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from guardian.domain.secrets import Secret
from guardian.paper.host.controls import Controls
from guardian.paper.rest.app import MAX_BODY_BYTES, is_local
from guardian.paper.rest.faults import read_spec

_ROWS: Final = 1000

Action = Callable[[Controls, Mapping[str, Any]], object]


def _look(controls: Controls, _sent: Mapping[str, Any]) -> object:
    return {"faults": controls.faults(), "clock_skew_ms": controls.clock_skew_ms}


def _add_fault(controls: Controls, sent: Mapping[str, Any]) -> object:
    controls.fault(**read_spec(str(sent["fault"])))
    return _look(controls, sent)


def _clear(controls: Controls, sent: Mapping[str, Any]) -> object:
    controls.clear_faults()
    return _look(controls, sent)


def _set_book(controls: Controls, sent: Mapping[str, Any]) -> object:
    bid, ask, quantity = (_amount(sent[name]) for name in ("bid", "ask", "quantity"))
    controls.set_book(str(sent["symbol"]), bid, ask, quantity)
    return {}


def _free_book(controls: Controls, sent: Mapping[str, Any]) -> object:
    controls.free_book(str(sent["symbol"]))
    return {}


def _set_balance(controls: Controls, sent: Mapping[str, Any]) -> object:
    controls.set_balance(str(sent["asset"]), _amount(sent["free"]))
    return {}


def _orders(controls: Controls, _sent: Mapping[str, Any]) -> object:
    return controls.orders()


def _requests(controls: Controls, _sent: Mapping[str, Any]) -> object:
    rows = list(controls.journal)[-_ROWS:]
    return [{"method": one.method, "path": one.path, "params": dict(one.params), "time": one.time} for one in rows]


def _object(body: bytes) -> dict[str, Any]:
    sent = json.loads(body or b"{}")
    if not isinstance(sent, dict):
        raise TypeError("the body is a JSON object")
    return sent


def _amount(value: object) -> str:
    if not isinstance(value, str) or not (amount := Decimal(value)).is_finite() or amount < 0:
        raise ValueError("amounts are decimal strings of zero or more")
    return value


ACTIONS: Final[Mapping[tuple[str, str], Action]] = {
    ("GET", "/"): _look,
    ("POST", "/fault"): _add_fault,
    ("DELETE", "/fault"): _clear,
    ("POST", "/book"): _set_book,
    ("DELETE", "/book"): _free_book,
    ("POST", "/balance"): _set_balance,
    ("GET", "/orders"): _orders,
    ("GET", "/requests"): _requests,
}


def control_app(controls: Controls, token: Secret) -> Starlette:
    """Returns the control endpoint as an ASGI application."""

    async def respond(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("utf-8", "replace")
        if not is_local(request) or not hmac.compare_digest(given, f"Bearer {token.reveal()}".encode()):
            return JSONResponse({"error": "the token that `guardian paper` printed is needed"}, 403)
        action = ACTIONS.get((request.method, str(request.scope["path"])))
        if action is None:
            return JSONResponse({"error": "no such control", "there are": [" ".join(name) for name in ACTIONS]}, 404)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return Response(status_code=413)
        try:
            return JSONResponse(action(controls, _object(bytes(body))))
        except (ValueError, TypeError, KeyError, InvalidOperation) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)

    return Starlette(routes=[Route("/{path:path}", respond, methods=["GET", "POST", "DELETE"])])
