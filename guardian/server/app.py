"""The MCP server, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
from fastmcp import FastMCP
from fastmcp.server.context import reset_transport, set_transport
from mcp.server import NotificationOptions
from mcp.server.request_state import RequestStateSecurity

from guardian import __version__
from guardian.server.elicitation import WAIT_S
from guardian.server.instructions import INSTRUCTIONS
from guardian.server.middleware import OutermostGuard
from guardian.server.process.background_start import BackgroundStart
from guardian.server.process.list_changes import ToolListChanges
from guardian.server.process.shutdown import CLOSE_TIMEOUT_S, Shutdown
from guardian.server.registration import as_tool
from guardian.server.resources import add_resources
from guardian.server.stdio.first_line import FirstLine
from guardian.server.stdio.line_replay import replay
from guardian.server.stdio.message_output import stdio_streams
from guardian.server.tools import ALL_TOOLS
from guardian.system.clock import wall_clock_ms

if TYPE_CHECKING:
    from key_value.aio.adapters.pydantic import PydanticAdapter

    from guardian.gate.pipeline import Gate


class _Server(FastMCP):
    """FastMCP without state of its own for a session: no tool keeps any, and the gate says which tools are listed.

    FastMCP reads the session's state at each list and call, for components that a session switches on and off, and
    imports a key-value store with two libraries for it at the first list, a quarter of what a start takes. A FastMCP
    that does not look here uses its own store, and nothing else changes.
    """

    @property
    def _state_store(self) -> PydanticAdapter[Any]:
        return cast("PydanticAdapter[Any]", _NO_STATE)

    async def run_stdio_async(
        self,
        show_banner: bool = False,  # noqa: ARG002 - it has no banner
        log_level: str | None = None,  # noqa: ARG002 - guardian has its own log
        stateless: bool = False,  # noqa: ARG002 - FastMCP says it in a line of its log, and no more
    ) -> None:
        """Serve standard input and output as FastMCP does, with guardian's way to write messages."""
        token = set_transport("stdio")
        try:
            async with self._lifespan_manager(), stdio_streams() as streams:
                low_level = self._mcp_server
                await low_level.run(*streams, low_level.create_initialization_options())
        finally:
            reset_transport(token)


class _NoState:
    """A store that is empty. It has no way to put anything in, so what tries to is refused aloud."""

    async def get(self, *, key: str) -> None:
        """Returns None: nothing is stored."""


_NO_STATE: Final = _NoState()
QUESTION_S: Final = 900.0
"""How long a stateless client may take to bring back an answer; the proposal's own time counts besides."""
Lifespan = Callable[[], AbstractAsyncContextManager[object]]


def build_server(
    gate: Gate,
    *,
    lifespan: Lifespan = nullcontext,
    now_ms: Callable[[], int] = wall_clock_ms,
    shutdown: Shutdown | None = None,
    wait_s: float = WAIT_S,
    zone: tzinfo | None = None,
    changes: ToolListChanges | None = None,
    background: BackgroundStart | None = None,
    first_line: FirstLine | None = None,
) -> FastMCP:
    """The server in front of `gate`: the 17 tools, the resources, the prompt, and the outermost guard.

    `lifespan` is entered before the first message is read and left after the last reply; what belongs to the gate,
    such as finding out about unknown orders, lives in it. Every security option of FastMCP is
    set here, none is left to a default. `shutdown` knows of the calls that are being served, where the process has one.
    A question that the client puts to the person is waited for `wait_s` at most. `zone` is given by tests alone.
    Clients are notified by `changes` when the list of tools is another one; without, nothing of the kind is declared.
    `background` is opened by the first list or call, where the process has work that waits for it. `first_line` was
    read from standard input before, and is served as if the transport had read it.
    """
    guard = OutermostGuard(gate, now_ms=now_ms, shutdown=shutdown, wait_s=wait_s, zone=zone, background=background)

    @asynccontextmanager
    async def run(_server: FastMCP) -> AsyncIterator[dict[str, object]]:
        around = lifespan()
        await around.__aenter__()
        try:
            if first_line is not None:
                await first_line.wait()  # two readers would each get a part of it
            yield {}
        finally:
            # When the client closes its end, everything here is being cancelled; what is open is closed all the same.
            with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
                await around.__aexit__(None, None, None)

    if shutdown is not None:
        shutdown.settle = gate.settle
    server = _Server(
        "guardian",
        INSTRUCTIONS,
        version=__version__,
        lifespan=run,
        middleware=[guard],
        on_duplicate="error",
        mask_error_details=True,
        strict_input_validation=True,
        request_state_security=RequestStateSecurity.ephemeral(ttl=QUESTION_S, audience="guardian"),
    )
    # FastMCP declares changes of every list. Those of the tools alone are sent, and `changes` declares them.
    server._mcp_server.notification_options = NotificationOptions()  # noqa: SLF001 - FastMCP has no option for it
    for spec in ALL_TOOLS:
        server.add_tool(as_tool(spec))
    add_resources(server, gate)
    if changes is not None:
        changes.serve_on(server)
    if first_line is not None:
        replay(first_line, server)
    return server
