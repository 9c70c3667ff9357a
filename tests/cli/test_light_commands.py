"""What the owner's commands import: no more than they use, and a halt is on disk before any of the rest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from guardian.domain.trading import TradingState
from guardian.home.log import open_journal
from tests.e2e.support.processes import Person
from tests.support.terminals import people
from tests.support.world import BASE, a_world_at_home, merged, toml

LIBRARIES = frozenset(
    {
        "Crypto", "aiohttp", "anyio", "bcrypt", "binance", "certifi", "cryptography", "dateparser", "fastmcp", "fido2",
        "httpx", "keyring", "mcp", "mcp_types", "multidict", "pydantic", "pydantic_core", "pygal", "requests", "rich",
        "sqlalchemy", "sqlmodel", "starlette", "uvicorn", "websockets", "yarl",
    }
)  # fmt: skip
"""What takes long to import: HTTP clients and servers, MCP, tables as classes, keys, and tables on a terminal."""
EXCHANGE = frozenset(
    {
        "Crypto", "aiohttp", "bcrypt", "binance", "certifi", "cryptography", "dateparser", "multidict", "requests",
        "websockets", "yarl",
    }
)  # fmt: skip
"""What a request to the exchange needs, and what python-binance imports besides."""
KEYRING = frozenset({"cryptography", "keyring"})
"""What looking for keys needs: the Secret Service is spoken to with encryption."""
EVENT_LOOP = frozenset({"anyio"})

LISTS_MODULES = """
import atexit, os, sys
_listed = os.environ["LISTED_MODULES"]
def _list():
    with open(_listed, "w") as file:
        file.write("\\n".join(sys.modules))
atexit.register(_list)
"""
"""A `sitecustomize` that lists what was imported, when the process ends."""

DIES_AT_IMPORT = f"""
import os, sys
class _Dies:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {set(LIBRARIES)!r}:
            os._exit(70)
sys.meta_path.insert(0, _Dies())
"""
"""A `sitecustomize` that kills the process, with nothing finished or flushed, at the first import of those."""

DIES_AT_OUTPUT = """
import io, os, sys
class _Dies(io.TextIOWrapper):
    def write(self, text):
        os._exit(71)
sys.stdout, sys.stderr = _Dies(sys.stdout.buffer), _Dies(sys.stderr.buffer)
"""
"""A `sitecustomize` that kills the process at the first character for a person."""


@dataclass(frozen=True, slots=True)
class Home:
    """A home with a policy, a position, an open order and an order that waits for a person."""

    path: Path
    proposal_id: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home for all of these tests, and the paper exchange that it trades at."""
    confirmed = {"confirmation": {"required_above": "80", "channel": "terminal"}}
    with a_world_at_home(tmp_path_factory.mktemp("made"), confirmed) as world:
        assistant = world.assistant()
        assert assistant.order(quantity="0.0005")["outcome"] == "done"
        offer = assistant.order(order_type="LIMIT", price="50000", time_in_force="GTC", quantity="0.0009")
        assert offer["outcome"] == "done"
        waiting = assistant.order(quantity="0.0015")
        assert waiting["outcome"] == "confirmation_required"
        world.close()
        yield Home(world.home, waiting["data"]["proposal_id"])


@pytest.fixture
def home(made: Home, tmp_path: Path) -> Home:
    """A copy of it for one test."""
    copy = tmp_path / "home"
    shutil.copytree(made.path, copy)
    return Home(copy, made.proposal_id)


def environment(home: Path, tmp_path: Path, customized: str) -> dict[str, str]:
    """The environment of a command on a home, with a `sitecustomize`."""
    folder = tmp_path / "site"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(customized)
    return {
        **os.environ,
        "GUARDIAN_HOME": str(home),
        "PYTHONPATH": str(folder),
        "LISTED_MODULES": str(tmp_path / "modules"),
    }


def ran(home: Path, tmp_path: Path, customized: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command that ran on a home without a terminal, with a `sitecustomize`."""
    return subprocess.run(
        [sys.executable, "-m", "guardian", *arguments],
        env=environment(home, tmp_path, customized),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def imported(tmp_path: Path) -> set[str]:
    """Which of the libraries the command had imported when it ended."""
    modules = (tmp_path / "modules").read_text().split()
    assert "guardian.cli.app" in modules
    return {name.partition(".")[0] for name in modules} & LIBRARIES


@pytest.fixture
def sit_down(home: Home, tmp_path: Path) -> Iterator[Callable[..., Person]]:
    """Starts people at terminals of the home, in processes that list what they import."""

    def person(*arguments: str) -> Person:
        return Person(environment(home.path, tmp_path, LISTS_MODULES), *arguments)

    with people(person) as start:
        yield start


def trading_state(home: Path) -> TradingState:
    """The trading state as the log has it."""
    journal = open_journal(home)
    try:
        with journal.transaction() as tx:
            return journal.trading(tx)[0]
    finally:
        journal.close()


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("halt",), "trading is halted", 0),
        (("halt", "--reducing"), "trading is reducing", 0),
        (("approve",), "BUY 0.0015 BTCUSDT", 0),
        (("approve", "--json"), '"BTCUSDT"', 0),
        (("reject", "PROPOSAL"), "turned down", 0),
        (("disarm",), "", 0),
        (("audit",), "BUY 0.0009 BTCUSDT at 50000 (45 USDT) open", 0),
        (("audit", "--since", "2h", "--symbol", "btcusdt", "--json"), '"tool": "create_order"', 0),
        (("audit", "show", "last"), "create_order", 0),
        (("audit", "trades"), "gained, FIFO", 0),
        (("audit", "order", "last"), "needs your yes", 0),
        (("audit", "stats"), "create_order", 0),
        (("policy", "check"), "", 0),
        (("policy", "show"), "max_open_notional", 0),
        (("settle", "no-such-order"), "terminal", 1),
        (("resume",), "terminal", 1),
        (("version",), "guardian", 0),
    ],
)
def test_command_imports_none_of_the_slow_libraries(
    home: Home, tmp_path: Path, arguments: tuple[str, ...], said: str, code: int
) -> None:
    """On a home with a policy, a position, an open order and an order that waits, each does its work without them."""
    words = [home.proposal_id if word == "PROPOSAL" else word for word in arguments]
    done = ran(home.path, tmp_path, LISTS_MODULES, *words)
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done
    assert imported(tmp_path) == set()


def test_log_is_verified_without_importing_more_than_the_keyring(home: Home, tmp_path: Path) -> None:
    """`guardian audit verify` asks the keyring for the key of the log, and imports nothing of the exchange."""
    done = ran(home.path, tmp_path, LISTS_MODULES, "audit", "verify")
    assert (done.returncode, "INTACT IN ITSELF" in done.stdout) == (3, True), done
    assert imported(tmp_path) <= KEYRING


def test_keys_are_listed_without_importing_more_than_the_keyring(home: Home, tmp_path: Path) -> None:
    """`guardian keys list` needs the keyring, and nothing of the store or the exchange."""
    done = ran(home.path, tmp_path, LISTS_MODULES, "keys", "list")
    assert "keyring" in done.stdout + done.stderr
    assert imported(tmp_path) <= KEYRING


def test_resume_imports_no_exchange(home: Home, tmp_path: Path, sit_down: Callable[..., Person]) -> None:
    """Trading goes on after a halt, as the owner says at a terminal: the exchange is asked nothing."""
    assert ran(home.path, tmp_path, "", "halt").returncode == 0
    owner = sit_down("resume")
    owner.waits_for("let trading go on?")
    owner.answers("yes\n")
    owner.waits_for("trading is active")
    assert owner.leaves()[0] == 0
    assert trading_state(home.path) is TradingState.ACTIVE
    assert imported(tmp_path) <= EVENT_LOOP


def test_status_is_made_of_what_the_home_knows(made: Home, home: Home, tmp_path: Path) -> None:
    """It imports no exchange and starts none; an open SELL would be taken off what was bought and is not sold."""
    lone = tmp_path / "lone"
    shutil.copytree(made.path, lone, ignore=shutil.ignore_patterns("paper*"))
    for place in (home.path, lone):
        done = ran(place, tmp_path, LISTS_MODULES, "status")
        assert done.returncode == 0, done
        for shown in (home.proposal_id, "BUY 0.0009 BTCUSDT at 50000", "bought, not sold  0.0004995 BTC"):
            assert shown in done.stdout
        assert imported(tmp_path) == frozenset()
    assert not list(lone.glob("paper*"))


def test_status_without_keys_imports_no_exchange(home: Home, tmp_path: Path) -> None:
    """Without keys there is nothing to ask the exchange: its client is not imported, nor what only orders need."""
    (home.path / "policy.toml").write_text(toml(merged(BASE, {"environment": "testnet"})))
    done = ran(home.path, tmp_path, LISTS_MODULES, "status")
    assert done.returncode in {0, 1, 3}, done
    assert "TESTNET" in done.stdout
    assert imported(tmp_path) <= KEYRING


def test_status_imports_the_exchange_where_it_asks_it(home: Home, tmp_path: Path) -> None:
    """It asks the exchange for its clock and what can be sold back, and needs its client for that alone."""
    done = ran(home.path, tmp_path, LISTS_MODULES, "status", "--exchange")
    assert done.returncode == 0, done
    for shown in (home.proposal_id, "BUY 0.0009 BTCUSDT at 50000", "0.00049 BTC on BTCUSDT"):
        assert shown in done.stdout
    assert imported(tmp_path) <= EVENT_LOOP | EXCHANGE


@pytest.mark.parametrize("arguments", [("halt",), ("halt", "--cancel-open"), ("halt", "--cancel-open", "--all")])
@pytest.mark.parametrize("customized", [DIES_AT_OUTPUT, DIES_AT_IMPORT], ids=["output", "import"])
def test_halt_is_on_disk_before_anything_else(
    home: Home, tmp_path: Path, arguments: tuple[str, ...], customized: str
) -> None:
    """A `halt` that is killed when it says its first word, or imports the first slow library, has halted trading.

    With `--cancel-open` it needs the exchange, and is killed on the way there.
    """
    assert trading_state(home.path) is TradingState.ACTIVE
    done = ran(home.path, tmp_path, customized, *arguments)
    killed = 71 if customized is DIES_AT_OUTPUT else 70 if len(arguments) > 1 else 0
    assert done.returncode == killed, done
    assert trading_state(home.path) is TradingState.HALTED
