"""Makes a server process as talkative as a careless engineer might, and breaks it where the test says.

Every log record of every library is written in full, each exception with rich's traceback and all local variables, and
each fault that guardian's own log describes is written in that way too. The bug is named in a file, so that it can be
switched on and off while the server runs.
"""

from __future__ import annotations

import inspect
import logging
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
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


def write_with_locals(folder: Path, error: BaseException) -> None:
    """Appends the exception's traceback with the local variables of every frame, as rich and as cgitb show them."""
    from rich.console import Console
    from rich.traceback import Traceback

    link: BaseException | None = error
    with (folder / "tracebacks.txt").open("a", encoding="utf-8") as file:
        trace = Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True, locals_max_string=100_000, max_frames=0,
            locals_max_length=10_000, locals_hide_dunder=False, locals_hide_sunder=False,
        )  # fmt: skip
        Console(file=file, width=4000).print(trace)
        with suppress(ImportError):  # Python 3.13 has it no more
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                import cgitb

            while link is not None:
                if link.__traceback__ is not None:
                    file.write(cgitb.text((type(link), link, link.__traceback__), context=5))
                link = link.__cause__ or link.__context__


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
    for name in ("guardian.server.error_replies", "guardian.gate.orders.send", "guardian.gate.orders.cancel"):
        vars(__import__(name, fromlist=["_"]))["safe_traceback"] = loud
    sys.excepthook = lambda kind, error, trace: write_with_locals(place, error)
    for name, (module, path) in BUGS.items():
        _break(place / "bug", name, module, path)


class Kept:
    """A value that its frame does not show."""

    def __init__(self, value: object) -> None:
        self.value: Callable[[], object] = lambda: value

    def __repr__(self) -> str:
        return "Kept"


def _break(switch: Path, name: str, module: str, path: str) -> None:
    owner: Any = __import__(module, fromlist=["_"])
    *classes, last = path.split(".")
    for one in classes:
        owner = getattr(owner, one)
    real: Callable[..., Any] = getattr(owner, last)

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
