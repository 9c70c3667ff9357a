"""The outermost guard: opens the record of a call before anything else, and lets nothing out but the envelope."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import pydantic
from fastmcp.exceptions import DisabledError, NotFoundError, ValidationError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools.base import InputRequiredToolResult, Tool, ToolResult
from mcp import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    ListToolsRequest,
    ReadResourceRequestParams,
)

from guardian.domain.requests import CancelOrder, CreateOrder
from guardian.errors import StoreError
from guardian.gate.base.calls import token_digest
from guardian.gate.base.replies import Reply
from guardian.server.elicitation import WAIT_S, ClientAsker
from guardian.server.envelope import EnvelopeMeta, tool_result
from guardian.server.error_replies import (
    call_taken_back,
    internal_error,
    log_unavailable,
    no_reply,
    reply_to_fault,
    shutting_down,
)
from guardian.server.loggable import loggable_arguments, readable
from guardian.server.process.background_start import BackgroundStart
from guardian.server.process.notices import CallNotices
from guardian.server.process.shutdown import Shutdown
from guardian.server.registration import CURRENT_CALL, OngoingCall
from guardian.system.clock import wall_clock_ms

if TYPE_CHECKING:
    from guardian.gate.pipeline import Gate

MAX_URI: Final = 200
"""Characters of an address that an error repeats."""
TOKEN_ARGUMENT: Final = "confirmation_token"  # noqa: S105 - the name of an argument
_log: Final = logging.getLogger("guardian.server")


class OutermostGuard(Middleware):
    """Every `tools/call` leaves a call row and an outcome row, and every exception of one becomes an envelope.

    `now_ms` is the wall clock for the stamp on replies and for "today", `zone` the time zone of the latter where it is
    not this machine's. A question in the client is waited for `wait_s` at most. Lists and calls open `background`.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        now_ms: Callable[[], int] = wall_clock_ms,
        shutdown: Shutdown | None = None,
        wait_s: float = WAIT_S,
        zone: tzinfo | None = None,
        background: BackgroundStart | None = None,
    ) -> None:
        self._gate = gate
        self._background = background
        self._zone = zone
        self._asker = ClientAsker(None if shutdown is None else shutdown.until_ending, wait_s=wait_s)
        self._now_ms = now_ms
        self._shutdown = shutdown
        self._notices = CallNotices()

    async def on_call_tool(
        self, context: MiddlewareContext[CallToolRequestParams], call_next: CallNext[CallToolRequestParams, ToolResult]
    ) -> ToolResult:
        """Open the record, let the call go on, close the record; also where the client takes the call back."""
        if self._background is not None:
            self._background.called()
        if self._shutdown is None:
            return await self._serve(context, call_next)
        if self._shutdown.is_ending:
            return self._result(shutting_down(), None, time.perf_counter())
        with self._shutdown.call():
            return await self._serve(context, call_next)

    async def _serve(
        self, context: MiddlewareContext[CallToolRequestParams], call_next: CallNext[CallToolRequestParams, ToolResult]
    ) -> ToolResult:
        started = time.perf_counter()
        name = readable(context.message.name)
        opened = await self._open(name, context, started)
        if isinstance(opened, Reply):
            with suppress(Exception):
                self._notices.answered(name, opened, None)
            return self._result(opened, None, started)
        token = CURRENT_CALL.set(opened)
        try:
            result = await self._answer(opened, name, lambda: call_next(context))
            # A question to the person is the whole result of a stateless call.
            return result if isinstance(result, InputRequiredToolResult) else self._rendered(opened, name, started)
        finally:
            CURRENT_CALL.reset(token)
            # Shielded: the outcome row is owed also where the client has taken the call back.
            with anyio.CancelScope(shield=True):
                await self._close(opened, opened.reply or call_taken_back(name))

    async def on_list_tools(
        self, context: MiddlewareContext[ListToolsRequest], call_next: CallNext[ListToolsRequest, Sequence[Tool]]
    ) -> Sequence[Tool]:
        """Hide what the policy does not allow. Calling it is refused by the gate in any case."""
        tools = await call_next(context)
        try:
            allowed = self._gate.allowed_tools()
        except Exception:  # noqa: BLE001 - the outermost guard
            _log.exception("the allowed tools could not be determined")
            allowed = frozenset({CancelOrder.tool})  # exits are never trapped
        if self._background is not None:
            self._background.listed()
        return [tool for tool in tools if tool.name in allowed]

    async def on_request(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:  # noqa: ANN401 - handed on
        """Report a failure outside a tool call (a resource, a prompt, a list) without the text of the exception."""
        try:
            return await call_next(context)
        except (MCPError, pydantic.ValidationError):
            raise  # the SDK's own, for malformed messages
        except (NotFoundError, DisabledError, ValidationError):
            raise MCPError(
                code=INVALID_PARAMS,
                message="this name is not known, or its arguments are wrong",
                data=_unknown_resource(context.message),
            ) from None
        except Exception:  # noqa: BLE001 - the outermost guard
            _log.exception("a request failed")
            raise MCPError(code=INTERNAL_ERROR, message="guardian could not answer this") from None

    async def _open(
        self, name: str, context: MiddlewareContext[CallToolRequestParams], started: float
    ) -> OngoingCall | Reply:
        arguments = loggable_arguments(context.message.arguments)
        try:
            # Shielded: a call row that is written while the client goes away must not be left without its outcome row.
            with anyio.CancelScope(shield=True):
                info = await self._gate.open_call(
                    name, arguments, client=_client_of(context), token=_token_of(context.message)
                )
        except StoreError as error:
            return log_unavailable(error)
        except Exception as fault:  # noqa: BLE001 - the outermost guard
            _log.exception("the record of a call could not be opened")
            return internal_error(name, fault)
        call = OngoingCall(gate=self._gate, info=info, asker=self._asker, now_ms=self._now_ms(), zone=self._zone)
        if name == CreateOrder.tool:
            call.info = replace(info, on_sent=partial(self._render_ahead, call, started))
        return call

    async def _answer(self, call: OngoingCall, name: str, go_on: Callable[[], Any]) -> object:
        result: object = None
        try:
            result = await go_on()
        except Exception as fault:  # noqa: BLE001 - the outermost guard
            # An answer that the gate has given is kept, whatever broke after it.
            if call.reply is None:
                call.reply = reply_to_fault(name, fault)
        if call.reply is None:
            call.reply = no_reply(name)
        return result

    def _rendered(self, call: OngoingCall, name: str, started: float) -> ToolResult:
        reply = call.reply or no_reply(name)
        if call.rendered is not None and call.rendered[0] is reply:
            return call.rendered[1]
        try:
            return self._result(reply, call, started)
        except Exception as fault:  # noqa: BLE001 - the outermost guard
            _log.exception("a reply could not be written")
            call.reply = internal_error(name, fault, before=f"after the gate had answered `{reply.outcome}`: ")
            return self._result(call.reply, call, started)

    def _render_ahead(self, call: OngoingCall, started: float, reply: Reply) -> None:
        # Where it fails it is rendered once more, and that says why.
        with suppress(Exception):
            call.rendered = (reply, self._result(reply, call, started))

    def _result(self, reply: Reply, call: OngoingCall | None, started: float) -> ToolResult:
        return tool_result(reply, self._meta(call, started))

    def _meta(self, call: OngoingCall | None, started: float) -> EnvelopeMeta:
        # What is said about the call must not cost the answer: where the gate cannot tell, the reply says so.
        if call is not None:
            with suppress(Exception):
                known = self._gate.meta(call.info)
                return EnvelopeMeta(
                    call_id=known.call_id,
                    timestamp_ms=known.timestamp_ms,
                    environment=known.environment,
                    trading=known.trading,
                    policy=known.policy,
                    latency_ms=known.latency_ms,
                    mandate=known.mandate,
                    period=call.period,
                )
        return EnvelopeMeta(
            call_id=None if call is None else call.info.call_id,
            timestamp_ms=self._now_ms(),
            environment=self._gate.environment.value,
            trading=None,
            policy=None,
            latency_ms=int((time.perf_counter() - started) * 1000),
        )

    async def _close(self, call: OngoingCall, reply: Reply) -> None:
        try:
            await self._gate.close_call(call.info, reply)
        except Exception:  # noqa: BLE001 - the outermost guard
            _log.exception("the record of a call could not be closed")
        with suppress(Exception):  # words for people cost no call
            self._notices.answered(call.info.tool, reply, call.info.call_id)


def _unknown_resource(message: object) -> dict[str, str] | None:
    """The address of the resource that was requested, which the protocol wants in the error; None for all else."""
    uri = str(message.uri) if isinstance(message, ReadResourceRequestParams) else ""
    return {"uri": uri} if 0 < len(uri) <= MAX_URI and uri.isascii() and uri.isprintable() else None


def _token_of(message: CallToolRequestParams) -> str | None:
    """The digest of the confirmation token of an order, as far as one can be seen in unchecked arguments."""
    token = (message.arguments or {}).get(TOKEN_ARGUMENT) if message.name == CreateOrder.tool else None
    return token_digest(token) if isinstance(token, str) else None


def _client_of(context: MiddlewareContext[Any]) -> str | None:
    """The client's own name and version, as it states them."""
    client = None
    # Stateless clients need not say who they are, and the session refuses to be asked outside a request.
    with suppress(Exception):
        if (
            context.fastmcp_context is not None
            and (params := context.fastmcp_context.session.client_params) is not None
        ):
            client = f"{readable(params.client_info.name)}/{readable(params.client_info.version, 32)}"
    return client
