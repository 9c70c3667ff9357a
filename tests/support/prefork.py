"""Starts Python programs that use guardian quickly: as forks of a process that has imported it, where that is the same.

`popen` and `run` take what `subprocess.Popen` and `subprocess.run` take. Most of the time of a short command is
Python's imports; a fork has them behind it. Each start spawns a process as ever, by itself,

- on any system but Linux and any Python but 3.11, whose `subprocess` this is made for, and wherever the tests run with
  GUARDIAN_TEST_SPAWN=1;
- where the command is not `python [-u] -m guardian ...`, `-m tests...` or `-c CODE ...` of this Python;
- where a variable acts before Python's first line: PYTHONPATH and its kind, COVERAGE_PROCESS_START, LD_*, another
  locale than the tests have;
- where an option of Popen is not in `_OPTIONS`.

A test about starting up, about imports, or about what a library reads from the environment while it is imported must
not fork: it uses `subprocess` itself, or the fixture `spawned` around all that it starts. There is one server for each
process of the tests, see `prefork_server.py`. What /proc has of a fork is the server's command line and environment;
`command_of` has its own.
"""

from __future__ import annotations

import atexit
import inspect
import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.prefork_server import NUMBER, STANDARD

SPAWN: Final = "GUARDIAN_TEST_SPAWN"
START_S: Final = 120
"""How long the server may take to import guardian, on a busy machine."""
_SERVER: Final = Path(__file__).with_name("prefork_server.py")
_HARMLESS: Final = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
_EARLY: Final = re.compile(r"PYTHON|COVERAGE_|COV_|LD_|DYLD_|MALLOC_|GLIBC_|OPENSSL_|SSLKEYLOGFILE$")
_LOCALE: Final = re.compile(r"LC_|LANG$|LANGUAGE$")
_OPTIONS: Final = frozenset(
    {
        "bufsize", "cwd", "encoding", "env", "errors", "start_new_session", "stderr", "stdin", "stdout", "text",
        "universal_newlines",
    }
)  # fmt: skip
_HANDLES: Final = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
_IS_KNOWN: Final = sys.platform == "linux" and sys.version_info[:2] == (3, 11)
_SPAWNS: Final = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]  # CPython's own


def popen(command: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.Popen[Any]:
    """Starts a process, as `subprocess.Popen(command, **options)` does."""
    arguments = [os.fspath(argument) for argument in command]
    if not _can_fork(arguments, options):
        return subprocess.Popen(command, **options)
    return _Forked(arguments, **options)


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    input: str | bytes | None = None,  # noqa: A002 - the name that `subprocess.run` has
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Runs a process to its end, as `subprocess.run` does.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout` seconds, and was killed.
        subprocess.CalledProcessError: `check` is on and its exit code is not 0.
    """
    if input is not None:
        options["stdin"] = subprocess.PIPE
    if capture_output:
        options["stdout"] = options["stderr"] = subprocess.PIPE
    with popen(command, **options) as process:
        try:
            out, errors = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
    if check and process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, out, errors)
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


@contextmanager
def spawning() -> Iterator[None]:
    """Meanwhile every process is spawned."""
    global _is_off
    before, _is_off = _is_off, True
    yield
    _is_off = before


def command_of(pid: int) -> tuple[str, str] | None:
    """Command line and environment of a fork of this process, as /proc has them for others; None for any other one."""
    return _commands.get(pid)


def end_server() -> None:
    """Ends the server of this process, where there is one, and waits for it."""
    with _lock:
        while _servers:
            _servers.pop().close()


def _can_fork(command: list[str], options: Mapping[str, Any]) -> bool:
    if not _IS_KNOWN or _is_off or not options.keys() <= _OPTIONS or command[0] != sys.executable:
        return False
    kind, what = (*command[1 + (command[1:2] == ["-u"]) :], "", "")[:2]
    if kind != "-c" and not (kind == "-m" and (what == "guardian" or what.startswith("tests."))):
        return False
    if not Path(options.get("cwd") or ".").is_dir():
        return False
    given = options.get("env")
    environment = os.environ if given is None else given
    early = [name for name, value in environment.items() if value and _EARLY.match(name) and name not in _HARMLESS]
    return not early and _locale(environment) == _locale(os.environ)


def _locale(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if _LOCALE.match(name)}


class _Server:
    """The process to fork from; it ends with this one, which holds the other end of its standard input."""

    def __init__(self) -> None:
        self._path = str(Path(tempfile.mkdtemp(prefix="prefork-", dir="/tmp")) / "socket")
        # No folder of anybody's: what a library computes from HOME as it is imported leads nowhere.
        environment = {"HOME": "/nonexistent", "PATH": os.environ.get("PATH", os.defpath), **_locale(os.environ)}
        self._process = subprocess.Popen(
            [sys.executable, _SERVER, self._path],
            env=environment, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, umask=0o077,
        )  # fmt: skip
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the fork server has not started")

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(START_S)
        connection.connect(self._path)
        return connection

    def close(self) -> None:
        self._process.communicate(timeout=START_S)


_is_off = os.environ.get(SPAWN) == "1"
_servers: list[_Server] = []
_lock = threading.Lock()
_commands: dict[int, tuple[str, str]] = {}
"""Command line and environment of what was started, by pid, until its end is known."""


def _server() -> _Server:
    with _lock:
        if not _servers:
            _servers.append(_Server())
        return _servers[0]


atexit.register(end_server)


class _Forked(subprocess.Popen[Any]):
    """A process that the server forks. All but its start and its end is `subprocess.Popen`'s own.

    Those two are private methods there; their names have been the same since Python 3.3.
    """

    def _execute_child(self, *given: Any) -> None:
        options = _SPAWNS.bind(self, *given).arguments
        handles = [options[name] for name in _HANDLES]
        folder, environment = options["cwd"] or Path.cwd(), options["env"]
        environment = dict(os.environ if environment is None else environment)
        arguments: list[str] = self.args[1:]  # type: ignore[assignment,index]  # a list there
        unbuffered = arguments[0] == "-u"
        request = {
            "command": arguments[unbuffered:],
            "unbuffered": unbuffered,
            "environment": environment,
            "folder": os.fspath(folder),
            "umask": _umask(),
            "new_session": options["start_new_session"],
        }
        try:
            self._connection = _server().connect()
            _send(self._connection, request, (handles[0], handles[3], handles[5]))
            self.pid = self._number()
            self._child_created = True
            _commands[self.pid] = "\0".join([sys.executable, *arguments]), "\0".join(map("=".join, environment.items()))
        finally:
            self._close_pipe_fds(*handles)  # type: ignore[attr-defined]  # CPython's own

    def _internal_poll(self, *_given: Any, **_options: Any) -> int | None:
        self._learn_end(0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        if not self._learn_end(timeout):
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def _learn_end(self, timeout: float | None) -> bool:
        """Whether its end is known, `timeout` seconds from now at the latest."""
        while self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                return False
            with self._waitpid_lock:  # type: ignore[attr-defined]  # CPython's own
                if self.returncode is None:
                    self.returncode = os.waitstatus_to_exitcode(self._number())
                    _commands.pop(self.pid, None)
                    self._connection.close()
        return True

    def _number(self) -> int:
        data = self._connection.recv(NUMBER.size, socket.MSG_WAITALL)
        if not data:
            raise ChildProcessError("the fork server has ended")
        return int(NUMBER.unpack(data)[0])


def _umask() -> int:
    """The umask of this process. Reading it by `os.umask` would change it for a moment, for other threads too."""
    found = re.search(r"^Umask:\s*(\d+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1], 8)


def _send(connection: socket.socket, request: dict[str, Any], handles: Sequence[int]) -> None:
    """Sends a request with the descriptors of its standard streams; -1 represents that of this process."""
    streams = {number: given if given >= 0 else _own(number) for number, given in zip(STANDARD, handles, strict=True)}
    there = {number: stream for number, stream in streams.items() if stream is not None}
    body = json.dumps(request).encode()
    socket.send_fds(connection, [bytes([sum(1 << number for number in there)])], list(there.values()))
    connection.sendall(NUMBER.pack(len(body)) + body)


def _own(number: int) -> int | None:
    """A standard stream of this process, which a spawned one would have too; None where it is closed."""
    try:
        return number if os.get_inheritable(number) else None
    except OSError:
        return None
