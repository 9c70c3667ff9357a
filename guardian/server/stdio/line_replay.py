"""Serves the first line, which was read before the SDK was imported, as if the SDK's transport had read it.

Its reply is left out once where the line was answered already, and compared with what was written.
"""

from __future__ import annotations

import io
import logging
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Final, Self

from anyio import EndOfStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCError, JSONRPCResponse
from mcp_types import jsonrpc_message_adapter

from guardian.server.stdio.early_answer import EarlyAnswer
from guardian.server.stdio.first_line import FirstLine

if TYPE_CHECKING:
    from fastmcp import FastMCP
    from mcp.server.models import InitializationOptions
    from mcp.shared._stream_protocols import ReadStream, WriteStream

    Incoming = ReadStream["_Item"]
    Outgoing = WriteStream[SessionMessage]

_log: Final = logging.getLogger("guardian.server")
_Item = SessionMessage | Exception


def replay(first_line: FirstLine, server: FastMCP) -> None:
    """Make `server` read `first_line` before all that its transport reads. It is complete before the transport is."""
    low_level = server._mcp_server  # noqa: SLF001 - FastMCP has no way to put anything before a transport
    run = low_level.run

    async def run_after_first_line(
        read_stream: Incoming, write_stream: Outgoing, options: InitializationOptions, **more: bool
    ) -> None:
        if first_line.answer is not None:
            write_stream = WithoutReply(write_stream, first_line.answer)
        await run(Replayed(read_stream, messages(first_line.line)), write_stream, options, **more)

    low_level.run = run_after_first_line  # type: ignore[method-assign,assignment]


def messages(data: bytes) -> list[_Item]:
    """Returns what the SDK's transport makes of these bytes: a message or a fault for each line of its text stream."""
    with io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace") as lines:
        return [_message(line) for line in lines]


def _message(line: str) -> _Item:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except Exception as fault:  # noqa: BLE001 - as the transport, which hands every fault on
        return fault


class Replayed:
    """What was read before, and then what the transport reads."""

    def __init__(self, inner: Incoming, first: list[_Item]) -> None:
        self._inner = inner
        self._first = deque(first)
        self.last_context: Context | None = None
        """Of whoever sent the last message; the SDK's dispatcher looks here."""

    async def receive(self) -> _Item:
        """Returns the next message or fault."""
        if self._first:
            return self._first.popleft()
        item = await self._inner.receive()
        self.last_context = getattr(self._inner, "last_context", None)
        return item

    async def aclose(self) -> None:
        """Closes the transport's stream."""
        await self._inner.aclose()

    def __aiter__(self) -> Replayed:
        return self

    async def __anext__(self) -> _Item:
        try:
            return await self.receive()
        except EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_fault: object) -> None:
        await self.aclose()


class WithoutReply:
    """The transport's stream, without the reply that was written already."""

    def __init__(self, inner: Outgoing, written: EarlyAnswer) -> None:
        self._inner = inner
        self._written: EarlyAnswer | None = written

    async def send(self, item: SessionMessage) -> None:
        """Sends it, unless it is the first reply to the request that was answered."""
        message, written = item.message, self._written
        if (
            written is not None
            and isinstance(message, JSONRPCResponse | JSONRPCError)
            and message.id == written.request_id
        ):
            self._written = None
            if message.model_dump_json(by_alias=True, exclude_unset=True) != written.text:
                _log.error("the first request was answered early, and otherwise than the MCP SDK answers it")
            return
        await self._inner.send(item)

    async def aclose(self) -> None:
        """Closes the transport's stream."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_fault: object) -> None:
        await self.aclose()
