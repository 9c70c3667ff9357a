"""Connects to an environment's exchange: the interface that the gate uses, and its implementation.

`ExchangeConnector` takes the keys from the keyring, or finds the paper exchange of a home. Tests have other connectors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.errors import (
    CredentialsError,
    ExchangeError,
    ExchangeUnavailable,
    KeyringUnavailable,
    NoCredentials,
)
from guardian.policy.model import PaperSettings
from guardian.system.clock import Clock

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange
    from guardian.exchange.network import Network

NO_ACCOUNT: Final = "none"
"""The account of a connection without a spot key, and of one whose key's account is not known yet."""
PAPER_ACCOUNT: Final = "paper"
"""The account of the embedded paper exchange: one for each home, so the exchange need not be queried for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """An exchange, and the account of its keys. Budgets and orders are stored under that account."""

    exchange: Exchange
    account: str
    has_keys: bool
    """False also for a key whose account is not known: then nothing is done that is stored under an account."""
    keys_from: str | None = None
    """The keyring or vault that they are kept in, for people; None on paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKeys:
    """What is known of an environment's keys without the exchange."""

    account: str | None
    """The account of the spot key; None where the exchange was never queried for it."""
    keys_from: str | None
    """The keyring or vault that they are kept in, for people; None on paper."""


class Connector(Protocol):
    """Makes connections to one environment."""

    @property
    def environment(self) -> Environment:
        """The environment."""
        ...

    @property
    def has_wallet(self) -> bool:
        """Whether the environment has the wallet's endpoints (`/sapi`)."""
        ...

    async def connect(self, *, needs_keys: bool) -> Connection:
        """Returns the connection, made at the first call. Missing keys are looked up again when they are needed.

        Raises:
            NoCredentials: keys are needed and none is stored.
            KeyringUnavailable: keys are needed and the keyring did not answer.
            ExchangeUnavailable: the paper exchange could not be started, or the connector is closed.
            ExchangeError: keys are needed, and the exchange could not be queried for their account. It is queried
                once for each key.
        """
        ...

    async def stored_keys(self) -> StoredKeys:
        """Looks for the keys without connecting. Raises NoCredentials and KeyringUnavailable as `connect`."""
        ...

    async def mark_disconnected(self) -> None:
        """Notes that the exchange could not be reached: the next `connect` looks for it again."""
        ...

    async def close(self) -> None:
        """Closes every connection for good: a later `connect` raises ExchangeUnavailable."""
        ...


class ExchangeConnector:
    """The `Connector` of guardian itself: connects when it is first needed, with the keys that are stored then.

    `account_of` returns the account of a key; it may query the exchange, and raises ExchangeError where that fails.
    `known_account` returns what the store knows of it, or None.
    `log_name` returns the name of the home's log, which may guard the keys; None where the log cannot be read.
    A `network` is given by tests alone; see `guardian.exchange.network`.
    """

    def __init__(
        self,
        environment: Environment,
        home: Path,
        paper: PaperSettings,
        account_of: Callable[[ApiKeyPair, Exchange], Awaitable[str]],
        clock: Clock,
        log_name: Callable[[], str | None],
        network: Network | None = None,
        *,
        known_account: Callable[[ApiKeyPair], Awaitable[str | None]],
    ) -> None:
        self.environment = environment
        self._home = home
        self._paper = paper
        self._account_of = account_of
        self._known_account = known_account
        self._clock = clock
        self._log_name = log_name
        self._network = network
        self._connection: Connection | None = None
        self._exchange: Exchange | None = None
        self._made_for: tuple[object, ...] = ()
        """The endpoint of `_exchange` and the digests of its keys."""
        self._keys_from: str | None = None
        self._is_disconnected = False
        self._retired: list[Exchange] = []
        self._is_closed = False
        self._lock = asyncio.Lock()

    @property
    def has_wallet(self) -> bool:
        """True for `live` and `paper`."""
        return self.environment in {Environment.LIVE, Environment.PAPER}

    async def connect(self, *, needs_keys: bool) -> Connection:
        """See `Connector.connect`."""
        async with self._lock:
            self._require_open()
            connection = self._connection
            if connection is None or self._is_disconnected or (needs_keys and not connection.has_keys):
                connection = self._connection = await self._connect(needs_keys)
                self._is_disconnected = False
            return connection

    async def stored_keys(self) -> StoredKeys:
        """See `Connector.stored_keys`."""
        paper = self._paper
        if self.environment is not Environment.PAPER:
            spot, futures = await self._keys(needed=True)
            if spot is None:
                return StoredKeys(account=None if futures is None else NO_ACCOUNT, keys_from=self._keys_from)
            return StoredKeys(account=await self._known_account(spot), keys_from=self._keys_from)
        if paper.endpoint is None or paper.api_key is None or paper.api_secret is None:
            return StoredKeys(account=PAPER_ACCOUNT, keys_from=None)
        pair = _paper_pair(paper.api_key, paper.api_secret)
        return StoredKeys(account=await self._known_account(pair), keys_from=None)

    async def mark_disconnected(self) -> None:
        """See `Connector.mark_disconnected`. Only the embedded paper exchange may have ended and moved."""
        self._is_disconnected = self.environment is Environment.PAPER and self._paper.endpoint is None

    def _retire(self) -> None:
        """Sets the exchange aside. It is closed at the end, since other calls may be sending an order with it."""
        self._connection = None
        if self._exchange is not None:
            self._retired.append(self._exchange)
            self._exchange = None

    async def close(self) -> None:
        """See `Connector.close`."""
        self._is_closed = True
        self._retire()
        while self._retired:
            await self._retired.pop().close()

    def _require_open(self) -> None:
        if self._is_closed:
            raise ExchangeUnavailable("guardian is shutting down: its connection to the exchange is closed")

    async def _connect(self, needs_keys: bool) -> Connection:
        endpoint: str | None = None
        spot: ApiKeyPair | None
        futures: ApiKeyPair | None
        if self.environment is Environment.PAPER:
            endpoint, spot = await asyncio.to_thread(self._paper_endpoint)
            futures = spot
        else:
            spot, futures = await self._keys(needs_keys)
        exchange = self._exchange_with(endpoint, spot, futures)
        if spot is None:
            return Connection(exchange=exchange, account=NO_ACCOUNT, has_keys=futures is not None)
        if endpoint is not None and self._paper.endpoint is None:
            return Connection(exchange=exchange, account=PAPER_ACCOUNT, has_keys=True)
        try:
            account = await self._account_of(spot, exchange)
        except ExchangeError:
            if needs_keys:
                raise
            return Connection(exchange=exchange, account=NO_ACCOUNT, has_keys=False)
        return Connection(exchange=exchange, account=account, has_keys=True, keys_from=self._keys_from)

    def _exchange_with(self, endpoint: str | None, spot: ApiKeyPair | None, futures: ApiKeyPair | None) -> Exchange:
        """Returns the exchange at that endpoint with these keys: the present one, unless either has changed."""
        # The keys themselves are not kept: from here on they are inside the signers of the exchange.
        made_for = (endpoint, *(None if pair is None else pair.digest for pair in (spot, futures)))
        if self._exchange is not None and self._made_for == made_for:
            return self._exchange
        self._require_open()  # it may have been closed while the keys were read
        self._retire()
        # Here and not at the top: a home without keys, or a command that asks the exchange nothing, never gets here.
        from guardian.exchange.environments import EnvironmentSpec
        from guardian.exchange.exchange import Exchange

        spec = EnvironmentSpec(environment=self.environment, paper_endpoint=endpoint)
        self._made_for = made_for
        self._exchange = Exchange(
            spec,
            spot=spot,
            futures=futures,
            clock=self._clock,
            limits_path=self._home / "limits.db",
            network=self._network,
        )
        return self._exchange

    def _paper_endpoint(self) -> tuple[str, ApiKeyPair]:
        """Returns the address and the keys of the paper exchange: the user's own, or the embedded one."""
        paper = self._paper
        if paper.endpoint is not None and paper.api_key is not None and paper.api_secret is not None:
            return paper.endpoint, _paper_pair(paper.api_key, paper.api_secret)
        # Here and not at the top, as the keyring's below: an environment needs one of the two.
        from guardian.paper.host.home import find_or_start

        try:
            found = find_or_start(self._home)
        except (OSError, TimeoutError) as error:
            raise ExchangeUnavailable(
                f"the paper exchange could not be started: {error}",
                hint="`guardian status` shows where it is looked for",
            ) from None
        return found.url, _paper_pair(found.api_key, found.api_secret)

    async def _keys(self, needed: bool) -> tuple[ApiKeyPair | None, ApiKeyPair | None]:
        name = self.environment.value
        hint = f"a person can run `guardian keys add {name}`"
        try:
            spot, futures = await asyncio.to_thread(self._read_keys)
        except CredentialsError as error:
            if not needed:
                return None, None
            if isinstance(error, KeyringUnavailable):
                raise
            raise NoCredentials(error.message, hint=error.hint or hint) from None
        if needed and spot is None and futures is None:
            raise NoCredentials(f"no key is stored for `{name}`", hint=hint)
        return spot, futures

    def _read_keys(self) -> tuple[ApiKeyPair | None, ApiKeyPair | None]:
        from guardian.credentials.store import open_credentials

        store = open_credentials(home=self._home)
        name = self.environment.value
        spot, futures = store.get(name, KeyFamily.SPOT), store.get(name, KeyFamily.FUTURES)
        if spot is not None or futures is not None:
            # Where the log cannot be read no order is created, and a cancel has to work.
            log = self._log_name()
            if log is not None:
                store.check_guard(log)
            self._keys_from = store.backend_name
        return spot, futures


def _paper_pair(api_key: Secret, api_secret: Secret) -> ApiKeyPair:
    return ApiKeyPair(
        environment=Environment.PAPER.value,
        family=KeyFamily.SPOT,
        kind=KeyKind.HMAC,
        api_key=api_key,
        signing_key=api_secret,
    )
