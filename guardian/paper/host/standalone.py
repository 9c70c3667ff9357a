"""The paper exchange alone: served until interrupted, or in a thread for tests, with controls and faults."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from socket import socket
from types import TracebackType
from typing import Final, Self

import uvicorn
from filelock import FileLock, Timeout

from guardian.domain.secrets import Secret
from guardian.domain.trading import PAPER_HOST
from guardian.errors import ExchangeUnavailable
from guardian.paper.host.assembly import DEFAULT_SEED, assemble, random_key
from guardian.paper.host.control_api import control_app
from guardian.paper.host.controls import Controls
from guardian.paper.host.home import PaperEndpoint
from guardian.paper.host.serving import listen, quiet, server
from guardian.paper.keys import Ed25519Verifier, Verifier, verifier_of
from guardian.paper.market.capture import read_capture
from guardian.paper.market.feed import Feed
from guardian.paper.market.pinned import PinnedFeed
from guardian.paper.market.replay import ReplayFeed
from guardian.paper.market.seeded import SeededFeed
from guardian.paper.market.symbols import START_BALANCES
from guardian.paper.rest.app import HttpApi, Received
from guardian.paper.rest.faults import Faults, read_spec
from guardian.paper.rest.rate_limits import BINANCE, Meter, RateLimitSettings
from guardian.paper.storage import MemoryStorage, SqliteStorage, Storage
from guardian.paper.venue import Clock
from guardian.system.clock import wall_clock_ms

_START_TIMEOUT_S: Final = 10.0
_GRACE_S: Final = 0.5
"""How long requests may end by themselves when the server ends."""
_JOURNAL_ROWS: Final = 1000

__all__ = ["Controls", "PaperServer", "RateLimitSettings", "Rehearsal", "Serving", "serve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a standalone exchange does besides trading; by default nothing."""

    limits: RateLimitSettings = BINANCE
    faults: tuple[str, ...] = ()
    """Lines as `guardian.paper.rest.faults.read_spec` takes them."""
    control_port: int | None = None
    """The port of the control endpoint, 0 for any free port; None: no control endpoint."""
    replay: Path | None = None
    speed: Decimal = Decimal(1)
    public_keys: tuple[Path, ...] = ()
    """PEM files with the public keys of those who sign with Ed25519 or RSA; each is given an API key of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving(PaperEndpoint):
    """The address of a standalone exchange, and what else a client can know of it."""

    control_url: str | None = None
    control_token: Secret | None = None
    other_keys: tuple[tuple[str, Secret], ...] = ()
    """The name of each public key's file, and the API key that goes with it."""
    replay_end: int | None = None
    """The wall time in milliseconds at which a replay ends and the market stops."""


def serve(
    host: str,
    port: int,
    seed: int | None,
    state: Path | None,
    *,
    rehearsal: Rehearsal | None = None,
    on_ready: Callable[[Serving], None] | None = None,
) -> None:
    """Serves a paper exchange until it is interrupted. Its state is in memory, or in the file `state`.

    `on_ready` is called with its address and its key, once it listens. A state file keeps its keys and its seed.

    Raises:
        ExchangeUnavailable: a port is taken, the host is not a loopback address, or the capture cannot be played.
        CredentialsError: a file does not hold a public key.
        StoreUnavailable, StoreCorrupt: the state file cannot be used.
        ValueError: a fault's line is malformed.
    """
    rehearsal = rehearsal or Rehearsal()
    with ExitStack() as stack:
        storage: Storage = MemoryStorage()
        if state is not None:
            stack.callback(_lock_of(state).release)
            storage = SqliteStorage(state)
        stack.callback(storage.close)
        api_key = Secret(storage.setting("api_key", random_key()))
        api_secret = Secret(storage.setting("api_secret", random_key()))
        kept = int(storage.setting("seed", str(DEFAULT_SEED if seed is None else seed)))
        others = dict(_public_key(path, storage) for path in rehearsal.public_keys)
        listener = listen(host, port)
        stack.callback(listener.close)
        market, replay_end = _market(rehearsal, kept)
        feed, faults = PinnedFeed(market), Faults()
        journal: deque[Received] = deque(maxlen=_JOURNAL_ROWS)
        venue = assemble(
            storage,
            api_key=api_key,
            api_secret=api_secret,
            seed=kept,
            feed=feed,
            other_keys={key: verifier for key, (_, verifier) in others.items()},
        )
        controls = Controls(venue, feed, faults, journal)
        for spec in rehearsal.faults:
            controls.fault(**read_spec(spec))
        running = server(HttpApi(venue, meter=Meter(rehearsal.limits), faults=faults, journal=journal))
        control_url, token = None, None
        if rehearsal.control_port is not None:
            token = Secret(random_key())
            control_url = stack.enter_context(_controlled(controls, token, rehearsal.control_port))
        if on_ready is not None:
            address = f"[{host}]" if ":" in host else host
            on_ready(
                Serving(
                    url=f"http://{address}:{listener.getsockname()[1]}",
                    api_key=api_key,
                    api_secret=api_secret,
                    control_url=control_url,
                    control_token=token,
                    other_keys=tuple((name, Secret(key)) for key, (name, _) in others.items()),
                    replay_end=replay_end,
                )
            )
        with suppress(KeyboardInterrupt):
            running.run(sockets=[listener])


def _market(rehearsal: Rehearsal, seed: int) -> tuple[Feed, int | None]:
    seeded = SeededFeed(seed)
    if rehearsal.replay is None:
        return seeded, None
    capture = read_capture(rehearsal.replay)
    replay = ReplayFeed(capture, seeded, start=wall_clock_ms(), speed=rehearsal.speed)
    return replay, replay.end


def _public_key(path: Path, storage: Storage) -> tuple[str, tuple[str, Verifier]]:
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise ExchangeUnavailable(f"the public key {path} cannot be read") from error
    verifier = verifier_of(pem)
    # The same key file has the same API key as long as the state is the same.
    return storage.setting(f"api_key {sha256(pem.strip()).hexdigest()}", random_key()), (path.name, verifier)


@contextmanager
def _controlled(controls: Controls, token: Secret, port: int) -> Iterator[str]:
    """Serves the control endpoint from a thread inside the `with` block, and yields its URL."""
    listener = listen(port=port)
    with listener, _in_thread(quiet(control_app(controls, token)), listener):
        yield f"http://{PAPER_HOST}:{listener.getsockname()[1]}"


@contextmanager
def _in_thread(running: uvicorn.Server, listener: socket) -> Iterator[None]:
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, name="paper controls", daemon=True)
    thread.start()
    try:
        yield
    finally:
        running.should_exit = True
        thread.join(_START_TIMEOUT_S)


def _lock_of(state: Path) -> FileLock:
    """Returns the lock of a state file: two exchanges on one file would each undo what the other did."""
    lock = FileLock(state.with_name(f"{state.name}.lock"), mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ExchangeUnavailable(f"another paper exchange uses {state}", hint="use another file") from error
    return lock


class PaperServer:
    """A paper exchange in memory, served from a thread of this process on a free loopback port.

    `clock` gives milliseconds since the epoch. `balances` are decimal strings by asset. `ed25519_keys` are raw public
    keys (32 bytes) by API key, taken beside the HMAC pair; `other_keys` are keys of any kind. `limits` are Binance's
    own unless they are given. `feed` is the market that there is where the controls pin none.
    """

    def __init__(
        self,
        *,
        seed: int = DEFAULT_SEED,
        balances: Mapping[str, str] | None = None,
        clock: Clock = wall_clock_ms,
        api_key: str | None = None,
        api_secret: str | None = None,
        storage: Storage | None = None,
        ed25519_keys: Mapping[str, bytes] | None = None,
        other_keys: Mapping[str, Verifier] | None = None,
        limits: RateLimitSettings | None = None,
        feed: Feed | None = None,
    ) -> None:
        self.api_key: Final = Secret(api_key or random_key())
        self.api_secret: Final = Secret(api_secret or random_key())
        pinned, faults, journal = PinnedFeed(feed or SeededFeed(seed)), Faults(), list[Received]()
        owned = START_BALANCES if balances is None else {asset: Decimal(free) for asset, free in balances.items()}
        self._storage = storage or MemoryStorage()
        venue = assemble(
            self._storage,
            api_key=self.api_key,
            api_secret=self.api_secret,
            seed=seed,
            feed=pinned,
            clock=clock,
            balances=owned,
            other_keys={
                **{name: Ed25519Verifier(public) for name, public in (ed25519_keys or {}).items()},
                **(other_keys or {}),
            },
        )
        self.troubles: Final[list[Exception]] = []
        """Bugs of the exchange's own that a request ran into: none, if all is well."""
        self.venue: Final = venue
        self.controls: Final = Controls(venue, pinned, faults, journal)
        api = HttpApi(venue, meter=Meter(limits), faults=faults, journal=journal, trouble=self.troubles.append)
        self.app: Final = api.app
        """The HTTP interface, for a test that serves it in another way too."""
        self._server = server(api, tick_s=0.01)
        self._thread: threading.Thread | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Where it is, while it is served."""
        return f"http://{PAPER_HOST}:{self._port}"

    @property
    def endpoint(self) -> PaperEndpoint:
        """Where it is and the key that it takes."""
        return PaperEndpoint(url=self.url, api_key=self.api_key, api_secret=self.api_secret)

    def __enter__(self) -> Self:
        listener = listen()
        self._port = int(listener.getsockname()[1])
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="paper exchange", daemon=True
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
            self._thread.join(_GRACE_S)
            # A request that hangs on purpose is not waited for.
            self._server.force_exit = True
            self._thread.join(_START_TIMEOUT_S)
        self._storage.close()
