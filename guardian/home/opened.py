"""Opens a home: its log, its policy file, the way to the exchange, and the context that the gate works with.

A command that looks at a home, or writes to its log, needs no more. It imports neither what answers calls nor the
exchange, which is imported when it is first connected to.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardian.connector import Connector, ExchangeConnector
from guardian.domain.trading import Environment
from guardian.errors import PolicyInvalid, StoreError
from guardian.gate.base.context import GateContext
from guardian.gate.base.journal import Journal
from guardian.gate.base.key_account import account_of, known_account, log_name
from guardian.gate.base.policy_file import PolicyFile
from guardian.gate.owner.policy_approval import ApprovedPolicies
from guardian.home.folder import DEFAULT_POLICY, home_folder, ready_made_policy
from guardian.home.log import open_journal
from guardian.policy.loading.load import load_policy
from guardian.policy.model import PaperSettings, Policy
from guardian.store.disk_space import preallocate_ballast
from guardian.store.schema.files import POLICY_NAME
from guardian.system.clock import SYSTEM_CLOCK, Clock
from guardian.system.private_files import check_home

if TYPE_CHECKING:
    from guardian.exchange.network import Network

MOST_POLICIES: Final = 20
"""Remembered policies that are looked through for where a paper exchange of the user's own is."""


class Connectors:
    """The connectors of one home, one for each environment, created at first use."""

    def __init__(
        self, home: Path, journal: Journal, policy_file: PolicyFile, clock: Clock, network: Network | None = None
    ) -> None:
        self._network = network
        self._home = home
        self._journal = journal
        self._policy_file = policy_file
        self._clock = clock
        self._made: dict[Environment, ExchangeConnector] = {}

    def __call__(self, environment: Environment) -> ExchangeConnector:
        """The connector to an environment; a paper exchange of the user's own is where a policy says or last said."""
        if environment not in self._made:
            paper = next((one.paper for one in self._policies() if one.environment is environment), PaperSettings())
            self._made[environment] = ExchangeConnector(
                environment,
                self._home,
                paper,
                partial(account_of, self._journal),
                self._clock,
                partial(log_name, self._journal),
                self._network,
                known_account=partial(known_account, self._journal),
            )
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
class OpenedHome:
    """One home, opened: what a command needs that sends no order and no cancel through the gate."""

    home: Path
    context: GateContext
    journal: Journal
    policy_file: PolicyFile
    connectors: Connectors
    imported: int
    """How many records of the emergency file were taken into the log at this start."""

    @property
    def connector(self) -> Connector:
        """The way to the exchange where orders are created."""
        return self.context.connector

    async def close(self) -> None:
        """Close the exchange's connections and the store."""
        await self.connectors.close()
        await asyncio.to_thread(self.journal.close)


def policy_file_of(home: Path, named: Path | None, memory: Journal) -> PolicyFile:
    """The policy file that serves: the one named, the home's own, or the packaged one on a home that never had one."""
    own = home / POLICY_NAME
    if named is not None:
        return PolicyFile(named, load_policy, memory, packaged=False, remembers=False, approvals=ApprovedPolicies())
    if own.exists() or _had_one(memory):
        # A policy that is gone is not an empty one: its last good text is used instead, and creates are denied.
        return PolicyFile(own, load_policy, memory, packaged=False, remembers=False, approvals=ApprovedPolicies())
    packaged = ready_made_policy(DEFAULT_POLICY)
    return PolicyFile(packaged, load_policy, memory, packaged=True, approvals=ApprovedPolicies())


def _had_one(memory: Journal) -> bool:
    try:
        return memory.recall() is not None
    except StoreError:
        return False


def open_home(
    policy_path: Path | None = None,
    *,
    home: Path | None = None,
    clock: Clock = SYSTEM_CLOCK,
    network: Network | None = None,
) -> OpenedHome:
    """Open a home and make its gate's context. Nothing is asked of the network, the keyring or the paper exchange yet.

    A store that cannot be opened does not stop this: every call is then refused but cancels, and the store is tried
    again at each. Nor does a policy that cannot be used and has no last good one to stand in for it: every call is
    then answered with its mistakes but cancels, and the first good one fixes the environment. A `network` is given by
    tests alone.

    Raises:
        NotPrivate: the home or a file in it is another user's, open to others, or a link.
        PolicyInvalid: what is named as the home is not a folder.
    """
    folder = home_folder() if home is None else home
    journal = open_journal(folder, clock=clock)
    with suppress(OSError):  # what cannot be looked at cannot be opened either: each call says so
        check_home(folder)
    journal.emergency.preallocate()
    preallocate_ballast(folder)
    imported = _import_emergency(journal)
    policy_file = policy_file_of(folder, policy_path, journal)
    connectors, environment, is_chosen = (
        Connectors(folder, journal, policy_file, clock, network),
        Environment.TESTNET,
        False,
    )
    with suppress(PolicyInvalid):
        environment, is_chosen = policy_file.current().policy.environment, True
    with suppress(StoreError), journal.transaction() as tx:
        policy_file.look(tx, adopts=False)
    context = GateContext(
        environment=environment,
        connector=connectors(environment),
        is_chosen=is_chosen,
        connector_to=connectors,
        journal=journal,
        policy_file=policy_file,
        clock=clock,
        random_bytes=secrets.token_bytes,
    )
    return OpenedHome(
        home=folder,
        context=context,
        journal=journal,
        policy_file=policy_file,
        connectors=connectors,
        imported=imported,
    )


def _import_emergency(journal: Journal) -> int:
    """Take into the log what it did not take before; trading is halted whether that succeeds or not."""
    if journal.emergency.is_empty():
        return 0
    try:
        return journal.emergency.import_into(journal.store())
    except StoreError:
        return 0
