"""The application behind a page: its files, its session, and the requests of its script, each a POST with JSON.

Every request but the login needs a session. Each answer is a JSON object; one that went wrong has `error`, with what
to do.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from guardian.console.web.request_checks import RequestChecks
from guardian.console.web.sessions import LoginRefusal, Sessions
from guardian.domain.text.escaping import clean
from guardian.errors import CredentialsError, ExchangeError, GuardianError, PolicyInvalid, StoreConflict, StoreError
from guardian.gate.base.calls import safe_traceback

_log: Final = logging.getLogger("guardian.console")

Document = dict[str, Any]
"""A JSON object."""
Handler = Callable[[Document], Awaitable[Document]]
"""Answers one kind of request."""

_SCRIPT: Final = "text/javascript; charset=utf-8"
_KINDS: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "js": _SCRIPT,
}
PAGE_HEADER: Final = "X-Guardian-Page"
BODY_PATIENCE_S: Final = 10.0
_REFUSALS: Final = {
    LoginRefusal.WRONG: "this is not the code of the newest link",
    LoginRefusal.USED: "this link was used already, and works once",
    LoginRefusal.EXPIRED: "this link is over five minutes old, and no longer works",
    LoginRefusal.LOCKED: "too many wrong codes were given, so the link no longer works",
}


class BadRequest(Exception):
    """What the page's script sent is not what it sends."""


class PageApp:
    """Serves one page and answers its requests. `again` says how to get a new link, `notice` writes to the terminal."""

    def __init__(
        self,
        *,
        page: str,
        static: tuple[str, ...],
        handlers: Mapping[str, Handler],
        port: int,
        sessions: Sessions,
        notice: Callable[[str], None],
        again: str,
    ) -> None:
        self._sessions = sessions
        self._notice = notice
        self._again = again
        self._noticed: LoginRefusal | None = None
        """The refusal that was written last."""
        self._cookie = f"guardian_console_{port}"
        folder = files("guardian.console") / "static"
        names = {"/": page} | {f"/{name}": name for name in static}
        self._static = {
            path: ((folder / name).read_bytes(), _KINDS[name.rpartition(".")[2]]) for path, name in names.items()
        }
        routes = [Route(path, self._file, methods=["GET"]) for path in names]
        routes += [Route(f"/api/{name}", self._answering(one), methods=["POST"]) for name, one in handlers.items()]
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
            code = text_of(await _body(request), "code", 200)
        except BadRequest as error:
            return _problem(400, str(error))
        opened = self._sessions.log_in(code)
        if isinstance(opened, LoginRefusal):
            if opened is not self._noticed:  # a program that guesses does not fill the terminal
                self._noticed = opened
                self._notice(f"a browser was not let in: {_REFUSALS[opened]}")
            return _problem(401, _REFUSALS[opened], self._again)
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
                return _problem(401, "this page's session has ended", self._again)
            try:
                return JSONResponse(await handler(await _body(request)))
            except BadRequest as error:
                return _problem(400, str(error))
            except GuardianError as error:
                return _failed(error)
            except Exception as error:  # noqa: BLE001 - opaque on the page, whole in the terminal
                _log.error("a request of the page failed: %s", safe_traceback(error))
                return _problem(500, "guardian failed; the terminal has the whole of it")

        return answer


async def _body(request: Request) -> Document:
    """The JSON object of a request, whose size was checked before. Raises BadRequest."""
    try:
        sent = json.loads(await asyncio.wait_for(request.body(), BODY_PATIENCE_S))
    except (ValueError, RecursionError, TimeoutError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(sent, dict):
        raise BadRequest("the body is a JSON object")
    return sent


def text_of(sent: Document, name: str, most: int) -> str:
    """Returns a text of a request. Raises BadRequest."""
    value = sent.get(name)
    if not isinstance(value, str) or len(value) > most:
        raise BadRequest(f"`{name}` is a text of at most {most} characters")
    return value


def table_of(sent: Document, name: str) -> Document:
    """Returns a JSON object within a request. Raises BadRequest."""
    value = sent.get(name)
    if not isinstance(value, dict):
        raise BadRequest(f"`{name}` is a JSON object")
    return value


def object_of(document: object) -> Document:
    """Returns plain data that is known to be an object."""
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
