"""The process of the paper exchange: `python -m tests.benchmarks.venue.process`.

It is controlled by JSON lines on standard input and answers each with one on standard output. Each account is an
exchange of its own in memory, with a calm market and practically without rate limits; what it would have counted is
recorded by the weights of its own table.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from guardian.domain.secrets import Secret
from guardian.paper.host.assembly import DEFAULT_SEED, assemble, random_key
from guardian.paper.host.controls import Controls
from guardian.paper.host.serving import listen, server
from guardian.paper.market.pinned import PinnedFeed
from guardian.paper.market.seeded import SeededFeed
from guardian.paper.rest.app import HttpApi
from guardian.paper.rest.faults import Faults
from guardian.paper.rest.rate_limits import WIDE, Meter
from guardian.paper.rest.weights import cost_of
from guardian.paper.storage import MemoryStorage
from tests.benchmarks.venue.delay_proxy import DelayProxy, Trip

BOOKS: Final = (
    ("BTCUSDT", "60000", "60001"),
    ("ETHUSDT", "3000", "3000.10"),
    ("ETHBTC", "0.05000", "0.05001"),
    ("BNBUSDT", "600", "600.10"),
)
DEEP: Final = "1000000"


class Accounts:
    """The exchanges and the proxies of this process."""

    def __init__(self) -> None:
        self._controls: list[Controls] = []
        self._ports: list[int] = []
        self._proxies: list[DelayProxy] = []
        self._serving: list[asyncio.Task[None]] = []

    async def account(self, _sent: Mapping[str, Any]) -> object:
        """Makes an account with a million USDT, and returns where it is and its key."""
        key, secret = Secret(random_key()), Secret(random_key())
        feed, faults = PinnedFeed(SeededFeed(DEFAULT_SEED)), Faults()
        venue = assemble(MemoryStorage(), api_key=key, api_secret=secret, feed=feed)
        running = server(HttpApi(venue, meter=Meter(WIDE), faults=faults, trouble=_complain))
        controls = Controls(venue, feed, faults, [])
        for symbol, bid, ask in BOOKS:
            controls.set_book(symbol, bid, ask, DEEP)
        controls.set_balance("USDT", DEEP)
        listener = listen()
        self._serving.append(asyncio.create_task(running.serve(sockets=[listener])))
        while not running.started:
            await asyncio.sleep(0.005)
        self._controls.append(controls)
        self._ports.append(int(listener.getsockname()[1]))
        return {
            "account": len(self._ports) - 1,
            "url": f"http://127.0.0.1:{self._ports[-1]}",
            "api_key": key.reveal(),
            "api_secret": secret.reveal(),
        }

    async def proxy(self, sent: Mapping[str, Any]) -> object:
        """Makes a proxy in front of an account, and returns where it is."""
        made = DelayProxy(
            self._ports[sent["account"]],
            round_trip_s=sent["delay_ms"] / 1000,
            setup_trips=sent["setup_trips"],
        )
        self._proxies.append(made)
        return {"proxy": len(self._proxies) - 1, "url": await made.start()}

    async def traffic(self, sent: Mapping[str, Any]) -> object:
        """Returns the trips through a proxy since the last time."""
        return [described(trip) for trip in self._proxies[sent["proxy"]].take()]

    async def orders(self, sent: Mapping[str, Any]) -> object:
        """Returns every order that an account's exchange has taken."""
        return self._controls[sent["account"]].orders()


def described(trip: Trip) -> dict[str, Any]:
    """Returns a trip as JSON data, with its weight by the exchange's own table."""
    first, _, rest = trip.head.partition(b"\r\n")
    method, target, *_ = [*first.decode("latin-1").split(" "), "", ""]
    parts = urlsplit(target)
    body = rest.partition(b"\r\n\r\n")[2].decode("latin-1")
    params = dict(parse_qsl(parts.query) + parse_qsl(body))
    return {
        "method": method,
        "path": parts.path,
        "params": sorted(params),
        "weight": cost_of(method, parts.path, params).weight,
        "is_first": trip.is_first,
        "arrived": trip.arrived,
        "sent": trip.sent,
        "answered": trip.answered,
        "delivered": trip.delivered,
    }


def _complain(error: Exception) -> None:
    sys.stderr.write(f"paper exchange: {type(error).__name__}: {error}\n")


async def main() -> None:
    """Serves until standard input ends."""
    accounts = Accounts()
    actions: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[object]]] = {
        "account": accounts.account,
        "proxy": accounts.proxy,
        "traffic": accounts.traffic,
        "orders": accounts.orders,
    }
    while line := await asyncio.to_thread(sys.stdin.readline):
        sent = json.loads(line)
        sys.stdout.write(json.dumps(await actions[sent["do"]](sent)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.new_event_loop().run_until_complete(main())
    sys.stdout.flush()
    os._exit(0)  # the exchanges are in memory: there is nothing to close
