"""What is examined: the home, its policy, and the ways to the keyring, the network, processes and clients.

The ways out are functions here, so that a test can put others in their place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardian.errors import PolicyInvalid
from guardian.gate.base.policy_file import read_policy_text
from guardian.home.folder import find_policy_file
from guardian.policy.loading.load import load_policy
from guardian.store.schema.files import POLICY_NAME

if TYPE_CHECKING:
    from guardian.clients.entries import ServerEntry
    from guardian.clients.known import AssistantClient
    from guardian.credentials.log.home_items import HomeItems
    from guardian.credentials.store import CredentialStore
    from guardian.domain.secrets import ApiKeyPair
    from guardian.domain.trading import Environment
    from guardian.policy.model import Policy

KEYRING_TIMEOUT_S: Final = 5.0
NETWORK_TIMEOUT_S: Final = 5.0
START_TIMEOUT_S: Final = 20.0
"""For a client's entry to answer; clients give up after 30 s or more."""

_GIVEN: Final = (
    "HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA",
    "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "USERNAME", "USERPROFILE",
)  # fmt: skip
"""The variables that clients hand to a server: no D-Bus, no proxy, and none that a shell's start file sets."""


def given_by_clients() -> dict[str, str]:
    """Returns the environment in which clients start a server, as far as this process knows it."""
    return {name: os.environ[name] for name in _GIVEN if name in os.environ}


@dataclass(frozen=True, slots=True)
class FoundPolicy:
    """The policy that serves, or what is wrong with its file."""

    path: Path
    packaged: bool
    policy: Policy | None
    error: PolicyInvalid | None


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A process that serves guardian, and the home that it was started with; None where that cannot be seen."""

    pid: int
    home: str | None


@dataclass(frozen=True)
class Examined:
    """One home on this machine, and how everything around it is reached."""

    home: Path
    now_ms: int
    reach_host: Callable[[str], str | None]
    """Connects to a host by TLS; returns who issued its certificate where guardian does not believe it, else None.

    Raises OSError, with what did not work.
    """
    clock_skew_ms: Callable[[Environment], int]
    """Raises ExchangeError."""
    ask_key: Callable[[ApiKeyPair, Policy | None], tuple[bool, tuple[str, ...]]]
    """Whether a key works, and what is wrong with it. Raises ExchangeError."""
    open_keys: Callable[[Path], CredentialStore]
    """Raises KeyringUnavailable."""
    keyring_of_clients: Callable[[], bool | None]
    """Whether a keyring works in the environment that clients give; None where that could not be tried."""
    servers: Callable[[], list[RunningServer] | None]
    """None where this system does not say."""
    clients: Callable[[], tuple[AssistantClient, ...]]
    open_log_items: Callable[[Path], HomeItems]
    """What the keyring has of the log. Raises KeyringUnavailable."""
    start_entry: Callable[[ServerEntry], str]
    """Starts a client's entry and returns how the server names itself. Raises OSError, and TimeoutError in time."""
    platform: str = sys.platform
    removed_variables: frozenset[str] = field(default_factory=frozenset)
    """The names of the variables that this process was started with and that guardian removed."""
    secret_variables: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def found_policy(self) -> FoundPolicy:
        """Reads the policy that serves, once."""
        path = find_policy_file(self.home)
        packaged = path != self.home / POLICY_NAME
        try:
            return FoundPolicy(path, packaged, load_policy(read_policy_text(path, packaged=packaged)), None)
        except PolicyInvalid as error:
            return FoundPolicy(path, packaged, None, error)

    @property
    def policy(self) -> Policy | None:
        """The policy that serves; None where its file cannot be used."""
        return self.found_policy.policy
