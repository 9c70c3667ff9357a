"""FastMCP's client over the standard streams of a `guardian serve` that `prefork` starts."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import anyio
from fastmcp.client.transports.base import ClientTransport, TransportOptions
from mcp import ClientSession
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from tests.support import prefork

LONGEST_LINE: Final = 2**26
LEAVES_S: Final = 4.0
"""How long the server may take to end once its input is closed, before it is killed."""


class ForkedStdio(ClientTransport):
    """Does what FastMCP's StdioTransport does with `keep_alive=False`, without Python's imports at each start.

    As there, `env` is merged over the few variables that MCP clients hand on. Errors are appended to `log_file`.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], log_file: Path, cwd: str = ".") -> None:
        self._command = list(command)
        self._env = {**get_default_environment(), **env}
        self._log_file = log_file
        self._cwd = cwd

    @asynccontextmanager
    async def connect_session(
        self, *, transport_options: TransportOptions | None = None, **session_kwargs: Any
    ) -> AsyncGenerator[ClientSession, None]:
        """A session with a server of its own, which is ended with it."""
        options = transport_options or TransportOptions()
        with self._log_file.open("ab") as errors:
            process = await anyio.to_thread.run_sync(self._start, errors)
        try:
            async with (
                _streams(process) as (incoming, outgoing),
                options.session_class(incoming, outgoing, **session_kwargs) as session,
            ):
                yield session
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_end, process)

    def _start(self, errors: Any) -> subprocess.Popen[bytes]:
        return prefork.popen(
            self._command, env=self._env, cwd=self._cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )


@asynccontextmanager
async def _streams(process: subprocess.Popen[bytes]) -> AsyncGenerator[tuple[Any, Any], None]:
    """Messages from and to the process. The first ends where the process closes its output."""
    assert process.stdin is not None
    assert process.stdout is not None
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
    put_in, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, take_out = anyio.create_memory_object_stream[SessionMessage](0)

    async def read() -> None:
        async with put_in:
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                while line := await reader.readline():
                    await put_in.send(_message(line))

    async def write() -> None:
        assert process.stdin is not None
        async with take_out:
            with suppress(OSError):
                async for message in take_out:
                    text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await anyio.to_thread.run_sync(_write, process.stdin, (text + "\n").encode())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        tasks.start_soon(write)
        try:
            yield incoming, outgoing
        finally:
            await incoming.aclose()
            await outgoing.aclose()
            tasks.cancel_scope.cancel()
            with suppress(OSError):
                process.stdin.close()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(_wait, process)
            pipe.close()


def _message(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


def _write(stdin: Any, line: bytes) -> None:
    stdin.write(line)
    stdin.flush()


def _wait(process: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(LEAVES_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
