"""Environment variables loosen nothing: a short list counts, and all others are gone before anything reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guardian.cli.init.first_policy import desktop_entry
from guardian.home.folder import ready_made_policy
from guardian.system.variables import known_variables
from tests.e2e.support.processes import Machine, RawServed
from tests.support.said_lines import faults

EVIL = """
import os, pathlib
from keyring.backend import KeyringBackend
pathlib.Path(os.environ.get("EVIL_MARK", "evil-mark")).write_text("loaded")
class Keyring(KeyringBackend):
    priority = 99
"""


def hostile(folder: Path) -> dict[str, str]:
    """Variables that end a server, loosen it, or lead it elsewhere; the key log and the marks would be in `folder`."""
    nowhere = "http://127.0.0.1:9"
    authority = folder / "authority.pem"
    authority.write_text("")
    config = folder / "openssl.cnf"
    config.write_text("openssl_conf = init\n[init]\nssl_conf = missing\nalg_section = missing\n")
    return {
        **dict.fromkeys(("OTEL_PYTHON_CONTEXT", "OTEL_PYTHON_TRACER_PROVIDER", "OTEL_PROPAGATORS"), "bogus"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": nowhere, "OTEL_SDK_DISABLED": "maybe", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "x",
        "FASTMCP_LOG_LEVEL": "nonsense", "FASTMCP_HOST": "0.0.0.0", "fastmcp_mask_error_details": "false",
        "MCP_LOG_LEVEL": "DEBUG", "PYDANTIC_DISABLE_PLUGINS": "x", "PYDANTIC_ERRORS_INCLUDE_URL": "x",
        **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE"),
                        str(authority)),
        "SSL_CERT_DIR": str(folder), "SSLKEYLOGFILE": str(folder / "keys.log"), "OPENSSL_CONF": str(config),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), nowhere),
        "NO_PROXY": "", "HOSTALIASES": str(folder / "hosts"), "RES_OPTIONS": "timeout:1",
        "NETRC": str(folder / "netrc"),
        "BINANCE_TESTNET": "false", "AIOHTTP_NO_EXTENSIONS": "1", "YARL_NO_EXTENSIONS": "1",
        "PYTHON_KEYRING_BACKEND": "evil.Keyring", "KEYRING_PROPERTY_COLLECTION": "x", "EVIL_MARK": str(folder / "mark"),
        "SQLITE_TMPDIR": "/nonexistent", "SQLITE_HISTORY": str(folder / "history"),
        "PYTHONWARNINGS": "error", "PYTHONASYNCIODEBUG": "1", "PYTHONBREAKPOINT": "evil.set_trace",
        "COVERAGE_FILE": str(folder / "coverage"), "COVERAGE_DEBUG": "sys", "XDG_CONFIG_HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"), "UVICORN_PORT": "x", "WEB_CONCURRENCY": "x", "_GUARDIAN_COMPLETE": "x",
        "GUARDIAN_POLICY": str(folder), "GUARDIAN_DEBUG": "1", "CLICK_DEBUG": "1", "RICH_X": "1",
    }  # fmt: skip


class HostileMachine(Machine):
    """A machine on which every hostile variable is set, with an evil keyring where Python finds it."""

    @property
    def environment(self) -> dict[str, str]:
        evil = self.home.parent / "evil"
        evil.mkdir(exist_ok=True)
        evil.joinpath("evil.py").write_text(EVIL)
        own = super().environment
        path = os.pathsep.join(filter(None, (own.get("PYTHONPATH"), str(evil))))
        return {**own, **hostile(evil), "PYTHONPATH": path}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[HostileMachine]:
    made = HostileMachine(tmp_path / "machine", spied=True)
    made.write_policy(ready_made_policy("paper").read_text())
    yield made
    made.end()


@pytest.mark.parametrize("entry", [["-m", "guardian"], ["-c", "from guardian.__main__ import main; main()"]])
def test_hostile_variables_change_nothing(machine: HostileMachine, entry: list[str]) -> None:
    """With all of them set the server starts, answers and ends well, and reaches loopback alone; no key log is written
    and no foreign keyring is loaded (before: `OTEL_PROPAGATORS` alone ended it at its start)."""
    assert machine.run("init").returncode in {0, 1}
    server = RawServed(machine, entry=entry)
    try:
        server.start()
        assert server.call("get_ticker_price", symbol="BTCUSDT")["outcome"] == "done"
        assert server.call("get_balance")["outcome"] == "done"
        code, _, errors = server.leave()
    finally:
        server.is_gone()
    assert (code, faults(errors)) == (0, [])
    evil = machine.home.parent / "evil"
    assert {path.name for path in evil.iterdir()} <= {"evil.py", "authority.pem", "openssl.cnf", "__pycache__"}
    assert machine.spied is not None
    reached = [line for line in machine.spied.read_text().splitlines() if line.startswith("socket.connect")]
    assert reached
    assert all("127.0.0.1" in line or "/bus" in line for line in reached), reached
    assert not any("', 9)" in line for line in reached)


def test_hostile_variables_change_no_command(machine: HostileMachine) -> None:
    """The owner's commands answer as without them."""
    done = machine.run("status", "--json")
    assert done.stderr == ""
    assert json.loads(done.stdout)["environment"] == "paper"
    assert machine.run("audit", "verify").returncode == 3


def test_a_name_counts_only_where_it_is_on_the_list() -> None:
    """The list is of names, not of prefixes, but for the locale; what is not known is not passed on."""
    kept = known_variables(dict.fromkeys(("HOME", "LC_ALL", "LC_TIME", "GUARDIAN_HOME", "DISPLAY"), "x"))
    assert set(kept) == {"HOME", "LC_ALL", "LC_TIME", "GUARDIAN_HOME", "DISPLAY"}
    gone = ("LC_", "LC_A1", "GUARDIAN_HOMES", "XDG_STATE_HOME", "LD_PRELOAD", "PYTHONPATH", "PYTHONSTARTUP", "", "path")
    assert known_variables(dict.fromkeys(gone, "x")) == {}


@pytest.mark.skipif(os.name != "posix", reason="/proc is needed to see them")
def test_removed_variables_are_gone_for_c_libraries_too() -> None:
    """SQLite and OpenSSL ask the C library, not Python."""
    code = (
        "import ctypes, guardian.system.variables as v; v.forget_unknown_variables();"
        "get = ctypes.CDLL(None).getenv; get.restype = ctypes.c_char_p;"
        "print(get(b'SSL_CERT_FILE'), get(b'HOME') is not None)"
    )
    environment = {**os.environ, "SSL_CERT_FILE": "/x"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "True"]


def test_client_starts_python_isolated() -> None:
    """The entry that `guardian init` prints leaves no variable of Python's and no current folder a say."""
    entry = desktop_entry()["mcpServers"]["guardian"]  # type: ignore[index]  # JSON data
    assert [entry["command"], *entry["args"]] == [sys.executable, "-I", "-m", "guardian", "serve"]


def test_installed_command_forgets_them_first(tmp_path: Path) -> None:
    """Nothing that reads the environment is imported before; `guardian` and `python -m guardian` are the same."""
    code = (
        "import sys, guardian.__main__ as entry, guardian.system.variables as v\n"
        "print([n for n in ('click', 'ssl', 'logging', 'asyncio', 'sqlite3', 'guardian.cli') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.strip() == "[]"
    assert 'guardian = "guardian.__main__:main"' in (ROOT / "pyproject.toml").read_text()


ROOT = Path(__file__).parent.parent.parent
