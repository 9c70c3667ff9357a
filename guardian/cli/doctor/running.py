"""All checks in their order, and this machine as they examine it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from guardian.cli.doctor.checks.clients import check_clients, start_entry
from guardian.cli.doctor.checks.home_folder import check_copies, check_disk, check_emergency, check_place
from guardian.cli.doctor.checks.hosts import check_clock, check_hosts, reach_host
from guardian.cli.doctor.checks.installation import check_variables, check_versions
from guardian.cli.doctor.checks.key_trials import check_keys
from guardian.cli.doctor.checks.keyring import check_backends, works_for_clients
from guardian.cli.doctor.checks.log_copy import check_database
from guardian.cli.doctor.checks.processes import check_servers, running_servers
from guardian.cli.doctor.checks.rules import check_in_force, check_policy
from guardian.cli.doctor.checks.sealed_log import check_seal
from guardian.cli.doctor.examined import KEYRING_TIMEOUT_S, Examined
from guardian.cli.doctor.findings import Check
from guardian.cli.keys.account.trial import ask_exchange
from guardian.clients.known import known_clients
from guardian.credentials.store import CredentialStore, open_credentials
from guardian.domain.secrets import ApiKeyPair
from guardian.domain.trading import Environment
from guardian.exchange.environments import EnvironmentSpec
from guardian.exchange.exchange import Exchange
from guardian.gate.seal.log_evidence import keyring_items
from guardian.policy.model import Policy
from guardian.system.clock import SYSTEM_CLOCK, wall_clock_ms
from guardian.system.variables import removed_at_start, secrets_at_start

CHECKS: Final = (
    Check("versions", check_versions),
    Check("environment", check_variables),
    Check("home", check_place),
    Check("disk", check_disk),
    Check("policy", check_policy),
    Check("policy.in-force", check_in_force),
    Check("database", check_database),
    Check("emergency file", check_emergency),
    Check("old copies", check_copies),
    Check("servers", check_servers),
    Check("keyring", check_backends),
    Check("seal", check_seal),
    Check("hosts", check_hosts),
    Check("clock", check_clock),
    Check("keys", check_keys),
    Check("clients", check_clients),
)
"""What is looked at, from this machine outwards."""


def this_machine(home: Path) -> Examined:
    """Returns the home on this machine, as this process can reach everything."""
    return Examined(
        home=home,
        now_ms=wall_clock_ms(),
        reach_host=reach_host,
        clock_skew_ms=_clock_skew_ms,
        ask_key=_ask_key,
        open_keys=_open_keys,
        keyring_of_clients=works_for_clients,
        servers=running_servers,
        clients=known_clients,
        open_log_items=keyring_items,
        start_entry=start_entry,
        removed_variables=removed_at_start(),
        secret_variables=secrets_at_start(),
        environment=dict(os.environ),
    )


def _open_keys(home: Path) -> CredentialStore:
    return open_credentials(home=home, timeout_s=KEYRING_TIMEOUT_S)


def _clock_skew_ms(environment: Environment) -> int:
    async def ask() -> int:
        exchange = Exchange(EnvironmentSpec(environment=environment), spot=None, futures=None, clock=SYSTEM_CLOCK)
        try:
            return await exchange.clock_skew_ms()
        finally:
            await exchange.close()

    return asyncio.run(ask())


def _ask_key(pair: ApiKeyPair, policy: Policy | None) -> tuple[bool, tuple[str, ...]]:
    allowed = () if policy is None else tuple(policy.live.allow_permissions)
    answer = asyncio.run(ask_exchange(pair, allowed, None))
    return answer.works, answer.problems
