"""A private key is read in each form that people have, and what cannot be used is named for what it is."""

from __future__ import annotations

import datetime as dt
import functools
import re
import traceback
from base64 import b64encode
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)

from guardian.cli.keys.reading.private_keys import read_private_key
from guardian.cli.keys.reading.signing_keys import SigningKey, generate_ed25519, public_pem
from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import ApiKeyPair, KeyFamily, Secret
from guardian.errors import CredentialsError
from guardian.exchange.http.signing import Signer
from guardian.paper.keys import verifier_of
from tests.support.keyring import MemoryKeyring
from tests.support.present import present
from tests.support.private_keys import (
    DRESSES,
    FORMS,
    KEYS,
    PASSPHRASE,
    PrivateKey,
    der,
    der_in_base64,
    ed25519_key,
    private_pem,
    public_half,
    rsa_key,
)

PAYLOAD = b"symbol=BTCUSDT&timestamp=1499827319559"


def not_asked() -> Secret:
    raise AssertionError("a passphrase was asked for")


def read(data: bytes, ask: Callable[[], Secret] = not_asked) -> SigningKey:
    return read_private_key(Secret(data.decode("latin-1")), ask)


def assert_signs_as(read_key: SigningKey, key: PrivateKey) -> None:
    """Stored, read again and made a signer, the key signs what the paper exchange verifies with its public half."""
    store = CredentialStore(MemoryKeyring())
    store.put(
        ApiKeyPair(
            environment="testnet",
            family=KeyFamily.SPOT,
            kind=read_key.kind,
            api_key=Secret("k" * 64),
            signing_key=read_key.value,
        )
    )
    signature = present(Signer(present(store.get("testnet", KeyFamily.SPOT))).sign(PAYLOAD))
    assert verifier_of(public_half(key)).accepts(PAYLOAD, signature)
    assert not verifier_of(public_half(key)).accepts(PAYLOAD + b"0", signature)
    assert public_pem(read_key).encode() == public_half(key)


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("form", FORMS)
def test_key_is_read_in_each_form_whatever_was_done_to_it(form: str, dress: str) -> None:
    """PKCS #1, PKCS #8 and OpenSSH, after Windows, a mail, a shell, an editor: the key signs for its public half."""
    kind, private_format = FORMS[form]
    key = KEYS[kind]()
    assert_signs_as(read(DRESSES[dress](private_pem(key, private_format))), key)


@pytest.mark.parametrize("dress", ["as made", "line ends of Windows", "written out in quotes", "on one line"])
@pytest.mark.parametrize("form", FORMS)
def test_encrypted_key_is_read_with_its_passphrase(form: str, dress: str) -> None:
    """The same where it is encrypted, the old form with its headers too; the passphrase is asked for once."""
    kind, private_format = FORMS[form]
    key = KEYS[kind]()
    asked: list[str] = []

    def ask() -> Secret:
        asked.append("")
        return Secret(PASSPHRASE)

    found = read(DRESSES[dress](private_pem(key, private_format, PASSPHRASE)), ask)
    assert len(asked) == 1
    assert_signs_as(found, key)


@pytest.mark.parametrize("kind", KEYS)
def test_der_and_base64_alone_are_read(kind: str) -> None:
    """A key without its first and last line, or as the bytes of a `.der` file."""
    key = KEYS[kind]()
    text = der_in_base64(key)
    wrapped = "\r\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    for data in (der(key), text.encode(), wrapped.encode(), f'"{text}"'.encode()):
        assert_signs_as(read(data), key)


def test_certificate_beside_the_key_is_passed_over() -> None:
    """A file with a certificate chain and the key that belongs to it has one private key."""
    key = ed25519_key()
    assert_signs_as(read(certificate() + private_pem(key).encode() + certificate()), key)


def test_generated_keys_differ_and_sign() -> None:
    """Each new key is fresh, and its public half verifies what the private half signs."""
    first, second = generate_ed25519(), generate_ed25519()
    assert first.value != second.value
    assert public_pem(first) != public_pem(second)
    pair = ApiKeyPair(
        environment="testnet", family=KeyFamily.SPOT, kind=first.kind,
        api_key=Secret("k" * 64), signing_key=first.value,
    )  # fmt: skip
    signature = present(Signer(pair).sign(PAYLOAD))
    assert verifier_of(public_pem(first).encode()).accepts(PAYLOAD, signature)
    assert not verifier_of(public_pem(second).encode()).accepts(PAYLOAD, signature)


# What cannot be used.


@functools.cache
def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mine")])
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(rsa_key().public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    return builder.sign(rsa_key(), SHA256()).public_bytes(Encoding.PEM)


def request() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mine")])
    return (
        x509.CertificateSigningRequestBuilder().subject_name(name).sign(rsa_key(), SHA256()).public_bytes(Encoding.PEM)
    )


def ec_pem(curve: ec.EllipticCurve, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return ec.generate_private_key(curve).private_bytes(Encoding.PEM, form, NoEncryption())


def container(passphrase: bytes | None) -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"mine", rsa_key(), None, None, encryption)


def ssh_public() -> bytes:
    return ed25519_key().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def dsa_pem(form: PrivateFormat) -> bytes:
    # Of 1024 bits, since the parameters of longer ones take seconds.
    return dsa.generate_private_key(1024).private_bytes(Encoding.PEM, form, NoEncryption())


PLAIN = PrivateFormat.PKCS8
UNUSABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "there is nothing in it"),
    "blanks": (lambda: b"\xef\xbb\xbf \r\n", "there is nothing in it"),
    "a word": (lambda: b"hello", "not a private key: it has no `-----BEGIN"),
    "an API secret": (lambda: b"a" * 64, "not a private key"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "neither text nor a private key"),
    "EC P-256": (lambda: ec_pem(ec.SECP256R1()), "an EC key (curve P-256)"),
    "EC P-256, old form": (lambda: ec_pem(ec.SECP256R1(), PrivateFormat.TraditionalOpenSSL), "an EC key (curve P-256)"),
    "EC secp256k1": (lambda: ec_pem(ec.SECP256K1()), "an EC key (curve secp256k1)"),
    "EC parameters and key": (
        lambda: b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        + ec_pem(ec.SECP256R1(), PrivateFormat.TraditionalOpenSSL),
        "an EC key (curve P-256)",
    ),
    "EC parameters": (
        lambda: b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
        "the parameters of keys",
    ),
    "DSA": (lambda: dsa_pem(PLAIN), "a DSA key"),
    "DSA, old form": (lambda: dsa_pem(PrivateFormat.TraditionalOpenSSL), "a DSA key"),
    "X25519": (
        lambda: x25519.X25519PrivateKey.generate().private_bytes(Encoding.PEM, PLAIN, NoEncryption()), "another curve"
    ),
    "Ed448": (
        lambda: ed448.Ed448PrivateKey.generate().private_bytes(Encoding.PEM, PLAIN, NoEncryption()), "another curve"
    ),
    "RSA of 1024 bits": (lambda: private_pem(rsa_key(1024)).encode(), "an RSA key of 1024 bits, which is too short"),
    "RSA public": (lambda: public_half(rsa_key()), "a public key"),
    "Ed25519 public": (lambda: public_half(ed25519_key()), "a public key"),
    "public DER": (
        lambda: rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "a public key"
    ),
    "public base64": (
        lambda: b64encode(rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        "a public key",
    ),
    "RSA public PKCS #1": (
        lambda: rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1), "a public key"
    ),
    "OpenSSH public": (ssh_public, "a public key"),
    "certificate": (certificate, "a certificate, which"),
    "request for a certificate": (request, "a request for a certificate"),
    "PuTTY": (lambda: b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "a key of PuTTY"),
    "PGP": (
        lambda: b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQdG\n-----END PGP PRIVATE KEY BLOCK-----\n", "a PGP key"
    ),
    "PKCS #12": (lambda: container(None), "a PKCS #12 file"),
    "PKCS #12, encrypted": (lambda: container(b"word"), "a PKCS #12 file"),
    "JWK": (lambda: b'{"kty": "OKP", "crv": "Ed25519", "d": "AAAA"}', "a JSON web key"),
    "no last line": (lambda: private_pem(rsa_key()).rpartition("-----END")[0].encode(), "cut off: its `-----END`"),
    "half of it": (lambda: private_pem(rsa_key())[:900].encode(), "cut off: its `-----END`"),
    "a line is missing": (
        lambda: re.sub(r"\n[^\n-]+\n", "\n", private_pem(rsa_key()), count=1).encode(), "damaged or cut off"
    ),
    "a letter is another": (
        lambda: re.sub(r"^(.{400})(.)", lambda hit: hit[1] + ("A" if hit[2] != "A" else "B"), private_pem(rsa_key()),
                       flags=re.DOTALL).encode(),
        "damaged or cut off",
    ),
    "OpenSSH, cut inside": (
        lambda: re.sub(r"\n[^\n-]+\n-", "\n-", private_pem(ed25519_key(), PrivateFormat.OpenSSH)).encode(),
        "damaged or cut off",
    ),
    "two keys": (lambda: (private_pem(rsa_key()) + private_pem(ed25519_key())).encode(), "more than one private key"),
    "another block": (lambda: b"-----BEGIN HELLO-----\nAAAA\n-----END HELLO-----\n", "not a private key"),
    "a handle of a security key": (
        lambda: b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
        + b64encode(b"openssh-key-v1\0 sk-ssh-ed25519@openssh.com and so on")
        + b"\n-----END OPENSSH PRIVATE KEY-----\n",
        "a handle to a key inside a security key",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_is_named_for_what_it_is(name: str) -> None:
    """Each has its own sentence and a hint, and neither the error nor the frames behind it have the text."""
    make, sentence = UNUSABLE[name]
    data = make()
    with pytest.raises(CredentialsError) as caught:
        read(data)
    assert sentence in caught.value.message
    assert caught.value.hint
    assert caught.value.__context__ is None
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    shown = "".join(str(frame.locals) for frame in frames if "tests" not in frame.filename)
    inside = re.findall(rb"[A-Za-z0-9+/]{20,}", data)
    assert not [piece for piece in inside if piece.decode() in shown + str(caught.value)]


def test_every_kind_of_unusable_text_has_its_own_sentence() -> None:
    """No two of the table share a sentence unless they are the same thing in another form."""
    sentences = {sentence for _, sentence in UNUSABLE.values()}
    assert len(sentences) >= 20


@pytest.mark.parametrize("form", FORMS)
def test_wrong_passphrase_is_named_after_three_tries(form: str) -> None:
    """The passphrase is asked for three times; then it is said that it is the passphrase."""
    kind, private_format = FORMS[form]
    answers = ["wrong", "", "also wrong", "and this"]
    asked: list[str] = []

    def ask() -> Secret:
        asked.append(answers[len(asked)] or "x")
        return Secret(asked[-1])

    with pytest.raises(CredentialsError, match="the passphrase does not open it") as caught:
        read(private_pem(KEYS[kind](), private_format, PASSPHRASE).encode(), ask)
    assert len(asked) == 3
    assert caught.value.__context__ is None


def test_second_try_at_the_passphrase_may_be_right_and_no_answer_is_the_end() -> None:
    """A slip is no end; whoever just presses Enter is not asked again."""
    encrypted = private_pem(ed25519_key(), PrivateFormat.PKCS8, PASSPHRASE).encode()
    answers = iter(["slip", PASSPHRASE])
    assert_signs_as(read(encrypted, lambda: Secret(next(answers))), ed25519_key())
    nothing = iter([Secret(""), Secret(PASSPHRASE)])
    with pytest.raises(CredentialsError, match="the passphrase does not open it"):
        read(encrypted, lambda: next(nothing))
    assert next(nothing) == Secret(PASSPHRASE)
