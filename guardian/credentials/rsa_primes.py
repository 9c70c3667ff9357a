"""The short form of an RSA private key: `e.p.q`, its public exponent and its two primes.

All else of the key follows from these. The PKCS #8 form of a 4096-bit key in base64 has 3168 characters and an item of
Windows' Credential Manager at most 1280; this form has 691. cryptography is slow to import, so it is imported when an
RSA key is there.
"""

from __future__ import annotations

from base64 import b64decode, b64encode

from guardian.domain.secrets import Secret


def rsa_to_primes(signing_key: Secret) -> str:
    """Returns the short form of a key in PKCS #8 DER in base64: the exponent in decimal, the primes in base64.

    Raises ValueError for anything else.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    der = b64decode(signing_key.reveal(), validate=True)
    key = load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - of the text, not of a Python type
    numbers = key.private_numbers()
    primes = (b64encode(prime.to_bytes(-(-prime.bit_length() // 8), "big")) for prime in (numbers.p, numbers.q))
    return ".".join((str(numbers.public_numbers.e), *(prime.decode("ascii") for prime in primes)))


def rsa_from_primes(text: str) -> Secret:
    """Returns the key of a short form in PKCS #8 DER in base64. Raises ValueError where it cannot be one.

    Whether the key is sound is checked by `key_checks.check_pair`.
    """
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    exponent, first, second = text.split(".")
    e = int(exponent)
    p, q = (int.from_bytes(b64decode(prime, validate=True), "big") for prime in (first, second))
    if min(e, p, q) < 3:
        raise ValueError("too small a number")
    d = rsa.rsa_recover_private_exponent(e, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p, q, d,
        rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), rsa.RSAPublicNumbers(e, p * q),
    )  # fmt: skip
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    return Secret(b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode("ascii"))
