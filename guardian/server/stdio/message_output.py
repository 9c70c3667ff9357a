"""Standard output as the MCP SDK's transport writes to it: each message at once, where the pipe has room for it.

The SDK hands every message to a thread, and then the flush to a thread again: half a millisecond of a call.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import anyio.to_thread
from mcp.server import stdio

if TYPE_CHECKING:
    from mcp.shared._stream_protocols import ReadStream, WriteStream
    from mcp.shared.message import SessionMessage

    Streams = tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]

_OUTPUT: Final = 1


class MessageOutput:
    """What the transport takes for its output file: `write` keeps a text, and `flush` writes what was kept.

    A pipe that is ready takes PIPE_BUF bytes without waiting. Whatever else has to be written is written by a thread,
    since the event loop must not wait for the client.
    """

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._kept = b""
        self._pipe = _pipe_of(output)

    async def write(self, text: str) -> None:
        """Keeps the text. Raises UnicodeEncodeError for a lone surrogate."""
        self._kept += text.replace("\n", os.linesep).encode()

    async def flush(self) -> None:
        """Writes what was kept. Raises OSError, such as BrokenPipeError where the client has gone."""
        message, self._kept = self._kept, b""
        if self._pipe is not None and len(message) <= select.PIPE_BUF and _is_ready(self._pipe):
            os.write(self._pipe, message)
        else:
            await anyio.to_thread.run_sync(self._write, message)

    def _write(self, message: bytes) -> None:
        self._output.write(message)
        self._output.flush()


def _pipe_of(output: BinaryIO) -> int | None:
    """Returns the descriptor where it is a pipe that can be asked whether it is ready; else None."""
    if not hasattr(select, "poll"):
        return None
    try:
        descriptor = output.fileno()
        return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
    except OSError:
        return None


def _is_ready(pipe: int) -> bool:
    """Whether it has room and somebody who reads it."""
    poll = select.poll()
    poll.register(pipe, select.POLLOUT)
    return poll.poll(0) == [(pipe, select.POLLOUT)]


@asynccontextmanager
async def stdio_streams() -> AsyncIterator[Streams]:
    """Yields the streams of the SDK's transport, which writes to standard output by `MessageOutput`.

    As the SDK does where it opens the output itself, descriptor 1 is standard error meanwhile: what is printed does not
    get among the messages.
    """
    # Private names of the SDK, which is pinned to its minor; this is what `stdio_server` does without an output.
    output, release = stdio._claim_fd(_OUTPUT, sys.stdout, "wb", stdio._open_stdout_diversion)  # noqa: SLF001
    try:
        async with stdio.stdio_server(stdout=cast("Any", MessageOutput(output))) as streams:
            yield streams
    finally:
        if release is not None:
            release()
