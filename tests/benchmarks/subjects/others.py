"""The other subjects: the peer from PyPI, bare FastMCP, bare python-binance."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.subjects.guardian import PROGRAMS
from tests.benchmarks.subjects.processes import environment
from tests.benchmarks.subjects.stdio import Command
from tests.benchmarks.subjects.subject import SYMBOL, Arguments, Subject, is_no_error, quantity, structured
from tests.benchmarks.venue.client import Endpoint
from tests.support.peer_packages import Package, install, python_of

PEER: Final = Package("binance-mcp-server", "1.2.7")
PEER_LACKS: Final = (
    "no log on disk, no limits, no confirmation; each call makes a new client, which pings twice before its request"
)
TOOLS_OF_GUARDIAN: Final = 17
PEER_TOOLS: Final[Mapping[str, Arguments]] = {
    "get_ticker_price": {"symbol": SYMBOL},
    "get_ticker": {"symbol": SYMBOL},
    "get_order_book": {"symbol": SYMBOL, "limit": 20},
    "get_balance": {},
    "get_orders": {"symbol": SYMBOL},
}


def install_peer(cache: Path) -> str:
    """Installs the peer into an environment of its own, unless it is there, and returns that environment's Python.

    Raises NotInstalled.
    """
    return python_of(install(PEER, cache, os.environ))


def peer(python: str, scratch: Path) -> Subject:
    """Returns the peer: its own command, with python-binance pointed at loopback."""

    def command(endpoint: Endpoint) -> Command:
        keys = {"BINANCE_API_KEY": endpoint.api_key, "BINANCE_API_SECRET": endpoint.api_secret}
        argv = (python, "-P", str(PROGRAMS / "peer_launcher.py"), endpoint.url)
        return Command(argv=argv, env={**environment(scratch), **keys}, cwd=scratch)

    def order(number: int) -> tuple[str, Arguments]:
        fields = {"symbol": SYMBOL, "side": "BUY", "order_type": "MARKET", "quantity": float(quantity(number))}
        return "create_order", fields

    return Subject(
        label=PEER.name,
        command=command,
        is_fine=lambda result: structured(result).get("success") is True,
        read=("get_ticker_price", {"symbol": SYMBOL}),
        tools=PEER_TOOLS,
        order=order,
        lacks=PEER_LACKS,
    )


def bare_fastmcp(scratch: Path) -> Subject:
    """Returns FastMCP alone, in the Python of this run."""

    def command(_endpoint: Endpoint) -> Command:
        argv = (sys.executable, "-P", str(PROGRAMS / "bare_fastmcp.py"), str(TOOLS_OF_GUARDIAN))
        return Command(argv=argv, env=environment(scratch), cwd=scratch)

    return Subject(
        label="bare FastMCP",
        command=command,
        is_fine=is_no_error,
        read=("tool_0", {"symbol": SYMBOL}),
        lacks="answers with a constant: asks no exchange",
    )


def bare_binance(scratch: Path) -> Subject:
    """Returns python-binance alone, in the Python of this run: one kept connection, the request that the tool needs."""

    def command(endpoint: Endpoint) -> Command:
        program = str(PROGRAMS / "bare_binance.py")
        argv = (sys.executable, "-P", program, endpoint.url, endpoint.api_key, endpoint.api_secret)
        return Command(argv=argv, env=environment(scratch), cwd=scratch, is_mcp=False)

    def order(number: int) -> tuple[str, Arguments]:
        fields: dict[str, Any] = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET"}
        return "create_order", {**fields, "quantity": format(Decimal(quantity(number)), "f")}

    return Subject(
        label="bare python-binance",
        command=command,
        is_fine=is_no_error,
        read=("get_ticker_price", {"symbol": SYMBOL}),
        tools={"get_ticker_price": {"symbol": SYMBOL}, "get_balance": {}},
        order=order,
        lacks="no MCP, no log, no limits",
    )
