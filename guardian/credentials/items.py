"""Reads, writes and removes the items of a keyring, and makes sure each time that it was done."""

from __future__ import annotations

from guardian.credentials.backends import KeyringBackend
from guardian.credentials.item_format import USERNAME
from guardian.credentials.turns import KeyringQueue, class_path
from guardian.credentials.vault.vault_backend import VaultBackend
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError


class KeyringItems:
    """The items of one backend, by service. Every method raises KeyringUnavailable; see `KeyringQueue.call`."""

    def __init__(self, backend: KeyringBackend, queue: KeyringQueue) -> None:
        self._backend = backend
        self._queue = queue

    @property
    def backend_name(self) -> str:
        """Where the items are, for people: the vault and its path, or module and class of the keyring's backend."""
        return self._backend.source if isinstance(self._backend, VaultBackend) else class_path(self._backend)

    def get(self, service: str) -> Secret | None:
        """Returns the value of an item, None where there is no such item."""

        def read() -> Secret | None:
            value = self._backend.get_password(service, USERNAME)
            return None if value is None else Secret(str(value))

        return self._queue.call(read)

    def put(self, service: str, value: Secret) -> None:
        """Writes an item and reads it back. Raises CredentialsError where the keyring did not keep it."""
        self._queue.call(
            lambda: self._backend.set_password(service, USERNAME, value.reveal()),
            unfinished="the item may or may not have been stored",
        )
        if self.get(service) != value:
            raise CredentialsError(
                f"the keyring `{self.backend_name}` took the item but did not keep it",
                hint="is the keyring full, read-only or temporary? nothing can be relied on there",
            )

    def remove(self, service: str) -> bool:
        """Removes an item and makes sure; False where there was none.

        Raises CredentialsError where it is still there.
        """
        if self.get(service) is None:
            return False
        self._queue.call(
            lambda: self._backend.delete_password(service, USERNAME),
            unfinished="the item may or may not have been removed",
        )
        if self.get(service) is not None:
            raise CredentialsError(
                f"the keyring `{self.backend_name}` still has the item `{service}`",
                hint="remove it with your system's own keyring program",
            )
        return True
