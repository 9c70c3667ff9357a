"""Vaults whose key takes a few milliseconds to derive. Light to import: programs that tests start import it too."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from guardian.credentials.vault.key_derivation import ARGON2ID, SALT_BYTES, Kdf, VaultKey, derive
from guardian.credentials.vault.unlocked import UnlockedVaults
from guardian.credentials.vault.vault_backend import VaultBackend
from guardian.credentials.vault.vault_file import VaultFile
from guardian.credentials.vault.vault_format import SealedVault, new_vault
from guardian.domain.secrets import Secret

PASSPHRASE: Final = "CANARYphrase of five plain words"
WRONG: Final = "quite another phrase than that"


def cheap_kdf() -> Kdf:
    return Kdf(name=ARGON2ID, salt=secrets.token_bytes(SALT_BYTES), iterations=1, lanes=1, memory_kib=16 * 1024)


def cheap_vault() -> tuple[SealedVault, VaultKey]:
    """An empty vault and its key."""
    kdf = cheap_kdf()
    key = derive(Secret(PASSPHRASE), kdf)
    return new_vault(key, kdf, secrets.token_bytes), key


def vault_in(home: Path) -> VaultBackend:
    """An empty vault in a home, open."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    vault, key = cheap_vault()
    file = VaultFile(home)
    with file.locked():
        file.write(vault)
    vaults = UnlockedVaults(lambda: None)
    vaults.keep(vault, key)
    return VaultBackend(home, vaults=vaults)


def opened(home: Path, passphrase: str = PASSPHRASE) -> VaultBackend:
    """The vault of a home as another process sees it that is given this passphrase."""
    vaults = UnlockedVaults(lambda: None)
    vaults.give(Secret(passphrase))
    return VaultBackend(home, vaults=vaults)
