"""The one story that every client plays, and what it saw as JSON. Runs in a client's own virtual environment.

What to do comes as JSON on stdin, so that no key is ever an argument or in the environment.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any, Protocol

_REAL_LOOKUP = socket.getaddrinfo


def _loopback_only(host: Any, *others: Any, **named: Any) -> Any:
    """Finds this machine and nothing else: a request that a client sends elsewhere fails, and the test with it."""
    name = host.decode() if isinstance(host, bytes) else host
    if name not in {"127.0.0.1", "localhost"}:
        raise OSError(f"a client wanted to reach {name}")
    return _REAL_LOOKUP(host, *others, **named)


socket.getaddrinfo = _loopback_only


class Teller(Protocol):
    """A client of the exchange, behind the words of the story."""

    def market(self) -> dict[str, Any]:
        """Asks for all market data that the client knows; returns last price, best bid and ask, average, 24 h open."""

    def rehearse(self, order: dict[str, str]) -> None:
        """A test order: checked, never placed."""

    def place(self, order: dict[str, str]) -> str:
        """Places an order; returns its status."""

    def refused(self, order: dict[str, str]) -> str:
        """Places an order that the account cannot pay; returns the reason that the client gives."""

    def ask(self, name: str) -> str:
        """The status of the order with this client order id."""

    def cancel(self, name: str) -> str:
        """Cancels it; returns its status."""

    def cancel_all(self) -> int:
        """Cancels all that is open; returns how many that were."""

    def open_orders(self) -> list[str]:
        """The client order ids of what is open."""

    def history(self) -> list[list[str]]:
        """Client order id, status and executed quantity of every order."""

    def trades(self) -> list[list[str]]:
        """Price, quantity, commission and its asset of every trade."""

    def rates(self) -> list[str]:
        """The maker's and the taker's commission rate."""

    def balances(self) -> dict[str, list[str]]:
        """Free and locked of every asset that the account holds."""


def read_plot() -> dict[str, Any]:
    """What to do and where."""
    plot: dict[str, Any] = json.load(sys.stdin)
    return plot


def tell(teller: Teller, plot: dict[str, Any]) -> None:
    """Goes through the story and prints what was seen."""
    seen: dict[str, Any] = {"before": teller.balances(), "market": teller.market(), "rates": teller.rates()}
    teller.rehearse(plot["orders"][0])
    seen["placed"] = [teller.place(order) for order in plot["orders"]]
    seen["refused"] = teller.refused(plot["beyond"])
    seen["open"] = teller.open_orders()
    seen["asked"] = [teller.ask(name) for name in plot["asked"]]
    seen["cancelled"] = [teller.cancel(name) for name in plot["cancelled"]]
    seen["left open"] = teller.open_orders()
    seen["history"] = teller.history()
    seen["trades"] = teller.trades()
    seen["balances"] = teller.balances()
    seen["swept"] = teller.cancel_all()
    seen["after"] = teller.balances()
    json.dump(seen, sys.stdout)
