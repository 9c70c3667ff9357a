"""A server over standard streams, driven by bare JSON-RPC: the client's own work is a few dozen microseconds a call."""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, Final

from tests.benchmarks.subjects.processes import Processes, cpu_ms, end, memory_mb

PATIENCE_S: Final = 60.0
VERSION: Final = "2025-11-25"
INITIALIZE: Final = {
    "protocolVersion": VERSION,
    "capabilities": {},
    "clientInfo": {"name": "benchmarks", "version": "1"},
}


class Failed(Exception):
    """A server did not answer, or answered with an error: nothing of it can be measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a server is started."""

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path
    is_mcp: bool = True
    """A program that is no MCP server takes `tools/call` alone, in the same form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A result, and when the request was sent and the result was read, by `time.perf_counter()`."""

    result: dict[str, Any]
    start: float
    stop: float

    @property
    def ms(self) -> float:
        """How long it took."""
        return (self.stop - self.start) * 1000


class StdioServer:
    """One running server."""

    def __init__(self, processes: Processes, command: Command, log: Path) -> None:
        self.started = perf_counter()
        with log.open("ab") as errors:
            self._process = processes.start(
                command.argv,
                env=command.env, cwd=command.cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        self._command, self._log, self._next = command, log, 0
        self._deadline: float | None = None
        """When to give up the request that is being waited for."""
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def memory_mb(self) -> float | None:
        """Its resident memory; None where it cannot be read."""
        return memory_mb(self.pid)

    def cpu_ms(self) -> float | None:
        """The CPU time that it has used; None where it cannot be read."""
        return cpu_ms(self.pid)

    def initialize(self) -> Answer:
        """Opens the session. Does nothing with a program that is no MCP server."""
        if not self._command.is_mcp:
            now = perf_counter()
            return Answer(result={}, start=now, stop=now)
        answer = self.request("initialize", INITIALIZE)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        """Calls a tool. Raises Failed for an error of the protocol; what the tool says is the caller's to check."""
        return self.request("tools/call", {"name": tool, "arguments": arguments})

    def request(self, method: str, params: dict[str, Any]) -> Answer:
        """Sends a request and waits for its result."""
        self._next += 1
        line = _line({"jsonrpc": "2.0", "id": self._next, "method": method, "params": params})
        self._deadline = monotonic() + PATIENCE_S
        start = perf_counter()
        self._write(line)
        assert self._process.stdout is not None
        while read := self._process.stdout.readline():
            stop = perf_counter()
            reply = _message(read)
            if reply.get("id") != self._next or "method" in reply:
                continue
            self._deadline = None
            if "result" not in reply:
                raise Failed(f"{method}: {reply.get('error')}")
            return Answer(result=reply["result"], start=start, stop=stop)
        raise Failed(f"{self._command.argv} ended during {method}: {self._last_words()}")

    def close(self) -> None:
        """Ends the server as a client does: closes its input, and waits."""
        end(self._process)

    def _send(self, message: dict[str, Any]) -> None:
        self._write(_line(message))

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except OSError:
            raise Failed(f"{self._command.argv} has ended: {self._last_words()}") from None

    def _watch(self) -> None:
        """Kills a server that does not answer, so that reading its output ends."""
        while self._process.poll() is None:
            try:
                self._process.wait(1.0)
            except subprocess.TimeoutExpired:
                deadline = self._deadline
                if deadline is not None and monotonic() > deadline:
                    self._process.kill()

    def _last_words(self) -> str:
        return self._log.read_text("utf-8", errors="replace")[-600:]


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _message(line: bytes) -> dict[str, Any]:
    """Returns the message of a line; an empty one for what a program printed besides."""
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
