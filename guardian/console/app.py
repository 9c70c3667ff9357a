"""The application behind the page: four files, and the requests that its script sends, each a POST with JSON.

Every request but the login needs a session. Each answer is a JSON object; one that went wrong has `error`, with what
to do.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from guardian.console.approvals import Approvals
from guardian.console.owner_acts import OwnerActs, words_for
from guardian.console.page_data import Document, PageData
from guardian.console.request_checks import RequestChecks
from guardian.console.sessions import LoginRefusal, Sessions
from guardian.domain.text.escaping import clean
from guardian.domain.text.plain_data import to_plain
from guardian.errors import CredentialsError, ExchangeError, GuardianError, PolicyInvalid, StoreConflict, StoreError
from guardian.gate.base.calls import safe_traceback

_log: Final = logging.getLogger("guardian.console")

STATIC: Final = {
    "/": ("page.html", "text/html; charset=utf-8"),
    **{
        f"/{name}": (name, "text/javascript; charset=utf-8")
        for name in ("page.js", "draw.js", "passkey.js", "requests.js")
    },
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
PAGE_HEADER: Final = "X-Guardian-Page"
BODY_PATIENCE_S: Final = 10.0
AGAIN: Final = "press Enter in the terminal where `guardian console` runs for a new link"
_REFUSALS: Final = {
    LoginRefusal.WRONG: "this is not the code of the newest link",
    LoginRefusal.USED: "this link was used already, and works once",
    LoginRefusal.EXPIRED: "this link is over five minutes old, and no longer works",
    LoginRefusal.LOCKED: "too many wrong codes were given, so the link no longer works",
}

Handler = Callable[[Document], Awaitable[Document]]


class BadRequest(Exception):
    """What the page's script sent is not what it sends."""


class Console:
    """Answers the page's requests for one opened home."""

    def __init__(
        self,
        *,
        port: int,
        sessions: Sessions,
        data: PageData,
        acts: OwnerActs,
        approvals: Approvals,
        notice: Callable[[str], None],
    ) -> None:
        self._sessions = sessions
        self._data = data
        self._acts = acts
        self._approvals = approvals
        self._notice = notice
        self._cookie = f"guardian_console_{port}"
        folder = files("guardian.console") / "static"
        self._static = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in STATIC.items()}
        handlers: dict[str, Handler] = {
            "now": self._now,
            "order": self._order,
            "account": self._account,
            "reject": self._reject,
            "cancel": self._cancel,
            "halt": self._halt,
            "approval/begin": self._begin_approval,
            "approval/finish": self._finish_approval,
            "passkey/begin": self._begin_registration,
            "passkey/finish": self._finish_registration,
        }
        routes = [Route(path, self._file, methods=["GET"]) for path in STATIC]
        routes += [
            Route(f"/api/{name}", self._answering(handler), methods=["POST"]) for name, handler in handlers.items()
        ]
        routes += [
            Route("/api/login", self._log_in, methods=["POST"]),
            Route("/api/logout", self._log_out, methods=["POST"]),
            Route("/api/active", self._keep_alive, methods=["POST"]),
        ]
        answering = Starlette(routes=routes)
        answering.router.redirect_slashes = False
        self.app: ASGIApp = RequestChecks(answering, port)

    async def _file(self, request: Request) -> Response:
        content, kind = self._static[request.scope["path"]]
        return Response(content, headers={"Content-Type": kind})

    # The session

    def _secrets(self, request: Request) -> tuple[str, str]:
        return request.cookies.get(self._cookie, ""), request.headers.get(PAGE_HEADER, "")

    async def _log_in(self, request: Request) -> Response:
        try:
            code = _text(await _body(request), "code", 200)
        except BadRequest as error:
            return _problem(400, str(error))
        opened = self._sessions.log_in(code)
        if isinstance(opened, LoginRefusal):
            self._notice(f"a browser was not let in: {_REFUSALS[opened]}")
            return _problem(401, _REFUSALS[opened], AGAIN)
        response = JSONResponse({"page_token": opened.page_token})
        response.set_cookie(self._cookie, opened.cookie, httponly=True, samesite="strict", path="/")
        return response

    async def _log_out(self, request: Request) -> Response:
        self._sessions.close(*self._secrets(request))
        response = JSONResponse({})
        response.delete_cookie(self._cookie, httponly=True, samesite="strict", path="/")
        return response

    async def _keep_alive(self, request: Request) -> Response:
        self._sessions.keep_alive(*self._secrets(request))
        return JSONResponse({"open": self._sessions.is_open(*self._secrets(request))})

    def _answering(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if not self._sessions.is_open(*self._secrets(request)):
                return _problem(401, "this page's session has ended", AGAIN)
            try:
                return JSONResponse(await handler(await _body(request)))
            except BadRequest as error:
                return _problem(400, str(error))
            except GuardianError as error:
                return _failed(error)
            except Exception as error:  # noqa: BLE001 - opaque on the page, whole in the terminal
                _log.error("a request of the page failed: %s", safe_traceback(error))
                return _problem(500, "guardian failed; the terminal where `guardian console` runs has the whole of it")

        return answer

    # What is shown

    async def _now(self, sent: Document) -> Document:
        known = sent.get("known_seq", -1)
        if not isinstance(known, int) or isinstance(known, bool):
            raise BadRequest("`known_seq` is a number")
        document = await self._data.now(known)
        document["owner"] = to_plain(await self._approvals.demand())
        return document

    async def _order(self, sent: Document) -> Document:
        return await self._data.order(_text(sent, "proposal_id", 40))

    async def _account(self, _sent: Document) -> Document:
        return await self._data.account()

    # What is done

    async def _reject(self, sent: Document) -> Document:
        return {"message": await self._acts.reject(_text(sent, "proposal_id", 40), _text(sent, "reason", 1000))}

    async def _cancel(self, sent: Document) -> Document:
        reply = await self._acts.cancel(_text(sent, "symbol", 40), _text(sent, "client_order_id", 64))
        done, message = words_for(reply)
        text = None if reply.error is None else reply.error.exchange_text
        return {
            "done": done,
            "message": clean(message),
            "hint": None if reply.error is None else reply.error.hint,
            "exchange_text": None if text is None else clean(text),
        }

    async def _halt(self, sent: Document) -> Document:
        return {"message": await self._acts.halt(_text(sent, "reason", 1000))}

    async def _begin_approval(self, sent: Document) -> Document:
        return _object(to_plain(await self._approvals.begin(_text(sent, "proposal_id", 40))))

    async def _finish_approval(self, sent: Document) -> Document:
        answer = await self._approvals.finish(
            _text(sent, "proposal_id", 40),
            _text(sent, "handle", 200),
            _table(sent, "proof"),
            place=sent.get("place") is True,
        )
        return _object(to_plain(answer))

    async def _begin_registration(self, sent: Document) -> Document:
        return _object(to_plain(await self._approvals.begin_registration(_text(sent, "name", 100))))

    async def _finish_registration(self, sent: Document) -> Document:
        answer = await self._approvals.finish_registration(_text(sent, "handle", 200), _table(sent, "proof"))
        return _object(to_plain(answer))


async def _body(request: Request) -> Document:
    """The JSON object of a request, whose size was checked before. Raises BadRequest."""
    try:
        sent = json.loads(await asyncio.wait_for(request.body(), BODY_PATIENCE_S))
    except (ValueError, RecursionError, TimeoutError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(sent, dict):
        raise BadRequest("the body is a JSON object")
    return sent


def _text(sent: Document, name: str, most: int) -> str:
    value = sent.get(name)
    if not isinstance(value, str) or len(value) > most:
        raise BadRequest(f"`{name}` is a text of at most {most} characters")
    return value


def _table(sent: Document, name: str) -> Document:
    value = sent.get(name)
    if not isinstance(value, dict):
        raise BadRequest(f"`{name}` is a JSON object")
    return value


def _object(document: object) -> Document:
    assert isinstance(document, dict)
    return document


def _failed(error: GuardianError) -> Response:
    """The response for an expected failure; its status says whether trying again can help."""
    if isinstance(error, StoreConflict):
        return _problem(409, error.message, error.hint)
    if isinstance(error, StoreError | ExchangeError | CredentialsError):
        return _problem(503, error.message, error.hint)
    if isinstance(error, PolicyInvalid):
        return _problem(409, "; ".join(str(mistake) for mistake in error.mistakes), error.hint)
    return _problem(403, error.message, error.hint)


def _problem(status: int, message: str, hint: str | None = None) -> Response:
    error = {"message": clean(message), "hint": None if hint is None else clean(hint)}
    return JSONResponse({"error": error}, status)
