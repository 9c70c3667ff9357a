"""The vaults that this process has opened: a key is derived once, and a passphrase is not kept longer than that."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final

from guardian.credentials.vault.key_derivation import VaultKey, derive
from guardian.credentials.vault.passphrase import credential_passphrase, normal
from guardian.credentials.vault.vault_format import SealedVault, opens
from guardian.domain.secrets import Secret
from guardian.errors import VaultLocked

GIVE_HINT: Final = (
    "start the server with `guardian serve --vault-passphrase-fd N`, or give it the systemd credential "
    "`guardian-vault`; a command at a terminal asks for it"
)


class UnlockedVaults:
    """The keys of vaults, by the salt they were derived with.

    `credential` returns the passphrase that the system gives to this process, if it does; it raises CredentialsError
    where there is one that cannot be used.
    """

    def __init__(self, credential: Callable[[], Secret | None]) -> None:
        self._credential = credential
        self._keys: dict[bytes, VaultKey] = {}
        self._refused: set[bytes] = set()
        """The salts of vaults that what this process was given does not open: it is not derived again."""
        self._given: Secret | None = None
        self._lock = Lock()

    def give(self, passphrase: Secret) -> None:
        """Keeps a passphrase until the first vault is opened with it, or is not."""
        self._given = passphrase

    def is_unlocked(self, vault: SealedVault) -> bool:
        """Whether the key of this vault is known."""
        return vault.kdf.salt in self._keys

    def unlock(self, vault: SealedVault, passphrase: Secret) -> VaultKey:
        """Returns the vault's key, and keeps it.

        Raises:
            VaultLocked: this is not the passphrase.
            CredentialsError: this cannot be one: it is empty, too long, or has a control character.
            KeyringUnavailable: no key could be derived here.
        """
        key = derive(normal(passphrase), vault.kdf)
        if not opens(vault, key):
            raise VaultLocked("the passphrase does not open the vault", hint="is it the one of this home's vault?")
        self.keep(vault, key)
        return key

    def keep(self, vault: SealedVault, key: VaultKey) -> None:
        """Keeps the key of a vault that this process has just made."""
        self._keys[vault.kdf.salt] = key

    def key_of(self, vault: SealedVault) -> VaultKey:
        """Returns the vault's key, derived at the first call from what this process was given.

        Raises VaultLocked where it was given nothing, or something else. Raises as `credential` and `unlock` do.
        """
        with self._lock:
            key = self._keys.get(vault.kdf.salt)
            if key is not None:
                return key
            if vault.kdf.salt in self._refused:
                raise VaultLocked("the vault is locked: the passphrase that was given does not open it", hint=GIVE_HINT)
            passphrase, self._given = self._given or self._credential(), None
            if passphrase is None:
                raise VaultLocked("the vault is locked: its passphrase was not given to this process", hint=GIVE_HINT)
            try:
                return self.unlock(vault, passphrase)
            except VaultLocked:
                self._refused.add(vault.kdf.salt)
                raise


PROCESS_VAULTS: Final = UnlockedVaults(credential_passphrase)
"""Those of this process, whoever opens them."""
