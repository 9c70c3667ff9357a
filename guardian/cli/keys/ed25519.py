"""Ed25519 key pairs: made, read from a PEM file, and their public half as Binance takes it."""

from __future__ import annotations

from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError


def generate_ed25519() -> Secret:
    """A new private key from the system's randomness: 32 raw bytes in base64."""
    return Secret(b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode("ascii"))


def ed25519_public_pem(signing_key: Secret) -> str:
    """The public half as PEM with LF line ends, to be registered at Binance. It is no secret."""
    public = Ed25519PrivateKey.from_private_bytes(b64decode(signing_key.reveal(), validate=True)).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def ed25519_from_pem(pem: Secret) -> Secret:
    """The private key out of an unencrypted PEM text, whatever its line ends and the blanks around it.

    Raises CredentialsError for anything else.
    """
    lines = (line.strip() for line in pem.reveal().strip().splitlines())
    try:
        key = load_pem_private_key("\n".join(lines).encode("utf-8") + b"\n", password=None)
    except Exception:  # noqa: BLE001 - cryptography has many; each means that this is not the file
        key = None  # raised below, clear of the exception and its frames
    if not isinstance(key, Ed25519PrivateKey):
        raise CredentialsError(
            "this is not an unencrypted Ed25519 private key in PEM form",
            hint="without `--pem`, `guardian keys add` makes a key that never touches a file",
        )
    return Secret(b64encode(key.private_bytes_raw()).decode("ascii"))
