"""Clients of other SDKs list the tools, call them and check each reply, over STDIO and over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.interop.conftest import Target
from tests.support.peer_packages import PYTHON_1, TYPESCRIPT_1, TYPESCRIPT_2, Package, python_of
from tests.support.peers import installed

pytestmark = pytest.mark.interop

PEERS = Path(__file__).parent / "peers"
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_ticker_price", {"symbol": "BTCUSDT"}),
    ("get_ticker", {"symbol": "no symbol"}),
    ("get_balance", {}),
    ("create_order", {"symbol": "BTCUSDT", "side": "BUY", "order_type": "MARKET", "quote_quantity": "20"}),
    ("create_order", {"symbol": "BTCUSDT", "side": "BUY", "order_type": "MARKET", "quote_quantity": "1000000"}),
]
REPLIES = [["done", False], ["invalid", True], ["done", False], ["confirmation_required", False], ["denied", True]]


@pytest.mark.parametrize("over", ["stdio", "http"])
@pytest.mark.parametrize(
    ("package", "driver", "era"),
    [
        (TYPESCRIPT_1, "typescript_sdk_1.mjs", "legacy"),
        (TYPESCRIPT_2, "typescript_sdk_2.mjs", "legacy"),
        (TYPESCRIPT_2, "typescript_sdk_2.mjs", "auto"),
        (PYTHON_1, "python_sdk_1.py", "legacy"),
        (None, "python_sdk_2.py", "legacy"),
        (None, "python_sdk_2.py", "auto"),
    ],
)
def test_clients_of_other_sdks_list_and_call(
    target: Target,
    cache: Path,
    request: pytest.FixtureRequest,
    run: Callable[..., CompletedProcess[str]],
    package: Package | None,
    driver: str,
    era: str,
    over: str,
) -> None:
    """A read, a mistake, an order that waits and one that is denied; errors hold what the output schema promises.

    The second version of the Python SDK is in the tests' own environment, since guardian needs it.
    """
    folder = target.machine.work if package is None else installed(package, cache)
    if driver.endswith(".mjs"):
        interpreter = request.getfixturevalue("node")
    else:
        interpreter = sys.executable if package is None else python_of(folder)
    plan = {
        "url": target.http.url if over == "http" else None,
        "headers": target.headers,
        "command": target.command,
        "args": ["serve"],
        "env": target.environment,
        "era": era,
        "calls": CALLS,
    }
    done = run(interpreter, str(PEERS / driver), cwd=folder, input=json.dumps(plan))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"tools": 17, "replies": REPLIES}
