"""Keeps the hash of the owner's PIN in the keyring: service `guardian/owner/pin`, username `v1`."""

from __future__ import annotations

from typing import Final

from guardian.credentials.backends import KeyringBackend, find_backend
from guardian.credentials.item_format import USERNAME
from guardian.credentials.turns import SYSTEM_KEYRING, KeyringQueue, Turn
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError

SERVICE: Final = "guardian/owner/pin"
INTERACTIVE_TIMEOUT_S: Final = 60.0


class PinHashStore:
    """The one hash in one keyring backend. Each method raises KeyringUnavailable where the keyring fails."""

    def __init__(self, backend: KeyringBackend, *, timeout_s: float, turn: Turn | None = None) -> None:
        self._backend = backend
        self._queue = KeyringQueue(timeout_s, turn or Turn())

    def get(self) -> Secret | None:
        """Returns the hash; None where no PIN is set."""

        def read() -> Secret | None:
            value = self._backend.get_password(SERVICE, USERNAME)
            return None if value is None else Secret(str(value))

        return self._queue.call(read)

    def put(self, hashed: Secret) -> None:
        """Stores the hash in place of any other, and reads it back. Raises CredentialsError where it was not kept."""
        self._queue.call(
            lambda: self._backend.set_password(SERVICE, USERNAME, hashed.reveal()),
            unfinished="the PIN may or may not have been set",
        )
        if self.get() != hashed:
            raise CredentialsError("the keyring took the PIN's hash but did not keep it")

    def remove(self) -> None:
        """Removes the hash, if there is one. Raises CredentialsError where it is still there."""
        if self.get() is None:
            return
        self._queue.call(
            lambda: self._backend.delete_password(SERVICE, USERNAME),
            unfinished="the PIN may or may not have been removed",
        )
        if self.get() is not None:
            raise CredentialsError(
                "the keyring still has the PIN's hash",
                hint=f"remove the item `{SERVICE}` with your system's own keyring program",
            )


def open_pin_hash(*, timeout_s: float = INTERACTIVE_TIMEOUT_S) -> PinHashStore:
    """Returns the store in this system's keyring. Raises KeyringUnavailable where no allowed backend works."""
    backend = KeyringQueue(timeout_s, SYSTEM_KEYRING).call(find_backend)
    return PinHashStore(backend, timeout_s=timeout_s, turn=SYSTEM_KEYRING)
