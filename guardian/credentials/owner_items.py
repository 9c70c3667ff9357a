"""What the keyring keeps of the owner besides API keys: the hash of the PIN, and which home guards the keys.

The keys are the user's, not a home's. A home that demands a passkey or PIN therefore guards them: another home, which
any program can make, does not get them. Services `guardian/owner/pin/<log>/<digest>` and `guardian/owner/guard`,
username `v1`; `<log>` names the home's log by 32 hex digits, `<digest>` the hash by 16.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guardian.credentials.backends import KeyringBackend, find_backend
from guardian.credentials.item_format import USERNAME
from guardian.credentials.turns import SYSTEM_KEYRING, KeyringQueue
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError
from guardian.system.core_dumps import forbid_core_dumps

GUARD_SERVICE: Final = "guardian/owner/guard"
PIN_SERVICE: Final = "guardian/owner/pin"
_INTERACTIVE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The home whose owner's passkey or PIN guards the keys."""

    log: str
    home: str
    """Where it was when it began to guard them, for people."""


class OwnerItems:
    """The owner's items in one keyring backend. Each method raises KeyringUnavailable where the keyring fails.

    `home` is where this home is, for people.
    """

    def __init__(self, backend: KeyringBackend, queue: KeyringQueue, *, home: str) -> None:
        self._backend = backend
        self._queue = queue
        self._home = home

    def pin_hash(self, name: str) -> Secret | None:
        """Returns the hash of this name; None where it is missing."""
        return self._read(f"{PIN_SERVICE}/{name}")

    def set_pin_hash(self, name: str, hashed: Secret) -> None:
        """Stores a hash under a name. Raises CredentialsError where it was not kept."""
        self._write(f"{PIN_SERVICE}/{name}", hashed)

    def remove_pin_hash(self, name: str) -> None:
        """Removes the hash of this name, if there is one. Raises CredentialsError where it is still there."""
        self._remove(f"{PIN_SERVICE}/{name}")

    def guard(self) -> Guard | None:
        """Returns which home guards the keys; None where no home does. Raises CredentialsError for a damaged item."""
        value = self._read(GUARD_SERVICE)
        if value is None:
            return None
        try:
            found = json.loads(value.reveal())
            return Guard(log=str(found["log"]), home=str(found["home"]))
        except (ValueError, TypeError, KeyError, RecursionError):
            raise CredentialsError(
                f"the item `{GUARD_SERVICE}` in the keyring is damaged: which home guards the keys is not known",
                hint="if it is your only home, remove the item with your system's own keyring program",
            ) from None

    def check_guard(self, log: str) -> None:
        """Raises CredentialsError where another home than the one with this log guards the keys."""
        found = self.guard()
        if found is not None and found.log != log:
            raise CredentialsError(
                f"the keys in the keyring are guarded by the passkey or PIN of another home, `{found.home}`",
                hint=f"use that home; if it is gone for good, remove the item `{GUARD_SERVICE}` with your system's own "
                "keyring program",
            )

    def claim(self, log: str) -> None:
        """Has this home guard the keys. Raises CredentialsError: another home does already, or it was not kept."""
        self.check_guard(log)
        value = Secret(json.dumps({"v": 1, "log": log, "home": self._home}, separators=(",", ":")))
        self._write(GUARD_SERVICE, value)

    def release(self, log: str) -> None:
        """Ends the guarding by a home; another home's is left. Raises CredentialsError where it is still there."""
        before = self.guard()
        if before is not None and before.log == log:
            self._remove(GUARD_SERVICE)

    def _read(self, service: str) -> Secret | None:
        def read() -> Secret | None:
            value = self._backend.get_password(service, USERNAME)
            return None if value is None else Secret(str(value))

        return self._queue.call(read)

    def _write(self, service: str, value: Secret) -> None:
        self._call(lambda: self._backend.set_password(service, USERNAME, value.reveal()), "stored")
        if self._read(service) != value:
            raise CredentialsError(f"the keyring took the item `{service}` but did not keep it")

    def _remove(self, service: str) -> None:
        if self._read(service) is None:
            return
        self._call(lambda: self._backend.delete_password(service, USERNAME), "removed")
        if self._read(service) is not None:
            raise CredentialsError(
                f"the keyring still has the item `{service}`",
                hint="remove it with your system's own keyring program",
            )

    def _call(self, act: Callable[[], None], what: str) -> None:
        self._queue.call(act, unfinished=f"the item may or may not have been {what}")


def open_owner_items(home: Path, *, timeout_s: float = _INTERACTIVE_S) -> OwnerItems:
    """Returns the items in the vault of a home that has one, else in this system's keyring.

    Raises KeyringUnavailable where no allowed backend works.
    """
    forbid_core_dumps()
    queue = KeyringQueue(timeout_s, SYSTEM_KEYRING)
    return OwnerItems(queue.call(lambda: find_backend(home)), queue, home=str(home))
