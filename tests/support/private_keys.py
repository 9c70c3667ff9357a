"""Private keys in each form that people have, made once for all tests of a process."""

from __future__ import annotations

import functools
from base64 import b64encode
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
PASSPHRASE = "a passphrase of some length"
SEED = bytes(range(32))


@functools.cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    """The Ed25519 key of `SEED`."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(SEED)


@functools.cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A new RSA key."""
    return rsa.generate_private_key(65537, bits)


def private_pem(key: PrivateKey, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: str | None = None) -> str:
    """The key in one form of PEM, encrypted where there is a passphrase."""
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(Encoding.PEM, form, encryption).decode()


def public_half(key: PrivateKey) -> bytes:
    """The public half in PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


KEYS: dict[str, Callable[[], PrivateKey]] = {"ed25519": ed25519_key, "rsa": rsa_key}
FORMS: dict[str, tuple[str, PrivateFormat]] = {
    "Ed25519 PKCS #8": ("ed25519", PrivateFormat.PKCS8),
    "Ed25519 OpenSSH": ("ed25519", PrivateFormat.OpenSSH),
    "RSA PKCS #8": ("rsa", PrivateFormat.PKCS8),
    "RSA PKCS #1": ("rsa", PrivateFormat.TraditionalOpenSSL),
    "RSA OpenSSH": ("rsa", PrivateFormat.OpenSSH),
}
"""Each form of PEM that Binance's two kinds of key have."""

DRESSES: dict[str, Callable[[str], bytes]] = {
    "as made": lambda pem: pem.encode(),
    "line ends of Windows": lambda pem: pem.replace("\n", "\r\n").encode(),
    "line ends of old Macs": lambda pem: pem.replace("\n", "\r").encode(),
    "line ends written out": lambda pem: pem.replace("\n", "\\n").encode(),
    "line ends of Windows written out": lambda pem: pem.replace("\n", "\\r\\n").encode(),
    "written out in quotes": lambda pem: ('"' + pem.replace("\n", "\\n") + '"').encode(),
    "in single quotes": lambda pem: f"'{pem}'".encode(),
    "a variable of a shell": lambda pem: f'export BINANCE_PRIVATE_KEY="{pem}"'.encode(),
    "on one line": lambda pem: pem.replace("\n", " ").encode(),
    "no line ends at all": lambda pem: pem.replace("\n", "").encode(),
    "no last line end": lambda pem: pem.rstrip("\n").encode(),
    "blanks around": lambda pem: ("\n \t\n" + pem + " \n\n").encode(),
    "indented": lambda pem: "".join(f"    {line}\n" for line in pem.splitlines()).encode(),
    "blanks at the ends of lines": lambda pem: pem.replace("\n", "  \n").encode(),
    "byte order mark": lambda pem: b"\xef\xbb\xbf" + pem.encode(),
    "UTF-16 of PowerShell": lambda pem: pem.replace("\n", "\r\n").encode("utf-16"),
    "explained": lambda pem: (
        b"Bag Attributes\n    friendlyName: mine\nKey Attributes: <No Attributes>\n" + pem.encode()
    ),
}
"""What happens to a PEM on its way through mails, shells, editors and systems."""


def der(key: PrivateKey) -> bytes:
    """The key as PKCS #8 DER."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def der_in_base64(key: PrivateKey) -> str:
    """The same in base64 on one line."""
    return b64encode(der(key)).decode()
