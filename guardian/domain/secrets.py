"""Secrets that hide themselves, and the key pairs made of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final, NoReturn, final


@final
class Secret:
    """A string that shows itself only through `reveal()`.

    `repr`, `str`, f-strings, JSON encoders, pickling and copying give nothing away, so that nothing has to be
    redacted later.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value: Final = value

    def reveal(self) -> str:
        """Returns the value itself. Every use of this word is a place to look at."""
        return self.__value

    def __repr__(self) -> str:
        return "Secret('**********')"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__value == other.__value

    def __hash__(self) -> int:
        return hash(("Secret", self.__value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled or copied")


class KeyKind(StrEnum):
    """How requests are signed with a key."""

    HMAC = "hmac"
    ED25519 = "ed25519"
    RSA = "rsa"


class KeyFamily(StrEnum):
    """Which of an environment's host families a key pair is good for. Only `testnet` needs two pairs."""

    SPOT = "spot"
    FUTURES = "futures"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyPair:
    """One pair of keys of one environment."""

    environment: str
    family: KeyFamily
    kind: KeyKind
    api_key: Secret
    """What goes into the `X-MBX-APIKEY` header."""
    signing_key: Secret
    """For `hmac` the API secret; for `ed25519` the raw 32-byte private key, for `rsa` the private key as unencrypted
    PKCS #8 DER, both in base64."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits that name this key without giving it away."""
        return fingerprint_of(self.environment, self.api_key)

    @property
    def digest(self) -> bytes:
        """32 bytes by which the whole pair is known again without being kept. They are shown and stored nowhere."""
        texts = (self.environment, self.family, self.kind, self.api_key.reveal(), self.signing_key.reveal())
        return sha256("\0".join(("guardian/api-key-pair", *texts)).encode()).digest()


def fingerprint_of(environment: str, api_key: Secret) -> str:
    """Returns 16 hex digits that name an API key of an environment without giving it away."""
    return sha256(f"guardian/api-key/{environment}/{api_key.reveal()}".encode()).hexdigest()[:16]
