"""The composition root: finds the home folder and the policy, opens things, and wires them.

Environment variables can name the home folder (GUARDIAN_HOME) and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.errors import (
    CredentialsError,
    ExchangeError,
    ExchangeUnavailable,
    GuardianError,
    KeyringUnavailable,
    NoCredentials,
    PolicyInvalid,
    PolicyMistake,
    StoreError,
)
from guardian.gate.policy_file import PolicyFile
from guardian.policy.load import load_policy
from guardian.policy.model import PaperSettings, Policy
from guardian.store.places import POLICY_NAME
from guardian.system.private_files import check_home, check_owner, make_folder

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange
    from guardian.gate.connection import Connection
    from guardian.gate.journal import Journal
    from guardian.gate.parts import Parts
    from guardian.gate.pipeline import Gate

_log: Final = logging.getLogger("guardian")

HOME_VARIABLE: Final = "GUARDIAN_HOME"
DEFAULT_POLICY: Final = "testnet"

PAPER_ACCOUNT: Final = "paper"
"""The account of the embedded paper exchange: one for each home, so that there is nothing to be asked."""


def home_folder() -> Path:
    """Guardian's home: GUARDIAN_HOME, else the platform's folder for user data. It is not created here.

    Raises:
        NotPrivate: it is there and is another user's. Whoever opens what is in it looks at the rest: a halt must work
            also where that is refused.
    """
    named = os.environ.get(HOME_VARIABLE)
    home = Path(named).expanduser().resolve() if named else platformdirs.user_data_path("guardian", appauthor=False)
    with suppress(OSError):  # what cannot be looked at cannot be opened either: that is reported where it is opened
        check_owner(home)
    return home


def ready_made_policy(name: str) -> Path:
    """The path of a policy that comes with guardian: packaged with it, or beside it in a checkout."""
    packaged = Path(str(files("guardian"))) / "ready_made" / f"{name}.toml"
    if packaged.is_file():
        return packaged
    return Path(str(files("guardian"))).parent / "policies" / f"{name}.toml"


def find_policy_file(home: Path) -> Path:
    """The policy that serves when none is named: `policy.toml` in the home, else the packaged `testnet` policy."""
    own = home / POLICY_NAME
    return own if own.exists() else ready_made_policy(DEFAULT_POLICY)


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class ExchangeConnector:
    """Connects to one environment's exchange when it is first needed, with the keys that are there then."""

    def __init__(
        self,
        environment: Environment,
        home: Path,
        paper: PaperSettings,
        journal: Journal,
        *,
        now_ms: Callable[[], int] = wall_clock_ms,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.environment = environment
        self._home = home
        self._paper = paper
        self._journal = journal
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._connection: Connection | None = None
        self._exchange: Exchange | None = None
        self._made_for: tuple[object, ...] = ()
        """The endpoint and the keys that `_exchange` has."""
        self._in_doubt = False
        self._retired: list[Exchange] = []
        self._lock = asyncio.Lock()

    @property
    def has_wallet(self) -> bool:
        """Whether the environment has `/sapi`: only `live` and `paper` have."""
        return self.environment in {Environment.LIVE, Environment.PAPER}

    async def connect(self, *, needs_keys: bool) -> Connection:
        """The connection; keys that were missing are looked for again when they are needed.

        Raises:
            NoCredentials, KeyringUnavailable: keys are needed and cannot be had.
            ExchangeUnavailable: the paper exchange could not be started.
            ExchangeError: keys are needed, and the exchange could not be asked whose they are.
        """
        async with self._lock:
            connection = self._connection
            if connection is None or self._in_doubt or (needs_keys and not connection.has_keys):
                connection = self._connection = await self._connect(needs_keys)
                self._in_doubt = False
            return connection

    async def lost(self) -> None:
        """The embedded paper exchange may have ended itself: the next connect finds or starts it again."""
        self._in_doubt = self.environment is Environment.PAPER and self._paper.endpoint is None

    def _retire(self) -> None:
        """Put the exchange aside; it is closed at the end, for other calls may be in the middle of an order on it."""
        self._connection = None
        if self._exchange is not None:
            self._retired.append(self._exchange)
            self._exchange = None

    async def close(self) -> None:
        """Close every connection that was made."""
        self._retire()
        while self._retired:
            await self._retired.pop().close()

    async def _connect(self, needs_keys: bool) -> Connection:
        from guardian.gate.connection import NO_ACCOUNT, Connection, account_of

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
            account = await account_of(spot, exchange, self._journal)
        except ExchangeError:
            if needs_keys:
                raise
            return Connection(exchange=exchange, account=NO_ACCOUNT, has_keys=False)
        return Connection(exchange=exchange, account=account, has_keys=True)

    def _exchange_with(self, endpoint: str | None, spot: ApiKeyPair | None, futures: ApiKeyPair | None) -> Exchange:
        """The exchange there, with these keys: the one that was made before, where neither has changed."""
        from guardian.exchange.environments import EnvironmentSpec
        from guardian.exchange.exchange import Exchange

        if self._exchange is not None and self._made_for == (endpoint, spot, futures):
            return self._exchange
        self._retire()
        spec = EnvironmentSpec(environment=self.environment, paper_endpoint=endpoint)
        self._made_for = (endpoint, spot, futures)
        self._exchange = Exchange(
            spec,
            spot=spot,
            futures=futures,
            now_ms=self._now_ms,
            monotonic=self._monotonic,
            limits_path=self._home / "limits.db",
        )
        return self._exchange

    def _paper_endpoint(self) -> tuple[str, ApiKeyPair]:
        """Where the paper exchange is, and its keys: the user's simulator or the embedded one."""
        paper = self._paper
        if paper.endpoint is not None and paper.api_key is not None and paper.api_secret is not None:
            return paper.endpoint, _paper_pair(paper.api_key, paper.api_secret)
        from guardian.paper.home import find_or_start

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
        from guardian.credentials import open_credentials

        store = open_credentials()
        name = self.environment.value
        return store.get(name, KeyFamily.SPOT), store.get(name, KeyFamily.FUTURES)


def _paper_pair(api_key: Secret, api_secret: Secret) -> ApiKeyPair:
    return ApiKeyPair(
        environment=Environment.PAPER.value,
        family=KeyFamily.SPOT,
        kind=KeyKind.HMAC,
        api_key=api_key,
        signing_key=api_secret,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardian:
    """One home, opened: the gate and what the commands need besides it."""

    home: Path
    gate: Gate
    journal: Journal
    policy_file: PolicyFile
    connector: ExchangeConnector
    imported: int
    """How many records of the emergency file were taken into the log at this start."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What goes on while a server runs: getting ready, and finding out about orders; at the end all is closed."""
        from guardian.gate.resolving import Resolver

        # A command that looks at the home, or a server with another file, leaves the home's last good policy as it is.
        self.policy_file.remembers = self._serves_own_policy()
        elsewhere = await asyncio.to_thread(self._elsewhere)
        asked = [Resolver(parts=parts).run_forever() for parts in (self.gate.parts, *elsewhere)]
        tasks = [asyncio.create_task(work) for work in (self._get_ready(), *asked)]
        for task in tasks:
            task.add_done_callback(_tell_end)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for parts in elsewhere:
                await parts.connector.close()
            await self.close()

    def _serves_own_policy(self) -> bool:
        return self.policy_file.path.resolve() == (self.home / POLICY_NAME).resolve()

    def _elsewhere(self) -> tuple[Parts, ...]:
        """The gate's parts in every other environment that has orders whose end is not known: asked for where they are.

        Only reads go there; a policy that names another environment than before changes where orders are created.
        """
        parts = self.gate.parts
        others = [environment for environment in Environment if environment is not parts.environment]
        try:
            with self.journal.transaction() as tx:
                pending = [environment for environment in others if tx.has_pending(environment.value)]
        except StoreError:
            return ()
        return tuple(
            replace(parts, environment=e, connector=ExchangeConnector(e, self.home, PaperSettings(), self.journal))
            for e in pending
        )

    async def _get_ready(self) -> None:
        """Do in the background what the first call would otherwise wait for; what fails here fails there, aloud."""
        from guardian.gate.reconciling import why_not_compared
        from guardian.store.records import Scope

        with suppress(GuardianError):
            connection = await self.connector.connect(needs_keys=False)
            await asyncio.to_thread(connection.exchange.warm_up)
            if connection.has_keys:
                scope = Scope(environment=self.gate.environment.value, account=connection.account)
                await why_not_compared(self.gate.parts, scope)

    async def close(self) -> None:
        """Close the exchange's connections and the store."""
        await self.connector.close()
        await asyncio.to_thread(self.journal.close)


def _tell_end(task: asyncio.Task[None]) -> None:
    """Say that work in the background ended by a fault: nobody waits for it before the server ends."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("work in the background ended by a fault, and is not begun again", exc_info=task.exception())


def policy_file_of(home: Path, named: Path | None, memory: Journal) -> PolicyFile:
    """The policy file that serves: the one named, the home's own, or the packaged one on a home that never had one."""
    own = home / POLICY_NAME
    if named is not None:
        return PolicyFile(named, load_policy, memory, packaged=False, remembers=False)
    if own.exists() or _had_one(memory):
        # A policy that is gone is not an empty one: its last good text stands in for it, and creates are denied.
        return PolicyFile(own, load_policy, memory, packaged=False, remembers=False)
    return PolicyFile(ready_made_policy(DEFAULT_POLICY), load_policy, memory, packaged=True)


def _had_one(memory: Journal) -> bool:
    try:
        return memory.recall() is not None
    except StoreError:
        return False


def open_guardian(policy_path: Path | None = None, *, home: Path | None = None) -> Guardian:
    """Open a home and wire the gate. Nothing is asked of the network, the keyring or the paper exchange yet.

    A store that cannot be opened does not stop this: every call is then refused but cancels, and the store is tried
    again at each.

    Raises:
        NotPrivate: the home or a file in it is another user's, open to others, or a link.
        PolicyInvalid: the policy cannot be used, and no last good one can stand in for it.
    """
    from guardian.gate.parts import Parts
    from guardian.gate.pipeline import Gate

    folder = home_folder() if home is None else home
    journal = open_journal(folder)
    with suppress(OSError):  # what cannot be looked at cannot be opened either: each call says so
        check_home(folder)
    journal.emergency.preallocate()
    imported = _import_emergency(journal)
    policy_file = policy_file_of(folder, policy_path, journal)
    policy: Policy = policy_file.current().policy
    connector = ExchangeConnector(policy.environment, folder, policy.paper, journal)
    parts = Parts(
        environment=policy.environment,
        connector=connector,
        journal=journal,
        policy_file=policy_file,
        now_ms=wall_clock_ms,
        monotonic=time.monotonic,
        pause=asyncio.sleep,
        random_bytes=secrets.token_bytes,
    )
    return Guardian(
        home=folder,
        gate=Gate(parts),
        journal=journal,
        policy_file=policy_file,
        connector=connector,
        imported=imported,
    )


def open_journal(home: Path | None = None) -> Journal:
    """The log of a home and nothing else: for what has to work whatever the policy says.

    Raises:
        NotPrivate: the home is another user's.
        PolicyInvalid: what is named as the home is not a folder.
    """
    from guardian.gate.journal import Journal

    folder = home_folder() if home is None else home
    _make_home(folder)
    return Journal(folder, wall_clock_ms)


def _make_home(home: Path) -> None:
    """Create the home, for its owner alone; a home that cannot be made is told by the store at the first call."""
    try:
        make_folder(home)
        check_owner(home)
    except OSError as error:
        if home.exists() and not home.is_dir():
            mistake = PolicyMistake(key="", message=f"`{home}` is not a folder")
            raise PolicyInvalid((mistake,), hint=f"set {HOME_VARIABLE} to a folder") from error


def _import_emergency(journal: Journal) -> int:
    """Take into the log what it did not take before; trading is halted whether that succeeds or not."""
    if journal.emergency.is_empty():
        return 0
    try:
        return journal.emergency.import_into(journal.store())
    except StoreError:
        return 0
