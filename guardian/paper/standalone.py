"""The paper exchange alone: served until interrupted, or in a thread for tests, with controls and faults."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from filelock import FileLock, Timeout

from guardian.domain.secrets import Secret
from guardian.errors import ExchangeUnavailable
from guardian.paper.app import Front, Received
from guardian.paper.assembly import DEFAULT_SEED, assemble, random_key, wall_clock
from guardian.paper.faults import EXECUTED_BY_DEFAULT, Fault, FaultKind, Faults
from guardian.paper.feed import Pin, PinnedFeed, SeededFeed
from guardian.paper.home import PaperEndpoint
from guardian.paper.listing import LISTINGS, START_BALANCES
from guardian.paper.orders import Meet, SetBalance
from guardian.paper.security import Ed25519Verifier
from guardian.paper.serving import LOOPBACK, listen, server
from guardian.paper.storage import MemoryStorage, SqliteStorage, Storage
from guardian.paper.venue import Clock, Venue

_START_TIMEOUT_S: Final = 10.0
_POLITE_S: Final = 0.5
_MANY: Final = 1_000_000_000
_BAD_GATEWAY: Final = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"  # noqa: E501 -- one line on the wire


def serve(
    host: str,
    port: int,
    seed: int | None,
    state: Path | None,
    *,
    on_ready: Callable[[PaperEndpoint], None] | None = None,
) -> None:
    """Serves a paper exchange until it is interrupted. Its state is in memory, or in the file `state`.

    `on_ready` is told where it is and with which key, once it listens. A state file keeps its key and its seed.

    Raises:
        ExchangeUnavailable: the port is taken, or the host is not a loopback address.
        StoreUnavailable, StoreCorrupt: the state file cannot be used.
    """
    with ExitStack() as stack:
        storage: Storage = MemoryStorage()
        if state is not None:
            stack.callback(_alone(state).release)
            storage = SqliteStorage(state)
        stack.callback(storage.close)
        api_key = Secret(storage.setting("api_key", random_key()))
        api_secret = Secret(storage.setting("api_secret", random_key()))
        kept = int(storage.setting("seed", str(DEFAULT_SEED if seed is None else seed)))
        socket = listen(host, port)
        stack.callback(socket.close)
        venue = assemble(storage, api_key=api_key, api_secret=api_secret, seed=kept)
        running = server(Front(venue))
        if on_ready is not None:
            address = f"[{host}]" if ":" in host else host
            url = f"http://{address}:{socket.getsockname()[1]}"
            on_ready(PaperEndpoint(url=url, api_key=api_key, api_secret=api_secret))
        with suppress(KeyboardInterrupt):
            running.run(sockets=[socket])


def _alone(state: Path) -> FileLock:
    """The lock of a state file: two exchanges on one file would each undo what the other did."""
    lock = FileLock(state.with_name(f"{state.name}.lock"), mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ExchangeUnavailable(f"another paper exchange uses {state}", hint="use another file") from error
    return lock


class Controls:
    """What a test in the same process can see and do. Safe to use while requests come in."""

    def __init__(self, venue: Venue, feed: PinnedFeed, faults: Faults, journal: list[Received]) -> None:
        self._venue = venue
        self._feed = feed
        self._faults = faults
        self.journal: Final = journal
        """Every request received, in order, whatever became of it."""

    @property
    def clock_skew_ms(self) -> int:
        """By how much the exchange's clock is ahead of the one that it was given."""
        return self._venue.clock_skew_ms

    @clock_skew_ms.setter
    def clock_skew_ms(self, skew: int) -> None:
        self._venue.clock_skew_ms = skew

    def set_book(self, symbol: str, bid: str, ask: str, quantity: str = "100") -> None:
        """From now on the symbol's book is one level a side, and every new order finds it whole.

        Orders that rest meet it once, now: one that it fills in part stays so until the next call. A quantity of 0
        empties both sides.
        """
        pin = Pin(bid=Decimal(bid), ask=Decimal(ask), quantity=Decimal(quantity))
        with self._venue.at_work() as now:
            self._feed.pin(LISTINGS[symbol].symbol, pin)
            self._venue.execute(Meet(symbol), now)

    def set_average(self, symbol: str, price: str, close_time_ms: int | None = None) -> None:
        """From now on the symbol's average price is this; without a close time it is always of this second."""
        with self._venue.at_work():
            self._feed.pin_average(LISTINGS[symbol].symbol, Decimal(price), close_time_ms)

    def set_balance(self, asset: str, free: str) -> None:
        """The free amount of the asset is this."""
        with self._venue.at_work() as now:
            self._venue.execute(SetBalance(asset=asset, free=Decimal(free)), now)

    def balance(self, asset: str) -> tuple[Decimal, Decimal]:
        """What is free and what is locked of the asset."""
        with self._venue.at_work():
            balance = self._venue.state.ledger.of(asset)
            return balance.free, balance.locked

    def requests(self, method: str, path: str) -> list[dict[str, str]]:
        """The parameters of every such request received, in order."""
        return [dict(one.params) for one in list(self.journal) if (one.method, one.path) == (method, path)]

    def orders_received(self) -> list[dict[str, str]]:
        """The parameters of every order that was sent here, in order, whatever became of it."""
        return self.requests("POST", "/api/v3/order")

    def orders(self) -> list[dict[str, str]]:
        """Every order that the exchange has taken: id, client order id, symbol, status and quantities, in order."""
        with self._venue.at_work():
            return [
                {
                    "orderId": str(order.order_id),
                    "clientOrderId": order.client_order_id,
                    "symbol": order.symbol,
                    "side": order.side,
                    "type": order.order_type,
                    "status": order.status,
                    "price": str(order.price),
                    "origQty": str(order.quantity),
                    "executedQty": str(order.executed),
                }
                for order in self._venue.state.orders.values()
            ]

    def clear_faults(self) -> None:
        """No fault is waiting any more."""
        self._faults.clear()

    def fault(
        self,
        method: str,
        path: str,
        kind: str,
        times: int = 1,
        *,
        seconds: float | None = None,
        execute: bool | None = None,
        status: int | None = None,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Lets something go wrong with the next `times` requests of this method and path.

        Kinds and their arguments, all optional:
            delay(seconds=1), hang(seconds=60, execute=False), reply_lost, reset_before,
            status(status=500, body, headers, execute=False), html_502(execute=False),
            empty_200(execute=True), bad_json(execute=True), retry_after_429(seconds=1), ban_418(seconds=120),
            not_found_2013(seconds): with seconds it counts time and not requests.

        Raises:
            ValueError: no such kind.
        """
        fault = _fault(method, path, FaultKind(kind), times, seconds, self._venue.now())
        given = {"execute": execute, "status": status, "body": body, "headers": headers}
        for name, value in given.items():
            if value is not None:
                setattr(fault, name, value)
        self._faults.add(fault)


_SECONDS: Final = {FaultKind.HANG: 60.0, FaultKind.BAN_418: 120.0}
_UNKNOWN_ERROR: Final = '{"code":-1000,"msg":"An unknown error occurred while processing the request."}'
_TOO_MUCH: Final = (
    '{"code":-1003,"msg":"Too much request weight used; current limit is 6000 request weight per 1 MINUTE. '
    'Please use WebSocket Streams for live updates to avoid polling the API."}'
)
_BANNED: Final = (
    '{"code":-1003,"msg":"Way too much request weight used; IP banned until %s. '
    'Please use WebSocket Streams for live updates to avoid bans."}'
)


def _fault(method: str, path: str, kind: FaultKind, times: int, asked_s: float | None, now: int) -> Fault:
    seconds = _SECONDS.get(kind, 1.0) if asked_s is None else asked_s
    fault = Fault(method, path, kind, times, seconds=seconds, execute=kind in EXECUTED_BY_DEFAULT, body=_UNKNOWN_ERROR)
    retry = {"retry-after": str(math.ceil(seconds))}
    match kind:
        case FaultKind.HTML_502:
            fault.status, fault.body, fault.content_type = 502, _BAD_GATEWAY, "text/html"
        case FaultKind.EMPTY_200:
            fault.status, fault.body = 200, ""
        case FaultKind.BAD_JSON:
            fault.status, fault.body = 200, '{"symbol":"BTCUSDT","orderId":'
        case FaultKind.RETRY_AFTER_429:
            fault.status, fault.headers, fault.body = 429, retry, _TOO_MUCH
        case FaultKind.BAN_418:
            fault.status, fault.headers, fault.body = 418, retry, _BANNED % (now + math.ceil(seconds * 1000))
        case FaultKind.NOT_FOUND_2013:
            fault.status, fault.body = 400, '{"code":-2013,"msg":"Order does not exist."}'
            if asked_s is not None:
                fault.times, fault.until = _MANY, time.monotonic() + seconds
    return fault


class PaperServer:
    """A paper exchange in memory, served from a thread of this process on a free loopback port.

    `clock` gives milliseconds since the epoch. `balances` are decimal strings by asset. `ed25519_keys` are raw public
    keys (32 bytes) by API key, taken beside the HMAC pair.
    """

    def __init__(
        self,
        *,
        seed: int = DEFAULT_SEED,
        balances: Mapping[str, str] | None = None,
        clock: Clock = wall_clock,
        api_key: str | None = None,
        api_secret: str | None = None,
        storage: Storage | None = None,
        ed25519_keys: Mapping[str, bytes] | None = None,
    ) -> None:
        self.api_key: Final = Secret(api_key or random_key())
        self.api_secret: Final = Secret(api_secret or random_key())
        feed, faults, journal = PinnedFeed(SeededFeed(seed)), Faults(), list[Received]()
        owned = START_BALANCES if balances is None else {asset: Decimal(free) for asset, free in balances.items()}
        self._storage = storage or MemoryStorage()
        venue = assemble(
            self._storage,
            api_key=self.api_key,
            api_secret=self.api_secret,
            seed=seed,
            feed=feed,
            clock=clock,
            balances=owned,
            other_keys={name: Ed25519Verifier(public) for name, public in (ed25519_keys or {}).items()},
        )
        self.troubles: Final[list[Exception]] = []
        """Bugs of the exchange's own that a request ran into: none, if all is well."""
        self.venue: Final = venue
        self.controls: Final = Controls(venue, feed, faults, journal)
        self._server = server(Front(venue, faults=faults, journal=journal, trouble=self.troubles.append), tick_s=0.01)
        self._thread: threading.Thread | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Where it is, while it is served."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def endpoint(self) -> PaperEndpoint:
        """Where it is and the key that it takes."""
        return PaperEndpoint(url=self.url, api_key=self.api_key, api_secret=self.api_secret)

    def __enter__(self) -> Self:
        socket = listen()
        self._port = int(socket.getsockname()[1])
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [socket]}, name="paper exchange", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise ExchangeUnavailable("the paper exchange did not start")
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_POLITE_S)
            # A request that hangs on purpose is not waited for.
            self._server.force_exit = True
            self._thread.join(_START_TIMEOUT_S)
        self._storage.close()
