"""A certificate authority of a test's own, and a server certificate of it for given names."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def made_authority(folder: Path, names: Sequence[str] = ("localhost",)) -> None:
    """A self-made authority (`ca.pem`) and a server certificate of its own for these names (`server.pem`)."""
    now = dt.datetime.now(dt.UTC)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of my own")])
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    known = [*map(x509.DNSName, names), *([loopback] if "localhost" in names else [])]

    def signed(subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=False)
        builder = builder.not_valid_before(now - dt.timedelta(days=1))
        return builder.not_valid_after(now + dt.timedelta(days=1)).sign(keys[0], hashes.SHA256())

    ca = signed(issuer, keys[0], x509.BasicConstraints(ca=True, path_length=None))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    server = signed(subject, keys[1], x509.SubjectAlternativeName(known))
    pem = serialization.Encoding.PEM
    folder.joinpath("ca.pem").write_bytes(ca.public_bytes(pem))
    private = keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    folder.joinpath("server.pem").write_bytes(private + server.public_bytes(pem))
