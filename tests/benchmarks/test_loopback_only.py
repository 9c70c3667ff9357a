"""The peer's process reaches this machine and nothing else, and nothing of the peer is changed on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.programs.loopback_only import is_loopback
from tests.benchmarks.subjects.guardian import PROGRAMS

LIBRARY = """
class BaseClient:
    API_URL = "https://api{}.binance.{}/api"
    MARGIN_API_URL = "https://api{}.binance.{}/sapi"
    FUTURES_URL = "https://fapi.binance.{}/fapi"
    OPTIONS_URL = "https://eapi.binance.{}/eapi"
    PUBLIC_API_VERSION = "v3"
"""
COMMAND = """
import socket, sys

def refused(work):
    try:
        work()
    except OSError as error:
        return str(error)
    return "NOT REFUSED"

def app():
    print("lazy" if "binance.base_client" not in sys.modules else "eager")
    from binance.base_client import BaseClient
    print(BaseClient.API_URL, BaseClient.MARGIN_API_URL, BaseClient.FUTURES_URL, BaseClient.OPTIONS_URL)
    print(refused(lambda: socket.create_connection(("api.binance.com", 443), 1)))
    print(refused(lambda: socket.gethostbyname("api.binance.com")))
    print(refused(lambda: socket.socket().connect(("192.0.2.1", 443))))
    print(refused(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))))
    listener = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(listener.getsockname(), 5).close()
    print(sys.argv)
"""


def test_peer_is_led_to_loopback_and_every_other_connection_is_refused(tmp_path: Path) -> None:
    """The library gets its addresses when the peer imports it; names are not even looked up."""
    for name, text in (("binance/base_client.py", LIBRARY), ("binance_mcp_server/cli.py", COMMAND)):
        path = tmp_path / name
        path.parent.mkdir()
        (path.parent / "__init__.py").touch()
        path.write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "-P", str(PROGRAMS / "peer_launcher.py"), "http://127.0.0.1:9"],
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "lazy",
        "http://127.0.0.1:9/api http://127.0.0.1:9/sapi http://127.0.0.1:9/fapi http://127.0.0.1:9/refused",
        "refused: api.binance.com is not this machine",
        "refused: api.binance.com is not this machine",
        "refused: 192.0.2.1 is not this machine",
        "refused: 192.0.2.1 is not this machine",
        "['binance-mcp-server']",
    ], done.stderr
    assert "https://api{}" in (tmp_path / "binance/base_client.py").read_text("utf-8")


@pytest.mark.parametrize("host", ["127.0.0.1", b"127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_is_this_machine(host: object) -> None:
    """All of 127.0.0.0/8, ::1, and the one name that is always this machine's."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["api.binance.com", "10.0.0.1", "0.0.0.0", "", "::", None, 2130706433, "127.0.0.1.x.io"]
)
def test_everything_else_is_not(host: object) -> None:
    """A name, another address, and what is no address."""
    assert not is_loopback(host)
