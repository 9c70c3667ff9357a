"""What a person may give in place of a usable private key, each named for what it is, with the next step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

_MAKES_ITS_OWN: Final = "`guardian keys add` without a file makes a key that never touches one"
_NEEDS_PRIVATE: Final = "give the private half; it was made with it, often as the file without `.pub`"


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a text is not a usable private key, and what to do."""

    message: str
    hint: str


class Unusable(Enum):
    """Each kind of text that is no usable private key."""

    EMPTY = Flaw("there is nothing in it", "give a private key, a `.env` file or an MCP client's configuration")
    NO_TEXT = Flaw(
        "it is neither text nor a private key in DER", "an Ed25519 or RSA private key in PEM is what can be read"
    )
    NO_KEY = Flaw(
        "it is not a private key: it has no `-----BEGIN ... PRIVATE KEY-----` line",
        "an Ed25519 or RSA private key in PEM is what can be read",
    )
    CUT = Flaw("it is cut off: its `-----END` line is missing", "copy the whole text, the last line too")
    DAMAGED = Flaw(
        "it is damaged or cut off: what is between its first and its last line is no whole key",
        "copy the whole text again from where it came from",
    )
    SEVERAL = Flaw("it holds more than one private key", "give a file with the one that Binance knows")
    PUBLIC = Flaw("it is a public key, which cannot sign", _NEEDS_PRIVATE)
    CERTIFICATE = Flaw("it is a certificate, which holds a public key and cannot sign", _NEEDS_PRIVATE)
    REQUEST = Flaw("it is a request for a certificate, which holds a public key and cannot sign", _NEEDS_PRIVATE)
    PARAMETERS = Flaw("it holds the parameters of keys and no key", _MAKES_ITS_OWN)
    DSA = Flaw("it is a DSA key, which Binance does not take", _MAKES_ITS_OWN)
    OTHER_CURVE = Flaw(
        "it is a key of another curve (X25519, X448 or Ed448), which Binance does not take", _MAKES_ITS_OWN
    )
    OTHER = Flaw("it is a private key of a kind that Binance does not take", _MAKES_ITS_OWN)
    SECURITY_KEY = Flaw(
        "it is a handle to a key inside a security key (`sk-`), which cannot sign requests", _MAKES_ITS_OWN
    )
    PUTTY = Flaw(
        "it is a key of PuTTY (`.ppk`)", "`puttygen FILE -O private-openssh-new -o NEW` writes one that can be read"
    )
    PGP = Flaw("it is a PGP key, which Binance does not take", _MAKES_ITS_OWN)
    PKCS12 = Flaw("it is a PKCS #12 file (`.p12`, `.pfx`)", "`openssl pkcs12 -in FILE -nocerts -nodes` shows its key")
    JWK = Flaw("it is a JSON web key, which is not read", "write the key as PEM (PKCS #8)")
    ENCRYPTION = Flaw(
        "it is encrypted in a way that cannot be read here",
        "`openssl pkey -in FILE -aes256` encrypts it in another way",
    )
    PASSPHRASE = Flaw("the passphrase does not open it", "the passphrase is the one that was set when the key was made")


BY_LABEL: Final = {
    "PUBLIC KEY": Unusable.PUBLIC,
    "RSA PUBLIC KEY": Unusable.PUBLIC,
    "SSH2 PUBLIC KEY": Unusable.PUBLIC,
    "CERTIFICATE": Unusable.CERTIFICATE,
    "X509 CERTIFICATE": Unusable.CERTIFICATE,
    "TRUSTED CERTIFICATE": Unusable.CERTIFICATE,
    "CERTIFICATE REQUEST": Unusable.REQUEST,
    "NEW CERTIFICATE REQUEST": Unusable.REQUEST,
    "EC PARAMETERS": Unusable.PARAMETERS,
    "DH PARAMETERS": Unusable.PARAMETERS,
    "DSA PRIVATE KEY": Unusable.DSA,
    "PGP PRIVATE KEY BLOCK": Unusable.PGP,
    "PGP PUBLIC KEY BLOCK": Unusable.PGP,
}
"""What a block of PEM is by its label alone."""


def ec_key(curve: str) -> Flaw:
    """Returns the flaw of a key of an elliptic curve that is not Ed25519."""
    return Flaw(f"it is an EC key (curve {curve}), which Binance does not take", _MAKES_ITS_OWN)


def rsa_of(bits: int, least: int, most: int) -> Flaw:
    """Returns the flaw of an RSA key of a length that Binance does not register, in bits."""
    side = "too short" if bits < least else "too long"
    return Flaw(f"it is an RSA key of {bits} bits, which is {side}: Binance takes {least} to {most}", _MAKES_ITS_OWN)
