"""Makes the vault of a home, and changes its passphrase."""

from __future__ import annotations

import secrets
from pathlib import Path

from guardian.credentials.vault.key_derivation import SALT_BYTES, derive, new_kdf
from guardian.credentials.vault.passphrase import check_new, normal
from guardian.credentials.vault.unlocked import PROCESS_VAULTS, UnlockedVaults
from guardian.credentials.vault.vault_file import VaultFile
from guardian.credentials.vault.vault_format import RandomBytes, new_vault, value_in, with_value
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError, VaultDamaged


def create_vault(
    home: Path,
    passphrase: Secret,
    *,
    vaults: UnlockedVaults = PROCESS_VAULTS,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> VaultFile:
    """Makes an empty vault in a home, open in this process.

    Raises:
        CredentialsError: there is one already, or the passphrase is too short.
        KeyringUnavailable: the file could not be written, or no key could be derived.
    """
    passphrase = normal(passphrase)
    check_new(passphrase)
    kdf = new_kdf(random_bytes(SALT_BYTES))
    key = derive(passphrase, kdf)
    vault = new_vault(key, kdf, random_bytes)
    file = VaultFile(home)
    with file.locked():
        if file.exists():
            raise CredentialsError(f"there is a vault already: `{file.path}`")
        file.write(vault)
    vaults.keep(vault, key)
    return file


def change_passphrase(
    home: Path,
    new: Secret,
    *,
    vaults: UnlockedVaults = PROCESS_VAULTS,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> None:
    """Encrypts each item of an open vault again, with the key of another passphrase and a new salt.

    Other processes that have the vault open see it locked from then on. An older copy of the file still opens with the
    older passphrase.

    Raises:
        CredentialsError: the new passphrase is too short; the vault is as it was, here and below.
        VaultLocked: the vault is not open in this process.
        VaultDamaged: an item cannot be decrypted.
        KeyringUnavailable: the file could not be written, or no key could be derived.
    """
    new = normal(new)
    check_new(new)
    kdf = new_kdf(random_bytes(SALT_BYTES))
    key = derive(new, kdf)
    file = VaultFile(home)
    with file.locked():
        old = file.read()
        old_key = vaults.key_of(old)
        made = new_vault(key, kdf, random_bytes)
        for name in old.items:
            value = value_in(old, old_key, name)
            if value is None:
                raise VaultDamaged(f"the vault's item `{name[0]}` is gone")
            made = with_value(made, key, name, value, random_bytes)
        file.write(made)
    vaults.keep(made, key)
