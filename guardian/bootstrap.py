"""The composition root: finds the home folder and the policy, opens things, and wires them.

Environment variables can name the home folder (GUARDIAN_HOME) and nothing else.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import platformdirs

from guardian.connector import Connector, ExchangeConnector
from guardian.domain.trading import Environment
from guardian.errors import GuardianError, PolicyInvalid, PolicyMistake, StoreError
from guardian.gate.base.policy_file import PolicyFile
from guardian.policy.loading.load import load_policy
from guardian.policy.model import PaperSettings, Policy
from guardian.store.schema.files import POLICY_NAME
from guardian.system.private_files import check_home, check_owner, make_folder
from guardian.system.wall_clock import wall_clock_ms

if TYPE_CHECKING:
    from guardian.gate.base.context import GateContext
    from guardian.gate.base.journal import Journal
    from guardian.gate.pipeline import Gate

_log: Final = logging.getLogger("guardian")

HOME_VARIABLE: Final = "GUARDIAN_HOME"
DEFAULT_POLICY: Final = "testnet"
MOST_POLICIES: Final = 20
"""Remembered policies that are looked through for where a paper exchange of the user's own is."""


def home_folder() -> Path:
    """Guardian's home: GUARDIAN_HOME, else the platform's folder for user data. It is not created here.

    Raises:
        NotPrivate: it is there and is another user's. Whoever opens what is in it looks at the rest: a halt must work
            also where that is refused.
        GuardianError: what is named is no place of a folder.
    """
    named = os.environ.get(HOME_VARIABLE)
    folder = Path(named) if named else platformdirs.user_data_path("guardian", appauthor=False)
    try:
        home = folder.expanduser().resolve()
    except RuntimeError as error:  # an unknown user after `~`, or a loop of links
        raise _no_home(folder, str(error)) from error
    try:
        check_owner(home)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _no_home(folder, "its name is too long") from error
        # What cannot be looked at cannot be opened either: that is reported where it is opened.
    return home


def _no_home(folder: Path, why: str) -> GuardianError:
    return GuardianError(f"guardian's home cannot be `{folder}`: {why}", hint=f"set {HOME_VARIABLE} to a folder")


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


class Connectors:
    """The connectors of one home, one for each environment, created at first use."""

    def __init__(self, home: Path, journal: Journal, policy_file: PolicyFile) -> None:
        self._home = home
        self._journal = journal
        self._policy_file = policy_file
        self._made: dict[Environment, ExchangeConnector] = {}

    def __call__(self, environment: Environment) -> ExchangeConnector:
        """The connector to an environment; a paper exchange of the user's own is where a policy says or last said."""
        from guardian.gate.base.key_account import account_of

        if environment not in self._made:
            paper = next((one.paper for one in self._policies() if one.environment is environment), PaperSettings())
            whose = partial(account_of, self._journal)
            self._made[environment] = ExchangeConnector(environment, self._home, paper, whose)
        return self._made[environment]

    def _policies(self) -> Iterator[Policy]:
        """The policy in force, then those that were good before, the newest first."""
        with suppress(PolicyInvalid):
            yield self._policy_file.current().policy
        with suppress(StoreError):
            with self._journal.transaction() as tx:
                stored = tx.policies.newest(MOST_POLICIES)
            for one in stored:
                with suppress(PolicyInvalid):
                    yield load_policy(one.text)

    async def close(self) -> None:
        """Close all connections that were made."""
        for connector in self._made.values():
            await connector.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardian:
    """One home, opened: the gate and what the commands need besides it."""

    home: Path
    gate: Gate
    journal: Journal
    policy_file: PolicyFile
    connectors: Connectors
    imported: int
    """How many records of the emergency file were taken into the log at this start."""

    @property
    def connector(self) -> Connector:
        """The way to the exchange where orders are created."""
        return self.gate.context.connector

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Runs the background work of a server: warming up, and resolving orders. At the end everything is closed."""
        from guardian.gate.recovery.background import RecoveryTask

        # A command that looks at the home, or a server with another file, leaves the home's last good policy as it is.
        self.policy_file.remembers = self._serves_own_policy()
        elsewhere = await asyncio.to_thread(self._elsewhere)
        asked = [RecoveryTask(context=context).run_forever() for context in elsewhere]
        tasks = [asyncio.create_task(work) for work in (self._get_ready(), self._resolve_here(), *asked)]
        for task in tasks:
            task.add_done_callback(_tell_end)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.close()

    async def _resolve_here(self) -> None:
        """Resolve unknown orders where orders are created, once that is known."""
        from guardian.gate.recovery.background import RecoveryTask

        await self.gate.chosen.wait()
        await RecoveryTask(context=self.gate.context).run_forever()

    def _serves_own_policy(self) -> bool:
        return self.policy_file.path.resolve() == (self.home / POLICY_NAME).resolve()

    def _elsewhere(self) -> tuple[GateContext, ...]:
        """The gate's context for every other environment with pending orders, so that they are polled there.

        Only reads go there; a policy that names another environment than before changes where orders are created.
        """
        context = self.gate.context
        others = [one for one in Environment if not context.is_chosen or one is not context.environment]
        try:
            with self.journal.transaction() as tx:
                pending = [environment for environment in others if tx.orders.has_pending(environment.value)]
        except StoreError:
            return ()
        return tuple(map(context.for_environment, pending))

    async def _get_ready(self) -> None:
        """Do in the background what the first call would otherwise wait for; what fails here fails there, aloud."""
        from guardian.gate.recovery.reconcile import why_not_compared
        from guardian.store.schema.records import Scope

        await self.gate.chosen.wait()
        with suppress(GuardianError):
            connection = await self.connector.connect(needs_keys=False)
            await asyncio.to_thread(connection.exchange.warm_up)
            if connection.has_keys:
                scope = Scope(environment=self.gate.environment.value, account=connection.account)
                await why_not_compared(self.gate.context, scope)

    async def close(self) -> None:
        """Close the exchange's connections and the store."""
        await self.connectors.close()
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
        # A policy that is gone is not an empty one: its last good text is used instead, and creates are denied.
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
    again at each. Nor does a policy that cannot be used and has no last good one to stand in for it: every call is
    then answered with its mistakes but cancels, and the first good one fixes the environment.

    Raises:
        NotPrivate: the home or a file in it is another user's, open to others, or a link.
        PolicyInvalid: what is named as the home is not a folder.
    """
    from guardian.gate.base.context import GateContext
    from guardian.gate.pipeline import Gate

    folder = home_folder() if home is None else home
    journal = open_journal(folder)
    with suppress(OSError):  # what cannot be looked at cannot be opened either: each call says so
        check_home(folder)
    journal.emergency.preallocate()
    imported = _import_emergency(journal)
    policy_file = policy_file_of(folder, policy_path, journal)
    connectors, environment, is_chosen = Connectors(folder, journal, policy_file), Environment.TESTNET, False
    with suppress(PolicyInvalid):
        environment, is_chosen = policy_file.current().policy.environment, True
    context = GateContext(
        environment=environment,
        connector=connectors(environment),
        is_chosen=is_chosen,
        connector_to=connectors,
        journal=journal,
        policy_file=policy_file,
        now_ms=wall_clock_ms,
        monotonic=time.monotonic,
        pause=asyncio.sleep,
        random_bytes=secrets.token_bytes,
    )
    return Guardian(
        home=folder,
        gate=Gate(context),
        journal=journal,
        policy_file=policy_file,
        connectors=connectors,
        imported=imported,
    )


def open_journal(home: Path | None = None) -> Journal:
    """The log of a home and nothing else: for what has to work whatever the policy says.

    Raises:
        NotPrivate: the home is another user's.
        PolicyInvalid: what is named as the home is not a folder.
    """
    from guardian.gate.base.journal import Journal

    folder = home_folder() if home is None else home
    _make_home(folder)
    return Journal(folder, wall_clock_ms)


def _make_home(home: Path) -> None:
    """Create the home, for its owner alone; a home that cannot be made is reported by the store at the first call."""
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
