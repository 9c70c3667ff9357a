"""Makes a server process as talkative as a careless engineer might, and breaks it where the test says.

Every log record of every library is written in full, each exception with its traceback and all local variables, and
each fault that guardian's own log describes is written in that way too. The bug is named in a file, so that it can be
switched on and off while the server runs.
"""

from __future__ import annotations

import inspect
import logging
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.e2e.support.canaries import CONTROL

BUGS: Final = {
    "sign": ("guardian.exchange.http.signing", "Signer.sign"),
    "api key": ("guardian.exchange.http.signing", "Signer.api_key"),
    "signers": ("guardian.exchange.http.signing", "Signer.__init__"),
    "store": ("guardian.credentials.store", "CredentialStore.get"),
    "backend": ("guardian.credentials.vault.vault_backend", "VaultBackend.get_password"),
    "decrypt": ("guardian.credentials.vault.key_derivation", "VaultKey.decrypt"),
    "derive": ("guardian.credentials.vault.unlocked", "derive"),
    "unpack": ("guardian.credentials.store", "unpack"),
    "send": ("guardian.exchange.http.client", "GuardedClient._request"),
    "reveal": ("guardian.domain.secrets", "Secret.reveal"),
    "policy": ("guardian.gate.orders.decide", "judge_order"),
}
"""Where a bug can be: each function does its work and then raises."""


REPORTED: Final = (
    ("guardian.exchange.http.client", "GuardedClient._request"),
    ("guardian.connector", "ExchangeConnector.connect"),
)
"""Functions whose callers translate what they raise: it is written down before that."""


def write_with_locals(folder: Path, error: BaseException) -> None:
    """Appends the traceback of the exception, and of what led to it, with the local variables of every frame.

    They are written by their `repr`, as Python and crash reporters do, and as rich does, which goes into what is in
    them: the attributes of dataclasses, lists, dictionaries.
    """
    from rich.traceback import Traceback

    lines = list(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    trace = Traceback.extract(
        type(error), error, error.__traceback__, show_locals=True, locals_max_length=50, locals_max_string=5_000,
        locals_hide_dunder=False, locals_hide_sunder=False,
    )  # fmt: skip
    for frame in (frame for stack in trace.stacks for frame in stack.frames):
        shown = {name: node.render(max_width=10**6) for name, node in (frame.locals or {}).items()}
        lines += [f"{frame.name}.{name} = {value}\n" for name, value in shown.items()]
    with (folder / "tracebacks.txt").open("a", encoding="utf-8") as file:
        file.writelines(lines)


class LoudFormatter(logging.Formatter):
    """The whole record, and the traceback of what it is about."""

    def __init__(self, folder: Path) -> None:
        super().__init__("%(name)s %(levelname)s %(message)s %(args)r")
        self._folder = folder

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and record.exc_info[1] is not None:
            write_with_locals(self._folder, record.exc_info[1])
        return super().format(record)


def be_loud(folder: str) -> None:
    """Log everything to a folder, and raise where its file `bug` says."""
    place = Path(folder)
    handler = logging.FileHandler(place / "everything.log", encoding="utf-8")
    handler.setFormatter(LoudFormatter(place))
    logging.getLogger().addHandler(handler)
    # Guardian takes away the handlers that it finds and sets levels; here none is taken away and all is shown.
    for name in ("removeHandler", "setLevel"):
        setattr(logging.Logger, name, lambda *_: None)
    logging.getLogger().level = logging.DEBUG
    for name in ("binance", "aiohttp", "asyncio", "urllib3", "keyring", "fastmcp", "mcp", "guardian", "sqlalchemy"):
        logging.getLogger(name).level = logging.DEBUG
    import guardian.gate.base.calls as calls

    described = calls.safe_traceback

    def loud(fault: BaseException) -> str:
        write_with_locals(place, fault)
        return described(fault)

    calls.safe_traceback = loud
    for name in ("guardian.server.error_replies", "guardian.gate.orders.send", "guardian.gate.cancels.cancel"):
        vars(__import__(name, fromlist=["_"]))["safe_traceback"] = loud
    sys.excepthook = lambda kind, error, trace: write_with_locals(place, error)
    for name, (module, path) in BUGS.items():
        _break(place / "bug", name, module, path)
    for module, path in REPORTED:
        _report(place, module, path)


class Kept:
    """A value that its frame does not show."""

    def __init__(self, value: object) -> None:
        self.value: Callable[[], object] = lambda: value

    def __repr__(self) -> str:
        return "Kept"


def _found(module: str, path: str) -> tuple[Any, str, Callable[..., Any]]:
    """What has the function, its name there, and the function."""
    owner: Any = __import__(module, fromlist=["_"])
    *classes, last = path.split(".")
    for one in classes:
        owner = getattr(owner, one)
    return owner, last, getattr(owner, last)


def _report(folder: Path, module: str, path: str) -> None:
    owner, last, real = _found(module, path)

    async def reporting(*arguments: Any, **named: Any) -> Any:
        try:
            return await real(*arguments, **named)
        except Exception as error:
            write_with_locals(folder, error)
            raise

    setattr(owner, last, reporting)


def _break(switch: Path, name: str, module: str, path: str) -> None:
    owner, last, real = _found(module, path)

    def fail() -> None:
        if switch.exists() and switch.read_text("utf-8") == name:
            control = CONTROL  # noqa: F841 - a local variable that the traceback has to show
            raise RuntimeError(f"an injected bug in {name}")

    # What the broken function itself got and returns is not in its own frame, which is the test's.
    def broken(*_arguments: Any, **_named: Any) -> Any:
        results = [real(*_arguments, **_named)]
        del _arguments, _named
        kept = Kept(results.pop())
        fail()
        return kept.value()

    async def broken_later(*_arguments: Any, **_named: Any) -> Any:
        results = [await real(*_arguments, **_named)]
        del _arguments, _named
        kept = Kept(results.pop())
        fail()
        return kept.value()

    setattr(owner, last, broken_later if inspect.iscoroutinefunction(real) else broken)
