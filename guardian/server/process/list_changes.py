"""Notifies clients that the list of tools is another one, once the policy allows other tools than before.

Clients of the older protocol are notified in their session. Those of the newer one ask for it with
`subscriptions/listen`, whose answer is the stream of notifications.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp.types import (
    DiscoverRequest,
    DiscoverResult,
    InitializeRequest,
    InitializeResult,
    ListToolsRequest,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)

if TYPE_CHECKING:
    from fastmcp import FastMCP
    from fastmcp.tools.base import Tool
    from mcp.server.connection import Connection
    from mcp.server.context import ServerRequestContext

SEND_S: Final = 1.0
"""A session that takes no notification within this time is tried again at the next look."""
MOST_STREAMS: Final = 256
MOST_WAITING: Final = 16
"""Notifications that a stream keeps for a client that does not read; one more ends the stream."""


class ToolListChanges(Middleware):
    """Declares `tools.listChanged` to each client that can be notified, and notifies it.

    `allowed` returns the names of the tools that the policy allows now; `look` calls it in another thread. The sessions
    are held weakly: one that has ended is forgotten. A session that does not read costs `send_s` seconds of a look.
    """

    def __init__(self, allowed: Callable[[], frozenset[str]], *, send_s: float = SEND_S) -> None:
        self._allowed = allowed
        self._send_s = send_s
        # What each client can have listed; None where it has listed different tools at different times.
        self._sessions: WeakKeyDictionary[Connection, frozenset[str] | None] = WeakKeyDictionary()
        self._published: frozenset[str] | None = allowed()
        self._bus = InMemorySubscriptionBus()
        self._streams = ListenHandler(self._bus, max_subscriptions=MOST_STREAMS, max_buffered_events=MOST_WAITING)

    def serve_on(self, server: FastMCP) -> None:
        """Make `server` answer `subscriptions/listen`, and declare what it sends."""
        server.add_middleware(self)
        server._mcp_server.add_request_handler(  # noqa: SLF001 - FastMCP has no way to add it
            "subscriptions/listen", SubscriptionsListenRequestParams, self._listen
        )

    async def look(self) -> None:
        """Notify each client whose list is not that of the tools that are allowed now."""
        allowed = await asyncio.to_thread(self._allowed)
        if allowed != self._published:
            self._published = allowed
            await self._bus.publish(ToolsListChanged())
        behind = [one for one, listed in self._sessions.items() if listed != allowed and one.initialized.is_set()]
        await asyncio.gather(*(self._send(one, allowed) for one in behind))

    async def on_initialize(
        self,
        context: MiddlewareContext[InitializeRequest],
        call_next: CallNext[InitializeRequest, InitializeResult | None],
    ) -> InitializeResult | None:
        """Keep the session, and declare that it is notified; without a session, as with `--stateless`, it is not."""
        result = await call_next(context)
        with suppress(Exception):  # a session that is not notified is served all the same
            connection = _connection_of(context)
            if (
                connection is not None
                and connection.has_standalone_channel
                and result is not None
                and result.capabilities.tools is not None
            ):
                self._sessions[connection] = self._allowed()
                result.capabilities.tools.list_changed = True
        return result

    async def on_discover(
        self,
        context: MiddlewareContext[DiscoverRequest],
        call_next: CallNext[DiscoverRequest, DiscoverResult | dict[str, Any]],
    ) -> DiscoverResult | dict[str, Any]:
        """Declare changes of the tools alone: the SDK declares those of every list where streams are served."""
        result = await call_next(context)
        if isinstance(result, DiscoverResult):
            if result.capabilities.prompts is not None:
                result.capabilities.prompts.list_changed = False
            if result.capabilities.resources is not None:
                result.capabilities.resources.list_changed = False
                result.capabilities.resources.subscribe = False
        return result

    async def on_list_tools(
        self, context: MiddlewareContext[ListToolsRequest], call_next: CallNext[ListToolsRequest, Sequence[Tool]]
    ) -> Sequence[Tool]:
        """Note what a client lists between two looks: a policy that is changed and changed back is noticed so."""
        tools = await call_next(context)
        with suppress(Exception):
            allowed = self._allowed()
            connection = _connection_of(context)
            if connection is not None and self._sessions.get(connection, allowed) != allowed:
                self._sessions[connection] = None
            if allowed != self._published:
                self._published = None
        return tools

    async def _send(self, connection: Connection, allowed: frozenset[str]) -> None:
        with suppress(Exception):  # a session that is gone or does not read keeps nothing else waiting
            async with asyncio.timeout(self._send_s):
                await connection.send_tool_list_changed()
            self._sessions[connection] = allowed

    async def _listen(
        self, context: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        wanted = SubscriptionFilter(tools_list_changed=params.notifications.tools_list_changed)
        return await self._streams(context, params.model_copy(update={"notifications": wanted}))


def _connection_of(context: MiddlewareContext[Any]) -> Connection | None:
    # Each request has a session object of its own; the connection lasts, and the SDK has no public name for it.
    return None if context.fastmcp_context is None else context.fastmcp_context.session._connection  # noqa: SLF001
