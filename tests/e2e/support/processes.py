"""Real processes for whole-way tests: a machine of its own for each, `guardian serve`, and a person at a terminal."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from fastmcp import Client

from guardian.cli.support.owner import READING_S
from guardian.paper.host.home import stop
from guardian.store.opening import begin_log
from tests.support import prefork
from tests.support.forked_stdio import ForkedStdio
from tests.support.loops import end_loop

T = TypeVar("T")
Envelope = dict[str, Any]

PATIENCE_S = 30
SPY = Path(__file__).parents[1] / "spy"
KEPT = ("PATH", "SYSTEMROOT", "LANG", "COVERAGE_PROCESS_START")


class Machine:
    """A user's computer: HOME, a current folder, a temp folder and guardian's home, all empty and watched.

    With `spied` on, each process that is started here writes down where it connects to and which files it writes.
    """

    def __init__(self, folder: Path, *, spied: bool = False) -> None:
        self.person, self.work, self.temp = (folder / name for name in ("person", "work", "temp"))
        for made in (self.person, self.work, self.temp):
            made.mkdir(parents=True)
        self.home = folder / "guardian"
        self.policy = self.home / "policy.toml"
        self.spied = folder / "spied.log" if spied else None

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        own = {"HOME": str(self.person), "USERPROFILE": str(self.person), "GUARDIAN_HOME": str(self.home)}
        temp = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.temp))
        if self.spied is None:
            return {**kept, **own, **temp}
        # What Python itself keeps of compiled modules, the first time that they are imported, is not guardian's doing.
        spy = {"PYTHONPATH": str(SPY), "SPIED": str(self.spied), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**kept, **own, **temp, **spy}

    def write_policy(self, text: str) -> None:
        if not self.policy.exists():
            begin_log(self.home)  # as `guardian init` does
        new = self.policy.with_suffix(".new")
        new.write_text(text, "utf-8")
        new.chmod(0o600)
        new.replace(self.policy)

    def left_behind(self) -> list[str]:
        """What there is outside guardian's home."""
        return [str(path) for folder in (self.person, self.work, self.temp) for path in folder.rglob("*")]

    def processes(self) -> list[str]:
        """The command lines of all processes that have to do with this machine, as far as the system shows."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                line = path.read_bytes().decode("utf-8", "replace")
                environment = path.with_name("environ").read_bytes().decode("utf-8", "replace")
                if line:  # one that has ended has none
                    line, environment = prefork.command_of(int(path.parent.name)) or (line, environment)
                if str(self.home.parent) in line + environment:
                    found.append(line.replace("\0", " "))
        return found

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """A command of guardian's with no terminal anywhere."""
        settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": PATIENCE_S}
        settings["env"] = self.environment
        return prefork.run(
            [sys.executable, "-m", "guardian", *arguments],
            cwd=self.work, text=True, encoding="utf-8", check=False, **{**settings, **options},
        )  # fmt: skip

    def rows(self) -> list[dict[str, Any]]:
        """The log, read from the file as a stranger would, writing nothing."""
        return query(self.home, "SELECT * FROM audit ORDER BY seq")

    def end(self) -> None:
        """No paper exchange is left running."""
        stop(self.home)


def query(home: Path, sql: str) -> list[dict[str, Any]]:
    connection = sqlite3.connect(f"{(home / 'guardian.db').as_uri()}?mode=ro", uri=True)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql)]
    finally:
        connection.close()


def phases(rows: list[dict[str, Any]], call_id: str) -> list[str]:
    """The phases of one call, in order.

    Without its events: the server looks every second at the orders that are not final, also at one just being sent.
    """
    return [row["phase"] for row in rows if row["call_id"] == call_id and row["phase"] != "event"]


class Served:
    """`guardian serve` as a process, and FastMCP's own client in front of it; calls are synchronous."""

    def __init__(self, machine: Machine, *arguments: str, mode: str = "auto", **options: Any) -> None:
        self.machine = machine
        self.stderr_path = machine.home.parent / f"stderr-{time.monotonic_ns()}.log"
        self.transport = ForkedStdio(
            [sys.executable, "-m", "guardian", "serve", *arguments],
            env=machine.environment,
            cwd=str(machine.work),
            log_file=self.stderr_path,
        )
        self.client: Client[Any]
        self.mode, self._options = mode, options
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        ready = threading.Event()
        self._session = asyncio.run_coroutine_threadsafe(self._serve(ready), self._loop)
        ready.wait(PATIENCE_S)
        if self._session.done():
            self._session.result()

    async def _serve(self, ready: threading.Event) -> None:
        self._stop = asyncio.Event()
        try:
            async with Client(self.transport, mode=self.mode, **self._options) as self.client:
                ready.set()
                await self._stop.wait()
        finally:
            ready.set()

    @property
    def stderr(self) -> str:
        return self.stderr_path.read_text("utf-8") if self.stderr_path.exists() else ""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def raw(self, tool: str, arguments: Mapping[str, Any]) -> Any:
        return self.run(self.client.call_tool(tool, dict(arguments), raise_on_error=False))

    def call(self, tool: str, **arguments: Any) -> Envelope:
        envelope = self.raw(tool, arguments).structured_content
        assert isinstance(envelope, dict)
        return envelope

    def resource(self, uri: str) -> str:
        parts = self.run(self.client.read_resource(uri))
        return "".join(str(getattr(part, "text", "")) for part in parts)

    def settled_rows(self) -> list[dict[str, Any]]:
        """The log, once the outcome row of every read that was answered is in it."""
        self.resource("guardian://audit/recent")  # waits for them
        return self.machine.rows()

    def close(self) -> None:
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._session.result(PATIENCE_S)
        end_loop(self._loop, self._thread)


INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}


class RawServed:
    """`guardian serve` spoken to in raw lines: all that it writes is seen, and its client can vanish."""

    def __init__(
        self, machine: Machine, *arguments: str, entry: Sequence[str] = ("-m", "guardian"), **options: Any
    ) -> None:
        self.lines: list[str] = []
        self._id = 0
        settings: dict[str, Any] = {"env": machine.environment, "stderr": subprocess.PIPE}
        self.process = prefork.popen(
            [sys.executable, *entry, "serve", *arguments],
            cwd=machine.work, text=True, encoding="utf-8", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            **{**settings, **options},
        )  # fmt: skip

    def send(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        self._id += 1
        self._write({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params or {}})
        return self._id

    def ask(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        wanted = self.send(method, params)
        watchdog = threading.Timer(PATIENCE_S, self.process.kill)
        watchdog.start()
        try:
            while True:
                assert self.process.stdout is not None
                line = self.process.stdout.readline()
                assert line, f"no reply to {method}"
                self.lines.append(line)
                message: dict[str, Any] = json.loads(line)
                if message.get("id") == wanted:
                    return message
        finally:
            watchdog.cancel()

    def start(self) -> None:
        self.ask("initialize", INITIALIZE)
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, tool: str, **arguments: Any) -> Envelope:
        result: Envelope = self.ask("tools/call", {"name": tool, "arguments": arguments})["result"]["structuredContent"]
        return result

    def send_call(self, tool: str, **arguments: Any) -> None:
        self.send("tools/call", {"name": tool, "arguments": arguments})

    def leave(self) -> tuple[int, str, str]:
        """Close its input and wait: the exit code, and what was left on its outputs."""
        out, errors = self.process.communicate(timeout=PATIENCE_S)
        self.lines += out.splitlines()
        return self.process.returncode, out, errors

    def is_gone(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()


CONTROLLING = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
"""So that Ctrl-C and /dev/tty work as in a terminal window."""
RUN = "import sys; from guardian.cli.app import main; sys.exit(main(sys.argv[1:]))"


class Person:
    """Someone at a terminal window of `columns` who runs one `guardian` command.

    With `all_tty` off its standard output goes to a pipe, as with `| cat`, and data can be distinguished from words.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *arguments: str,
        all_tty: bool = False,
        columns: int = 80,
        program: str = RUN,
    ) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._process = prefork.popen(
            [sys.executable, "-c", CONTROLLING + program, *arguments],
            stdin=slave, stderr=slave, stdout=slave if all_tty else subprocess.PIPE,
            start_new_session=True, env={**environment, "TERM": "xterm"},
        )  # fmt: skip
        os.close(slave)
        self.seen = ""

    def waits_for(self, text: str) -> None:
        """Read the screen until `text` is on it."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.seen:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            chunk = self._read() if ready else ""
            assert chunk, f"{text!r} never came; on the screen: {self.seen!r}"
            self.seen += chunk

    def types(self, text: str) -> None:
        os.write(self._master, text.encode())

    def answers(self, text: str) -> None:
        """Type after having read: an answer within a second of the question is not taken."""
        time.sleep(READING_S + 0.2)
        self.types(text)

    def hangs_up(self) -> None:
        """The terminal window is closed."""
        os.close(self._master)
        self._master = -1

    def leaves(self) -> tuple[int, str]:
        """The exit code, and the data (standard output) where it is not the terminal."""
        watchdog = threading.Timer(PATIENCE_S, self._process.kill)
        watchdog.start()
        try:
            while self._master >= 0 and (chunk := self._read()):
                self.seen += chunk
            out, _ = self._process.communicate(timeout=PATIENCE_S)
        finally:
            watchdog.cancel()
        return self._process.returncode, (out or b"").decode()

    def interrupt(self) -> None:
        os.killpg(self._process.pid, signal.SIGINT)

    def receives(self, number: int) -> None:
        """The command alone is sent this signal."""
        self._process.send_signal(number)

    def is_gone(self) -> None:
        """Whatever happened, nothing is left of it."""
        self._process.kill()
        self._process.communicate()
        if self._master >= 0:
            os.close(self._master)

    def _read(self) -> str:
        try:
            return os.read(self._master, 65536).decode()
        except OSError:  # how Linux tells that the other side was closed
            return ""


CALLER = """
import asyncio, json, os, sys
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

async def main():
    transport = StdioTransport(sys.executable, ["-m", "guardian", "serve"], env=dict(os.environ))
    async with Client(transport) as client:
        await client.call_tool("create_order", json.loads(sys.argv[1]), raise_on_error=False)

asyncio.run(main())
"""
"""A client in a process of its own: asks for one order."""
