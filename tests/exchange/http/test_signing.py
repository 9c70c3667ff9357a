"""The opaque signer: its signatures are those of `cryptography`, and nothing of the key is seen from outside."""

from __future__ import annotations

import copy
import gc
import hashlib
import hmac
import json
import pickle
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.exchange.environments import EnvironmentSpec
from guardian.exchange.exchange import Exchange
from guardian.exchange.http.signing import Signer
from guardian.system.clock import SYSTEM_CLOCK

API_KEY = "CANARYkey0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"
API_SECRET = "CANARYsecret6789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU"
SEED = bytes(range(32, 64))
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(SEED)
RSA = rsa.generate_private_key(65537, 2048)
RSA_DER = RSA.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
PAYLOAD = b"symbol=%EF%BC%91&side=BUY&timestamp=1499827319559"

SIGNING_KEYS = {
    KeyKind.HMAC: API_SECRET,
    KeyKind.ED25519: b64encode(SEED).decode(),
    KeyKind.RSA: b64encode(RSA_DER).decode(),
}


def pair(kind: KeyKind, signing_key: str | None = None) -> ApiKeyPair:
    return ApiKeyPair(
        environment="paper",
        family=KeyFamily.SPOT,
        kind=kind,
        api_key=Secret(API_KEY),
        signing_key=Secret(SIGNING_KEYS[kind] if signing_key is None else signing_key),
    )


def expected(kind: KeyKind) -> str:
    """The signature that the standard library or `cryptography` makes of the same key by itself."""
    match kind:
        case KeyKind.HMAC:
            return hmac.new(API_SECRET.encode(), PAYLOAD, hashlib.sha256).hexdigest()
        case KeyKind.ED25519:
            return b64encode(ED25519.sign(PAYLOAD)).decode()
        case KeyKind.RSA:
            return b64encode(RSA.sign(PAYLOAD, padding.PKCS1v15(), SHA256())).decode()


@pytest.mark.parametrize("kind", KeyKind)
def test_signature_is_the_one_that_cryptography_makes(kind: KeyKind) -> None:
    """HMAC in hex, Ed25519 and RSA PKCS #1 v1.5 with SHA-256 in base64, each time the same."""
    signer = Signer(pair(kind))
    assert [signer.sign(PAYLOAD) for _ in range(3)] == [expected(kind)] * 3
    assert signer.sign(PAYLOAD + b"0") != expected(kind)
    assert signer.api_key() == Secret(API_KEY)
    assert signer.fingerprint == pair(kind).fingerprint


def test_signature_is_the_one_in_binances_documents() -> None:
    """The example of Binance's REST documents, with the secret that is printed there."""
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    payload = b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
    payload += b"&timestamp=1499827319559"
    signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    assert Signer(pair(KeyKind.HMAC, secret)).sign(payload) == signature


@pytest.mark.parametrize(
    ("kind", "signing_key"),
    [
        (KeyKind.ED25519, "AAAA"),
        (KeyKind.ED25519, "not base64"),
        (KeyKind.RSA, SIGNING_KEYS[KeyKind.ED25519]),
        (KeyKind.RSA, SIGNING_KEYS[KeyKind.RSA][:-8]),
        (KeyKind.RSA, b64encode(ED25519.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()),
        (KeyKind.HMAC, "\ud800"),
    ],
)
def test_key_that_is_not_of_its_kind_signs_nothing(kind: KeyKind, signing_key: str) -> None:
    """A damaged key, or one of another kind, gives no signature and raises nothing."""
    assert Signer(pair(kind, signing_key)).sign(PAYLOAD) is None


# What is seen from outside.


def _forms(kind: KeyKind) -> set[str]:
    """The signing key, in each form in which a report might show it."""
    raw = {KeyKind.HMAC: API_SECRET.encode(), KeyKind.ED25519: SEED, KeyKind.RSA: RSA_DER}[kind]
    numbers = RSA.private_numbers()
    forms = {SIGNING_KEYS[kind], repr(raw), raw.hex(), b64encode(raw).decode()}
    return forms | ({str(numbers.d), str(numbers.p)} if kind is KeyKind.RSA else set())


def _reachable(start: object) -> Iterator[object]:
    """Every Python object that is reachable from `start`, as the garbage collector sees it, modules left out."""
    seen: set[int] = set()
    waiting = [start]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, ModuleType | type):
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, FunctionType):
            waiting += [cell.cell_contents for cell in one.__closure__ or ()]
        else:
            waiting += gc.get_referents(one)


def exchange_with(one: ApiKeyPair) -> Exchange:
    spec = EnvironmentSpec(environment=Environment.PAPER, paper_endpoint="http://127.0.0.1:9")
    return Exchange(spec, spot=one, futures=None, clock=SYSTEM_CLOCK)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", KeyKind)
async def test_signing_key_is_in_no_object_that_the_client_holds(kind: KeyKind) -> None:
    """Once it is connected, the exchange with its client and its library reaches no text or number of the key."""
    copied = SIGNING_KEYS[kind][:1] + SIGNING_KEYS[kind][1:]  # an object that nothing else in this test holds
    exchange = exchange_with(pair(kind, copied))
    client = exchange._client()
    assert client._signers[KeyFamily.SPOT].sign(PAYLOAD) == expected(kind)
    numbers = RSA.private_numbers()
    forbidden: set[object] = {*_forms(kind), SEED, RSA_DER, numbers.d, numbers.p, numbers.q}
    held = [one for one in _reachable(exchange) if isinstance(one, str | bytes | int | bytearray)]
    assert len(held) > 100
    assert [type(one) for one in held if not isinstance(one, bytearray) and one in forbidden] == []
    assert (client.API_SECRET, client.PRIVATE_KEY) == (None, None)


@pytest.mark.parametrize("kind", KeyKind)
def test_signer_shows_nothing_of_its_key(kind: KeyKind) -> None:
    """`repr`, `str`, `dir`, pickling and copying have none of it, and there is no `__dict__` to look into."""
    signer = Signer(pair(kind))
    assert not hasattr(signer, "__dict__")
    with pytest.raises(TypeError):
        vars(signer)
    shown = [repr(signer), str(signer), f"{signer}", str(dir(signer)), repr([signer]), json.dumps(signer, default=repr)]
    shown += [repr(getattr(signer, name)) for name in dir(signer)]
    carried_off: list[Callable[[object], object]] = [pickle.dumps, copy.copy, copy.deepcopy]
    for attempt in carried_off:
        with pytest.raises(TypeError, match="not pickled or copied"):
            attempt(signer)
    assert not [form for form in {API_KEY, *_forms(kind)} if any(form in text for text in shown)]


@pytest.mark.parametrize("kind", KeyKind)
def test_report_with_local_variables_shows_nothing(kind: KeyKind, tmp_path: Path) -> None:
    """Tracebacks with locals, of the standard library and of rich, show neither half, in whatever frame it breaks."""
    from rich.console import Console
    from rich.traceback import Traceback

    def fails(signer: Signer) -> None:
        inner = signer._Signer__sign  # type: ignore[attr-defined]  # as a debugger would
        inner(None)

    with pytest.raises(TypeError) as caught:
        fails(Signer(pair(kind)))
    error = caught.value
    report = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    with (tmp_path / "report").open("w") as file:
        shown = Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True,
            locals_max_length=10_000, locals_max_string=100_000, width=400,
        )  # fmt: skip
        Console(file=file, width=400).print(shown)
    report += (tmp_path / "report").read_text()
    assert "Signer(" in report
    assert not [form for form in {API_KEY, *_forms(kind)} if form in report]
