"""The process that `tests.support.prefork` forks from: run as a script, it knows nothing of the tests.

It has imported what guardian's commands import, has one thread, no event loop, and no home. It forks one child for each
connection to its socket. The child reads its request, becomes what a fresh interpreter would be, and runs the command.

The server writes the child's pid to the connection and later its wait status; the child stays a zombie until the other
end closes the connection, as a child that nobody has waited for does, so that its pid is not another's meanwhile.

It ends when its standard input ends: that is when the process that started it has ended, however that was.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import types
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

NUMBER: Final = struct.Struct("!i")
STANDARD: Final = (0, 1, 2)
LATE: Final = (
    "click._textwrap",
    "fastmcp.server.context",
    "fastmcp.server.elicitation",
    "fastmcp.server.middleware.dereference",
    "fastmcp.server.sessions",
    "fastmcp.server.transforms.catalog",
    "griffe",
    "pwd",
)
"""What guardian's libraries import only while a command runs; one that is not there any more costs nothing but time."""
_default_sigint = signal.getsignal(signal.SIGINT)
_default_streams: Final = [(stream.encoding, stream.errors) for stream in (sys.stdin, sys.stdout, sys.stderr)]


def import_everything() -> None:
    """Imports each module of guardian but the entry points. One that could not be forked from is an error.

    Raises:
        RuntimeError: something started a thread.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as guardian does before it imports anything
        package = importlib.import_module("guardian")
        names = [module.name for module in pkgutil.walk_packages(package.__path__, "guardian.")]
        for name in names:
            if not name.endswith(".__main__"):
                importlib.import_module(name)
        for name in LATE:
            with suppress(ImportError):
                importlib.import_module(name)
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise RuntimeError("an import started a thread: this process cannot be forked from")
    gc.collect()
    gc.freeze()


class Server:
    """Accepts connections, forks, and reports how children end."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(0, selectors.EVENT_READ)
        self._pids: dict[int, tuple[int, socket.socket]] = {}
        """The pid and the connection of each child, by its pidfd."""
        self._ended: set[int] = set()
        """The pidfds of the children whose end was reported."""

    def serve(self) -> socket.socket | None:
        """Returns None at the end of the server, and in each child the connection that its request comes from."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj == 0:
                    return None
                if key.fileobj is self._listener:
                    connection = self._fork(self._listener.accept()[0])
                    if connection is not None:
                        return connection
                elif isinstance(key.fileobj, int):
                    self._report(key.fileobj)
                else:
                    self._forget(key.data)

    def _fork(self, connection: socket.socket) -> socket.socket | None:
        pid = os.fork()
        if pid == 0:
            self._close_all()
            return connection
        handle = os.pidfd_open(pid)
        self._pids[handle] = (pid, connection)
        self._selector.register(handle, selectors.EVENT_READ)
        with suppress(OSError):
            connection.sendall(NUMBER.pack(pid))
        return None

    def _report(self, handle: int) -> None:
        """The child has ended; the connection is watched from now on, which closes once that is known."""
        pid, connection = self._pids[handle]
        self._selector.unregister(handle)
        end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert end is not None
        status = end.si_status << 8 if end.si_code == os.CLD_EXITED else end.si_status
        with suppress(OSError):
            connection.sendall(NUMBER.pack(status))
        self._selector.register(connection, selectors.EVENT_READ, handle)

    def _forget(self, handle: int) -> None:
        pid, connection = self._pids.pop(handle)
        self._selector.unregister(connection)
        connection.close()
        os.close(handle)
        os.waitpid(pid, 0)

    def _close_all(self) -> None:
        """In the child: no object is left that would close a number that has become another file's."""
        self._selector.close()
        self._listener.close()
        for handle, (_, connection) in self._pids.items():
            os.close(handle)
            connection.close()
        self._pids.clear()


def receive(connection: socket.socket) -> dict[str, Any]:
    """Reads the request, and puts the descriptors that came with it in the places of the standard streams."""
    first, handles, _, _ = socket.recv_fds(connection, 1, len(STANDARD))
    given = [number for number in STANDARD if first[0] & 1 << number]
    with connection.makefile("rb") as file:
        (length,) = NUMBER.unpack(file.read(NUMBER.size))
        request: dict[str, Any] = json.loads(file.read(length))
    connection.close()
    for number, handle in zip(given, handles, strict=True):
        os.dup2(handle, number)
    for number in set(STANDARD) - set(given):
        os.close(number)
    os.closerange(len(STANDARD), os.sysconf("SC_OPEN_MAX"))
    return request


def become_fresh(request: dict[str, Any]) -> None:
    """Makes this process what a new interpreter would be that was started so."""
    if request["new_session"]:
        os.setsid()
    os.umask(request["umask"])
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    tempfile.tempdir = None
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    unbuffered = request["unbuffered"] or bool(os.environ.get("PYTHONUNBUFFERED"))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = open_standard(number, name, unbuffered=unbuffered)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    signal.signal(signal.SIGINT, _default_sigint)


def open_standard(number: int, name: str, *, unbuffered: bool) -> io.TextIOWrapper | None:
    """A standard stream as `create_stdio` of CPython's pylifecycle.c makes it; None where its number is closed."""
    try:
        os.fstat(number)
    except OSError:
        return None
    mode = "r" if number == 0 else "w"
    encoding, errors = _default_streams[number]
    raw_wanted = unbuffered and mode == "w"
    buffer: Any = open(number, mode + "b", buffering=0 if raw_wanted else -1, closefd=False)  # noqa: SIM115 - as long as the process
    (buffer if raw_wanted else buffer.raw).name = f"<{name}>"
    stream = io.TextIOWrapper(
        buffer,
        encoding=encoding,
        errors=errors,
        newline="\n",
        line_buffering=not unbuffered and (number == 2 or buffer.isatty()),
        write_through=unbuffered,
    )
    stream.mode = mode  # type: ignore[misc]  # as open() does
    return stream


def run(request: dict[str, Any]) -> None:
    """Runs the command as `python -m MODULE` or `python -c CODE` does."""
    kind, what, *arguments = request["command"]
    sys.orig_argv[1:] = ["-u"] * request["unbuffered"] + request["command"]
    sys.path.insert(0, str(Path.cwd()) if kind == "-m" else "")
    if kind == "-m":
        sys.argv = ["-m", *arguments]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *arguments]
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        main.__dict__.update(__builtins__=__builtins__, __annotations__={})
        exec(compile(what, "<string>", "exec"), main.__dict__)


def end(code: object) -> None:
    """Ends the process as the interpreter does, but for taking apart what was imported before the fork.

    That would take longer than most commands. Whatever is not plain is left to the interpreter: an exit code that is no
    number, and output that cannot be written.
    """
    if not isinstance(code, int | None):
        return
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter itself calls at its end
    atexit._run_exitfuncs()
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:  # noqa: BLE001 - whatever it is, the interpreter says it
            return
    os._exit((code or 0) & 0xFF)


def main(path: str) -> NoReturn:
    """Serves on a Unix socket at `path`, alone in its folder, which goes with it. In a child, runs its command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C for the tests is not for this
    del sys.path[0]  # this script's folder
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        import_everything()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        connection = Server(listener).serve()
    if connection is None:
        Path(path).unlink()
        Path(path).parent.rmdir()
        os._exit(0)
    request = receive(connection)
    become_fresh(request)
    try:
        run(request)
    except SystemExit as left:
        end(left.code)
        raise
    except BaseException:
        hook = sys.excepthook

        def from_the_program(kind: type[BaseException], error: BaseException, trace: Any) -> None:
            of_the_program = trace.tb_next.tb_next.tb_next  # without this script, `main` and `run`
            hook(kind, error.with_traceback(of_the_program), of_the_program)

        sys.excepthook = from_the_program
        raise
    end(0)
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
