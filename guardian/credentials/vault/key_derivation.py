"""Derives a vault's key from its passphrase: Argon2id, or scrypt where this machine's OpenSSL has no Argon2id.

The parameters are read from the file, so they are bounded before anything is derived: a file that asks for a terabyte
of memory is refused. `cryptography` is imported when the first key is derived.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, final

from guardian.domain.secrets import Secret
from guardian.errors import KeyringUnavailable, VaultDamaged
from guardian.system.derivation_turn import DERIVATION_TURN

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
_KEY_BYTES: Final = 32
_MIB: Final = 1024
_SCRYPT_BLOCK: Final = 8

ARGON2ID: Final = "argon2id"
SCRYPT: Final = "scrypt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kdf:
    """A key derivation function, its salt and its costs; the memory is in KiB.

    `argon2id` has iterations and lanes. `scrypt` has block size 8; its N follows from the memory, and its p is `lanes`.
    """

    name: str
    salt: bytes
    iterations: int
    lanes: int
    memory_kib: int


# Argon2id by RFC 9106's second choice: 64 MiB, three passes, four lanes; about 0.2 s. scrypt: N = 2^17, about 0.4 s.
_ARGON2ID_COSTS: Final = {"iterations": 3, "lanes": 4, "memory_kib": 64 * _MIB}
_SCRYPT_COSTS: Final = {"iterations": 1, "lanes": 1, "memory_kib": 128 * _MIB}
_BOUNDS: Final = {
    ARGON2ID: {"iterations": (1, 10), "lanes": (1, 16), "memory_kib": (16 * _MIB, 512 * _MIB)},
    SCRYPT: {"iterations": (1, 1), "lanes": (1, 4), "memory_kib": (16 * _MIB, 512 * _MIB)},
}
"""What is accepted from a file: the lowest and the highest value."""


@final
class VaultKey:
    """The key of a vault, as an object that encrypts and decrypts and shows nothing of itself."""

    __slots__ = ("__cipher",)

    def __init__(self, cipher: AESGCM) -> None:
        self.__cipher: Final = cipher

    def encrypt(self, plain: Secret, nonce: bytes, context: bytes) -> bytes:
        """Returns the ciphertext with its tag. `context` is authenticated with it."""
        return self.__cipher.encrypt(nonce, plain.reveal().encode("utf-8"), context)

    def decrypt(self, ciphertext: bytes, nonce: bytes, context: bytes) -> Secret | None:
        """Returns the plain text; None where key, nonce, context or ciphertext is not what it was encrypted with."""
        from cryptography.exceptions import InvalidTag

        try:
            return Secret(self.__cipher.decrypt(nonce, ciphertext, context).decode("utf-8"))
        except (InvalidTag, UnicodeDecodeError):
            return None

    def __repr__(self) -> str:
        return "VaultKey('**********')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a VaultKey is not pickled or copied")


def new_kdf(salt: bytes) -> Kdf:
    """Returns the function and the costs for a new vault on this machine."""
    if _has_argon2id():
        return Kdf(name=ARGON2ID, salt=salt, **_ARGON2ID_COSTS)
    return Kdf(name=SCRYPT, salt=salt, **_SCRYPT_COSTS)


def check_bounds(kdf: Kdf) -> None:
    """Raises VaultDamaged unless the function is known and each cost is within its bounds."""
    if kdf.name not in _BOUNDS:
        raise VaultDamaged("the vault names a key derivation function that guardian does not know")
    for name, (lowest, highest) in _BOUNDS[kdf.name].items():
        if not lowest <= getattr(kdf, name) <= highest:
            raise VaultDamaged(f"the vault's `{name}` is outside {lowest} to {highest}; no key is derived with it")
    if kdf.name == SCRYPT and kdf.memory_kib & (kdf.memory_kib - 1):
        raise VaultDamaged("the vault's `memory_kib` is not a power of two; scrypt needs one")
    if len(kdf.salt) != SALT_BYTES:
        raise VaultDamaged(f"the vault's salt is not {SALT_BYTES} bytes")


def derive(passphrase: Secret, kdf: Kdf) -> VaultKey:
    """Returns the key of a passphrase. It takes some tenths of a second and tens of MiB.

    Raises:
        VaultDamaged: a cost is out of bounds; nothing was derived.
        KeyringUnavailable: this machine lacks the function or the memory.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    check_bounds(kdf)
    if kdf.name == ARGON2ID and not _has_argon2id():
        raise KeyringUnavailable(
            "the vault was made with Argon2id, which this machine's OpenSSL lacks",
            hint="install `cryptography` from its own wheels, or OpenSSL 3.2 or newer",
        )
    function = (
        Argon2id(
            salt=kdf.salt,
            length=_KEY_BYTES,
            iterations=kdf.iterations,
            lanes=kdf.lanes,
            memory_cost=kdf.memory_kib,
        )
        if kdf.name == ARGON2ID
        else Scrypt(
            salt=kdf.salt,
            length=_KEY_BYTES,
            n=kdf.memory_kib * 1024 // (128 * _SCRYPT_BLOCK),
            r=_SCRYPT_BLOCK,
            p=kdf.lanes,
        )
    )
    key: VaultKey | None = None
    with suppress(MemoryError), DERIVATION_TURN:
        # In one expression, so that no frame has a local variable with the passphrase or the key.
        key = VaultKey(AESGCM(function.derive(passphrase.reveal().encode("utf-8"))))
    if key is None:
        raise KeyringUnavailable(f"the vault's key needs {kdf.memory_kib // _MIB} MiB of memory; less is free here")
    return key


def _has_argon2id() -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        Argon2id(salt=bytes(SALT_BYTES), length=_KEY_BYTES, iterations=1, lanes=1, memory_cost=8)
    except UnsupportedAlgorithm:
        return False
    return True
