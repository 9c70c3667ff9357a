"""What every test gets: a home of its own, no way out but loopback, and the proof that nothing else was touched."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from guardian.paper.host import home as paper_home
from guardian.system import core_dumps
from tests.support import left_out, prefork, profiles
from tests.support.left_out import pytest_terminal_summary
from tests.support.measured import pytest_collection, pytest_runtest_protocol

__all__ = [
    "pytest_collection",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_runtest_protocol",
    "pytest_terminal_summary",
]

REAL_HOME = Path.home()
WATCHED = (
    REAL_HOME / ".local" / "share" / "guardian",
    REAL_HOME / ".local" / "state" / "guardian",
    REAL_HOME / ".local" / "share" / "fastmcp",
    REAL_HOME / ".config" / "python_keyring",
    REAL_HOME / ".local" / "share" / "keyrings",
    REAL_HOME / "Library" / "Application Support" / "guardian",
)
"""Places of the user's own that a careless test would write to."""

REQUIRED = ("GUARDIAN_TEST_REQUIRE_KEYRING", "GUARDIAN_TEST_REQUIRE_BROWSER")
"""Where they are set, what a machine lacks is a failure and no reason to skip."""

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def pytest_configure() -> None:
    """Chooses how thorough this run is, and has signals and PATH do what they do in a terminal of an installation."""
    profiles.load()
    os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    # Started in the background of a shell, or by nohup, this process ignores them, and so would all that it starts.
    for name, usual in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is slow, before `-m` selects, and skips what needs recordings that are absent."""
    profiles.mark_slow(items)
    left_out.pytest_collection_modifyitems(items)


def _listing() -> dict[str, float]:
    """Every watched file with the time of its last change."""
    found: dict[str, float] = {}
    for root in WATCHED:
        if root.exists():
            found[str(root)] = root.stat().st_mtime
            found.update({str(path): path.lstat().st_mtime for path in root.rglob("*")})
    return found


@pytest.fixture(scope="session", autouse=True)
def homes_are_private() -> Iterator[None]:
    """What a test makes is its own, as guardian wants its homes, whatever the umask of the machine."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture(scope="session", autouse=True)
def own_core_limit_is_kept() -> Iterator[None]:
    """Guardian forbids core dumps for good; of the process that runs the tests only what it starts has to."""
    if sys.platform == "win32":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        limits = SimpleNamespace(RLIMIT_CORE=0, setrlimit=lambda *_limits: None)
        patch.setattr(core_dumps, "resource", limits)
        yield


@pytest.fixture(scope="session", autouse=True)
def users_own_state_is_untouched() -> Iterator[None]:
    """The user's own guardian, keyring and FastMCP files are the same after the suite as before."""
    before = _listing()
    yield
    assert before == _listing(), "a test touched the user's own state"


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left() -> Iterator[None]:
    """What this process started for all tests ends with it, paper exchanges of homes too: each is waited for."""
    yield
    prefork.end_server()
    for process in paper_home._started:
        process.terminate()
        process.wait(30)
    paper_home.reap()
    assert paper_home._started == []


@pytest.fixture(scope="session", autouse=True)
def schemas_are_checked_once() -> Iterator[None]:
    """A tool's schema that was found right is not checked again by each new client: it takes longer than a call."""
    real, right = Draft202012Validator.check_schema, set[str]()

    def check(schema: object) -> None:
        text = json.dumps(schema)
        if text not in right:
            real(schema)
            right.add(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Draft202012Validator, "check_schema", check)
        yield


@pytest.fixture
def spawned() -> Iterator[None]:
    """For a test about how processes start: none of them is a fork of one that has imported guardian."""
    with prefork.spawning():
        yield


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOME and GUARDIAN_HOME are folders of this test alone, and no setting of the machine reaches it."""
    home = tmp_path_factory.mktemp("home")
    ours = ("FASTMCP_", "BINANCE", "GUARDIAN_", "XDG_", "PYTHON_KEYRING")
    for name in [name for name in os.environ if name.startswith(ours) and name not in REQUIRED]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("GUARDIAN_HOME", str(home / "guardian"))
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    return home


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anything but loopback fails in the test that tries it."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guard(address: object) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address[0]!r}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        guard(address)
        return connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        guard(address)
        return connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
