"""Signs requests with a key that nothing else holds: a `Signer` is made once, when guardian connects.

python-binance would keep the key in attributes, where `repr`, `vars` and a traceback with local variables show it. A
`Signer` has no attribute with key material in it: the key is inside an object of `cryptography`, which a closure holds.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Final, NoReturn, final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import load_der_private_key

from guardian.domain.secrets import ApiKeyPair, KeyKind, Secret

Sign = Callable[[bytes], str]


@final
class Signer:
    """One key of one environment, which signs and shows nothing.

    `repr`, `vars`, pickling and copying give no part of the key away.
    """

    __slots__ = ("__api_key", "__sign", "environment", "fingerprint")

    def __init__(self, pair: ApiKeyPair) -> None:
        self.environment: Final = pair.environment
        self.fingerprint: Final = pair.fingerprint
        """See `ApiKeyPair.fingerprint`."""
        self.__api_key: Final = pair.api_key
        self.__sign: Final = _sign_with(pair.kind, pair.signing_key)

    def sign(self, payload: bytes) -> str | None:
        """Returns the signature of `payload` as Binance documents it; None where the stored key cannot sign.

        `hmac`: SHA-256, in hex. `ed25519`: base64. `rsa`: PKCS #1 v1.5 with SHA-256, base64. Nothing is raised: the
        frames of an exception hold what was signed.
        """
        if self.__sign is None:
            return None
        try:
            return self.__sign(payload)
        except Exception:  # noqa: BLE001 - whatever the library raises, nothing was signed
            return None

    def api_key(self) -> Secret:
        """Returns the API key, which is sent with each signed request."""
        return self.__api_key

    def __repr__(self) -> str:
        return f"Signer({self.environment!r}, {self.fingerprint!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Signer is not pickled or copied")


def _sign_with(kind: KeyKind, signing_key: Secret) -> Sign | None:
    """Returns what signs with that key, decoded here and never again; None where the key is not of its kind."""
    try:
        match kind:
            case KeyKind.HMAC:
                return _hmac_sign(HMAC(signing_key.reveal().encode(), SHA256()))
            case KeyKind.ED25519:
                return _ed25519_sign(Ed25519PrivateKey.from_private_bytes(_decoded(signing_key)))
            case KeyKind.RSA:
                # Whether its numbers belong together was checked where it was read; for 4096 bits that takes 0.25 s.
                key = load_der_private_key(_decoded(signing_key), password=None, unsafe_skip_rsa_key_validation=True)
                return _rsa_sign(key) if isinstance(key, RSAPrivateKey) else None
    except Exception:  # noqa: BLE001 - the library has many; each means that this key cannot sign
        return None


def _decoded(signing_key: Secret) -> bytes:
    return b64decode(signing_key.reveal(), validate=True)


def _hmac_sign(keyed: HMAC) -> Sign:
    def sign(payload: bytes) -> str:
        code = keyed.copy()
        code.update(payload)
        return code.finalize().hex()

    return sign


def _ed25519_sign(key: Ed25519PrivateKey) -> Sign:
    return lambda payload: b64encode(key.sign(payload)).decode("ascii")


def _rsa_sign(key: RSAPrivateKey) -> Sign:
    return lambda payload: b64encode(key.sign(payload, PKCS1v15(), SHA256())).decode("ascii")
