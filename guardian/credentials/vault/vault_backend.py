"""The vault in the place of a system's keyring: the same three methods, over the file."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from guardian.credentials.vault.unlocked import PROCESS_VAULTS, UnlockedVaults
from guardian.credentials.vault.vault_file import VaultFile
from guardian.credentials.vault.vault_format import MAX_VALUE_BYTES, ItemName, RandomBytes, value_in, with_value
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError


class VaultBackend:
    """A `KeyringBackend` that keeps its items in the vault of a home.

    Every method raises VaultLocked without the passphrase, VaultDamaged where the file is not what guardian wrote, and
    KeyringUnavailable where it cannot be read or written.
    """

    def __init__(
        self,
        home: Path,
        *,
        vaults: UnlockedVaults = PROCESS_VAULTS,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        self.file: Final = VaultFile(home)
        self._vaults = vaults
        self._random_bytes = random_bytes

    @property
    def source(self) -> str:
        """Where items are kept, for people."""
        return f"vault {self.file.path}"

    def get_password(self, service: str, username: str) -> str | None:
        """Returns the value of an item; None where there is no such item."""
        with self.file.locked():
            vault = self.file.read()
        value = value_in(vault, self._vaults.key_of(vault), (service, username))
        return None if value is None else value.reveal()

    def set_password(self, service: str, username: str, password: str) -> None:
        """Sets an item. Raises CredentialsError where the value is too long."""
        value = Secret(password)
        del password  # from here on no frame of an error shows it
        if len(value.reveal().encode("utf-8", "surrogatepass")) > MAX_VALUE_BYTES:
            raise CredentialsError(f"the value of `{service}` is over {MAX_VALUE_BYTES} bytes")
        self._change((service, username), value)

    def delete_password(self, service: str, username: str) -> None:
        """Removes an item. Raises CredentialsError where there is no such item."""
        self._change((service, username), None)

    def _change(self, name: ItemName, value: Secret | None) -> None:
        self._derive()
        with self.file.locked():
            vault = self.file.read()
            if value is None and name not in vault.items:
                raise CredentialsError(f"the vault has no item `{name[0]}`")
            self.file.write(with_value(vault, self._vaults.key_of(vault), name, value, self._random_bytes))

    def _derive(self) -> None:
        """Derives the key before the file is held, so that no other process waits for that."""
        with self.file.locked():
            vault = self.file.read()
        self._vaults.key_of(vault)
