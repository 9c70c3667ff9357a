"""The vault's key: by which function, at which cost, and never shown."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from guardian.credentials.vault import key_derivation
from guardian.credentials.vault.key_derivation import ARGON2ID, SCRYPT, check_bounds, derive, new_kdf
from guardian.domain.secrets import Secret
from guardian.errors import KeyringUnavailable
from tests.support.vaults import PASSPHRASE, cheap_kdf

SALT = bytes(range(16))
NONCE = bytes(12)


def test_new_vault_uses_argon2id_with_64_mib() -> None:
    """Three passes, four lanes, 64 MiB, where this machine's OpenSSL has it."""
    kdf = new_kdf(SALT)
    assert (kdf.name, kdf.iterations, kdf.lanes, kdf.memory_kib) == (ARGON2ID, 3, 4, 65536)
    check_bounds(kdf)


def test_machine_without_argon2id_makes_and_opens_a_vault_with_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fallback is scrypt with N = 2^17, r = 8, p = 1, and its key is that of `cryptography`'s own scrypt."""
    monkeypatch.setattr(key_derivation, "_has_argon2id", lambda: False)
    kdf = new_kdf(SALT)
    assert (kdf.name, kdf.memory_kib, kdf.lanes) == (SCRYPT, 131072, 1)
    raw = Scrypt(salt=SALT, length=32, n=2**17, r=8, p=1).derive(PASSPHRASE.encode())
    expected = AESGCM(raw).encrypt(NONCE, b"x", b"context")
    assert derive(Secret(PASSPHRASE), kdf).encrypt(Secret("x"), NONCE, b"context") == expected


def test_argon2id_vault_on_a_machine_without_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither a wrong passphrase nor damage, and the hint is what to install."""
    monkeypatch.setattr(key_derivation, "_has_argon2id", lambda: False)
    with pytest.raises(KeyringUnavailable, match="Argon2id, which this machine's OpenSSL lacks"):
        derive(Secret(PASSPHRASE), cheap_kdf())


def test_too_little_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the memory cannot be allocated, the error names how much is needed, and has no frame with a secret."""

    class Starved:
        def __init__(self, **_: object) -> None: ...

        def derive(self, data: bytes) -> bytes:
            raise MemoryError

    monkeypatch.setattr("cryptography.hazmat.primitives.kdf.argon2.Argon2id", Starved)
    with pytest.raises(KeyringUnavailable, match="needs 16 MiB of memory") as caught:
        derive(Secret(PASSPHRASE), cheap_kdf())
    assert caught.value.__context__ is None


def test_other_passphrase_and_other_salt_give_other_keys() -> None:
    """What one encrypts the other does not decrypt."""
    kdf = cheap_kdf()
    key = derive(Secret(PASSPHRASE), kdf)
    sealed = key.encrypt(Secret("value"), NONCE, b"context")
    same = derive(Secret(PASSPHRASE), kdf).decrypt(sealed, NONCE, b"context")
    assert same is not None
    assert same.reveal() == "value"
    assert derive(Secret(PASSPHRASE + "."), kdf).decrypt(sealed, NONCE, b"context") is None
    assert derive(Secret(PASSPHRASE), replace(kdf, salt=SALT)).decrypt(sealed, NONCE, b"context") is None
    assert key.decrypt(sealed, NONCE, b"another") is None


def test_key_shows_nothing_and_is_not_copied() -> None:
    """repr, attributes, pickling and copying give nothing of the key away."""
    key = derive(Secret(PASSPHRASE), cheap_kdf())
    assert repr(key) == "VaultKey('**********')"
    assert not hasattr(key, "__dict__")
    for copying in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copying(key)
