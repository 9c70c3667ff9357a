"""The credential store over a keyring that remembers, refuses, hangs or lies.

The tests marked by the `store` fixture are a contract: `test_keyring_backends.py` runs this file once more over a real
Secret Service, with GUARDIAN_TEST_REAL_KEYRING set.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread, active_count
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from guardian.credentials import backends
from guardian.credentials.item_format import MAX_VALUE_BYTES
from guardian.credentials.key_checks import check_api_key
from guardian.credentials.store import CredentialStore, masked, open_credentials
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.errors import CredentialsError, KeyringUnavailable
from tests.support.keyring import MemoryKeyring
from tests.support.present import present
from tests.support.vaults import vault_in

CANARY_KEY = "CANARYkey0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
CANARY_SECRET = "CANARYsecret6789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
ED25519_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SLOTS = [
    ("testnet", KeyFamily.SPOT),
    ("testnet", KeyFamily.FUTURES),
    ("demo", KeyFamily.SPOT),
    ("live", KeyFamily.SPOT),
]


class NullKeyring(MemoryKeyring):
    """Takes everything and keeps nothing, as keyring's null backend does."""

    def set_password(self, service: str, username: str, password: str) -> None:
        self.asked.append("set")


class StickyKeyring(MemoryKeyring):
    """Claims to delete and does not."""

    def delete_password(self, service: str, username: str) -> None:
        self.asked.append("delete")


class LeakyKeyring(MemoryKeyring):
    """Fails with the secret in the text of its exception and in its frames."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"cannot store {password}")


class HangingKeyring(MemoryKeyring):
    """Answers only after `let_go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append("get")
        self.let_go.wait(30)
        return self.items.get((service, username))


def pair(environment: str = "testnet", family: KeyFamily = KeyFamily.SPOT, **changes: object) -> ApiKeyPair:
    fields: dict[str, Any] = {
        "environment": environment,
        "family": family,
        "kind": KeyKind.HMAC,
        "api_key": Secret(CANARY_KEY),
        "signing_key": Secret(CANARY_SECRET),
    }
    return ApiKeyPair(**{**fields, **changes})


def everything_said(error: BaseException | None) -> str:
    """The error with all that hangs on it, the local variables of guardian's own frames included."""
    said = ""
    while error is not None:
        frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
        said += repr(error) + str(error) + str(getattr(error, "hint", ""))
        said += "".join(str(frame.locals) for frame in frames if "tests" not in frame.filename)
        error = error.__cause__ or error.__context__
    return said


@functools.cache
def rsa_key(bits: int = 2048) -> Secret:
    """A new RSA private key as PKCS #8 DER in base64."""
    key = rsa.generate_private_key(65537, bits)
    return Secret(base64.b64encode(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode())


def rsa_numbers(signing_key: Secret) -> tuple[int, set[int]]:
    """The public exponent and the primes, in either order, of such a key."""
    key = load_der_private_key(base64.b64decode(signing_key.reveal()), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    return numbers.public_numbers.e, {numbers.p, numbers.q}


@pytest.fixture(params=["memory", "vault"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CredentialStore]:
    if request.param == "vault":
        opened = CredentialStore(vault_in(tmp_path / "home"))
    elif os.environ.get("GUARDIAN_TEST_REAL_KEYRING"):
        opened = open_credentials(home=Path("no-vault"), timeout_s=10)
    else:
        opened = CredentialStore(MemoryKeyring())
    yield opened
    for environment, family in SLOTS:
        opened.remove(environment, family)


@pytest.mark.parametrize(("environment", "family"), SLOTS)
def test_stored_pair_comes_back_at_its_own_place_and_nowhere_else(
    store: CredentialStore, environment: str, family: KeyFamily
) -> None:
    """A pair is read back as it was stored; the places of other environments and families stay empty."""
    stored = pair(environment, family)
    store.put(stored)
    assert store.get(environment, family) == stored
    assert [(k.environment, k.family) for k in store.list()] == [(environment, family)]
    assert all(store.get(*other) is None for other in SLOTS if other != (environment, family))


def test_ed25519_pair_comes_back(store: CredentialStore) -> None:
    """An Ed25519 pair keeps its kind and its raw private key."""
    stored = pair(kind=KeyKind.ED25519, signing_key=Secret(ED25519_KEY))
    store.put(stored)
    assert store.get("testnet", KeyFamily.SPOT) == stored


@pytest.mark.parametrize("bits", [2048, 4096])
def test_rsa_pair_comes_back_and_is_one_item_of_each_system(store: CredentialStore, bits: int) -> None:
    """An RSA pair, with an API key four times as long as Binance's, fits one item and keeps the same numbers."""
    stored = pair(kind=KeyKind.RSA, api_key=Secret("a" * 256), signing_key=rsa_key(bits))
    store.put(stored)
    found = present(store.get("testnet", KeyFamily.SPOT))
    assert found.kind is KeyKind.RSA
    assert rsa_numbers(found.signing_key) == rsa_numbers(stored.signing_key)
    keyring = store._items._backend
    if isinstance(keyring, MemoryKeyring):
        (value,) = keyring.items.values()
        assert len(value.encode("utf-16-le")) <= MAX_VALUE_BYTES


def test_putting_again_replaces(store: CredentialStore) -> None:
    """A second pair for the same place takes the place of the first."""
    store.put(pair())
    second = pair(api_key=Secret("B" * 64))
    store.put(second)
    assert store.get("testnet", KeyFamily.SPOT) == second
    assert len(store.list()) == 1


def test_remove_says_whether_there_was_a_key(store: CredentialStore) -> None:
    """Removing takes the pair away and answers True; where there is none it answers False."""
    store.put(pair())
    assert store.remove("testnet", KeyFamily.SPOT) is True
    assert store.get("testnet", KeyFamily.SPOT) is None
    assert store.remove("testnet", KeyFamily.SPOT) is False


@pytest.mark.parametrize("environment", ["demo", "live"])
def test_demo_and_live_have_one_pair_for_both_families(store: CredentialStore, environment: str) -> None:
    """The one pair of demo and of live is also what the futures family gets."""
    store.put(pair(environment))
    assert store.get(environment, KeyFamily.FUTURES) == pair(environment)


def test_list_shows_neither_key_nor_secret(store: CredentialStore) -> None:
    """What is listed has the fingerprint and a mask, and no half of the pair."""
    put = store.put(pair())
    (listed,) = store.list()
    assert listed == put
    assert listed.fingerprint == pair().fingerprint
    assert listed.masked_key == "CANA****QRST"
    assert CANARY_KEY not in repr(listed)
    assert CANARY_SECRET not in repr(listed)


def test_created_is_the_moment_of_storing() -> None:
    """The listed time is the clock's at the moment of storing, in UTC."""
    moment = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
    store = CredentialStore(MemoryKeyring(), now=lambda: moment)
    store.put(pair())
    assert store.list()[0].created == moment


def test_item_names_and_size_fit_every_system() -> None:
    """One item a pair, one service an item, and each value fits Windows' 2560 bytes of UTF-16."""
    keyring = MemoryKeyring()
    store = CredentialStore(keyring)
    for environment, family in SLOTS:
        store.put(pair(environment, family))
    assert set(keyring.items) == {
        ("guardian/binance/testnet", "v1"),
        ("guardian/binance/testnet/futures", "v1"),
        ("guardian/binance/demo", "v1"),
        ("guardian/binance/live", "v1"),
    }
    assert all(len(value.encode("utf-16-le")) <= MAX_VALUE_BYTES for value in keyring.items.values())


@pytest.mark.parametrize(
    "move", [("testnet", "live"), ("live", "testnet"), ("demo", "live"), ("testnet/futures", "demo")]
)
def test_key_of_one_environment_is_never_offered_to_another(move: tuple[str, str]) -> None:
    """An item copied to another environment's place is an error, not a key."""
    keyring = MemoryKeyring()
    store = CredentialStore(keyring)
    source, target = move
    environment, _, family = source.partition("/")
    store.put(pair(environment, KeyFamily(family or "spot")))
    keyring.items[f"guardian/binance/{target}", "v1"] = keyring.items[f"guardian/binance/{source}", "v1"]
    with pytest.raises(CredentialsError, match="another environment") as caught:
        store.get(target, KeyFamily.SPOT)
    assert CANARY_SECRET not in everything_said(caught.value)
    with pytest.raises(CredentialsError):
        store.list()


def test_spot_pair_of_the_testnet_is_not_offered_to_futures() -> None:
    """The testnet's spot item under the name of its futures item is an error."""
    keyring = MemoryKeyring()
    store = CredentialStore(keyring)
    store.put(pair())
    keyring.items["guardian/binance/testnet/futures", "v1"] = keyring.items["guardian/binance/testnet", "v1"]
    with pytest.raises(CredentialsError, match="another environment or family"):
        store.get("testnet", KeyFamily.FUTURES)


def _damage() -> Iterator[tuple[str, Callable[[dict[str, object]], str]]]:
    yield "not JSON", lambda item: json.dumps(item)[:-1]
    yield "not an object", lambda item: json.dumps([item])
    yield "empty", lambda item: ""
    yield "deep", lambda item: "[" * 100_000
    yield "other version", lambda item: json.dumps({**item, "v": 2})
    yield "extra field", lambda item: json.dumps({**item, "note": "x"})
    yield "missing field", lambda item: json.dumps({k: v for k, v in item.items() if k != "family"})
    yield "unknown kind", lambda item: json.dumps({**item, "kind": "dsa"})
    yield "other kind", lambda item: json.dumps({**item, "kind": "rsa"})
    yield "unknown environment", lambda item: json.dumps({**item, "environment": "prod"})
    yield "number for a secret", lambda item: json.dumps({**item, "signing_key": 7})
    yield "empty secret", lambda item: json.dumps({**item, "signing_key": ""})
    yield "bad date", lambda item: json.dumps({**item, "created": "yesterday"})


@pytest.mark.parametrize("damage", [d for _, d in _damage()], ids=[name for name, _ in _damage()])
def test_damaged_item_is_an_error_that_can_be_removed(damage: Callable[[dict[str, object]], str]) -> None:
    """An item that is not exactly what guardian writes is refused without showing it, and `remove` still works."""
    keyring = MemoryKeyring()
    store = CredentialStore(keyring)
    store.put(pair())
    place = ("guardian/binance/testnet", "v1")
    keyring.items[place] = damage(json.loads(keyring.items[place]))
    with pytest.raises(CredentialsError, match="damaged") as caught:
        store.get("testnet", KeyFamily.SPOT)
    assert caught.value.hint is not None
    assert "guardian keys remove testnet" in caught.value.hint
    assert CANARY_SECRET not in everything_said(caught.value)
    assert store.remove("testnet", KeyFamily.SPOT) is True


@pytest.mark.parametrize("environment", ["paper", "prod", "", "LIVE", "testnet/futures"])
def test_environment_without_keys_is_refused(environment: str) -> None:
    """Only testnet, demo and live have keys; any other name reaches no keyring."""
    keyring = MemoryKeyring()
    store = CredentialStore(keyring)
    with pytest.raises(CredentialsError, match="has no keys"):
        store.get(environment, KeyFamily.SPOT)
    with pytest.raises(CredentialsError, match="has no keys"):
        store.put(pair(environment))
    with pytest.raises(CredentialsError, match="has no keys"):
        store.remove(environment, KeyFamily.SPOT)
    assert keyring.asked == []


@pytest.mark.parametrize("environment", ["demo", "live"])
def test_second_pair_for_demo_or_live_is_refused(environment: str) -> None:
    """A futures pair for an environment that has one pair for both is neither stored nor removed."""
    keyring = MemoryKeyring()
    store = CredentialStore(keyring)
    with pytest.raises(CredentialsError, match="one key for spot and futures"):
        store.put(pair(environment, KeyFamily.FUTURES))
    with pytest.raises(CredentialsError, match="one key for spot and futures"):
        store.remove(environment, KeyFamily.FUTURES)
    assert keyring.asked == []


@pytest.mark.parametrize(
    "bad",
    ["", " ", "short", "a" * 513, "a" * 40 + "\n", "a" * 40 + " b", "ä" * 40, "a" * 40 + "\x00", "a" * 40 + "\u200b",
     "__encrypted__:" + "a" * 40, "${BINANCE_API_KEY_OF_THE_USER}", "-----BEGIN PRIVATE KEY-----"],
)  # fmt: skip
@pytest.mark.parametrize("half", ["api_key", "signing_key"])
def test_malformed_half_is_refused_before_the_keyring_is_touched(bad: str, half: str) -> None:
    """Placeholders, blanks, wrong lengths and odd characters are refused in either half, without being shown."""
    keyring = MemoryKeyring()
    changed: dict[str, Any] = {half: Secret(bad)}
    with pytest.raises(CredentialsError) as caught:
        CredentialStore(keyring).put(pair(**changed))
    assert keyring.asked == []
    if len(bad) > 10:
        assert bad not in str(caught.value)


@pytest.mark.parametrize("bad", ["", "AAAA", ED25519_KEY[:-1], ED25519_KEY + "AAAA", "!" * 44, "ä" * 44, CANARY_SECRET])
def test_ed25519_key_must_be_32_bytes_in_base64(bad: str) -> None:
    """A signing key that is not a raw Ed25519 key is refused."""
    with pytest.raises(CredentialsError, match="32 bytes"):
        CredentialStore(MemoryKeyring()).put(pair(kind=KeyKind.ED25519, signing_key=Secret(bad)))


@pytest.mark.parametrize("spoil", ["AAAA", "not base64", ED25519_KEY, CANARY_SECRET])
def test_rsa_key_must_be_a_whole_key(spoil: str) -> None:
    """A signing key that is no RSA key in DER is refused before the keyring is touched."""
    keyring = MemoryKeyring()
    with pytest.raises(CredentialsError, match="not a whole private key of 2048 to 4096 bits"):
        CredentialStore(keyring).put(pair(kind=KeyKind.RSA, signing_key=Secret(spoil)))
    assert keyring.asked == []


def test_rsa_key_of_a_length_that_binance_does_not_register_is_refused() -> None:
    """1024 bits are too few."""
    with pytest.raises(CredentialsError, match="2048 to 4096 bits"):
        CredentialStore(MemoryKeyring()).put(pair(kind=KeyKind.RSA, signing_key=rsa_key(1024)))


def _prime_damage() -> Iterator[tuple[str, Callable[[str], str]]]:
    yield "cut", lambda text: text[:-12]
    yield "one prime", lambda text: text.rpartition(".")[0]
    yield "a changed prime", lambda text: text[:20] + ("A" if text[20] != "A" else "B") + text[21:]
    yield "the same prime twice", lambda text: ".".join([*text.split(".")[:2], text.split(".")[1]])
    yield "another exponent", lambda text: "65536" + text[5:]
    yield "no exponent", lambda text: text.partition(".")[2]
    yield "zero", lambda text: "65537.AA==.AA=="
    yield "one", lambda text: "65537.AQ==.AQ=="
    yield "minus", lambda text: "-" + text


@pytest.mark.parametrize("damage", [d for _, d in _prime_damage()], ids=[name for name, _ in _prime_damage()])
def test_part_of_an_rsa_key_is_never_taken_for_a_whole(damage: Callable[[str], str]) -> None:
    """An item whose key lacks a piece or has a changed one is an error, and `remove` still works."""
    keyring = MemoryKeyring()
    store = CredentialStore(keyring)
    store.put(pair(kind=KeyKind.RSA, signing_key=rsa_key()))
    place = ("guardian/binance/testnet", "v1")
    item = json.loads(keyring.items[place])
    keyring.items[place] = json.dumps({**item, "signing_key": damage(item["signing_key"])})
    with pytest.raises(CredentialsError, match="damaged") as caught:
        store.get("testnet", KeyFamily.SPOT)
    assert item["signing_key"][10:60] not in everything_said(caught.value)
    assert store.remove("testnet", KeyFamily.SPOT) is True


def test_same_value_for_key_and_secret_is_refused() -> None:
    """Pasting the API key into both questions is noticed."""
    with pytest.raises(CredentialsError, match="are the same"):
        CredentialStore(MemoryKeyring()).put(pair(signing_key=Secret(CANARY_KEY)))


def test_long_pair_still_fits() -> None:
    """A pair four times as long as Binance's fits Windows' Credential Manager."""
    keyring = MemoryKeyring()
    store = CredentialStore(keyring)
    store.put(pair("testnet", KeyFamily.FUTURES, api_key=Secret("a" * 256), signing_key=Secret("b" * 256)))
    assert len(next(iter(keyring.items.values())).encode("utf-16-le")) <= MAX_VALUE_BYTES


def test_value_too_long_for_windows_is_refused_everywhere() -> None:
    """A pair whose JSON is over 2560 bytes of UTF-16 is refused and not stored."""
    keyring = MemoryKeyring()
    long = pair(api_key=Secret("\\" * 512), signing_key=Secret('"' * 512))
    store = CredentialStore(keyring)
    with pytest.raises(CredentialsError, match="too long"):
        store.put(long)
    assert keyring.asked == []


def test_keyring_that_keeps_nothing_is_noticed() -> None:
    """What is stored is read back: a keyring that swallows it is an error, not a success."""
    with pytest.raises(CredentialsError, match="did not keep it"):
        CredentialStore(NullKeyring()).put(pair())


def test_keyring_that_does_not_delete_is_noticed() -> None:
    """A key that is still there after its removal is an error."""
    store = CredentialStore(StickyKeyring())
    store.put(pair())
    with pytest.raises(CredentialsError, match="still has the item"):
        store.remove("testnet", KeyFamily.SPOT)


def test_hanging_keyring_is_given_up_and_not_asked_again_meanwhile() -> None:
    """A keyring that does not answer is an error in time; until it does, more calls start no more threads."""
    keyring = HangingKeyring()
    store = CredentialStore(keyring, timeout_s=0.2)
    begin = time.monotonic()
    threads = active_count()
    for _ in range(3):
        with pytest.raises(KeyringUnavailable, match=r"did not answer within 0\.2 s"):
            store.get("testnet", KeyFamily.SPOT)
    assert time.monotonic() - begin < 2
    assert active_count() == threads + 1
    assert keyring.asked == ["get"]
    keyring.let_go.set()
    assert answered(lambda: store.get("testnet", KeyFamily.SPOT)) is None


def answered(ask: Callable[[], ApiKeyPair | None]) -> ApiKeyPair | None:
    """The answer of a keyring that has just been let go: the call that hung needs a moment to come back."""
    for _ in range(200):
        try:
            return ask()
        except KeyringUnavailable:
            time.sleep(0.01)
    raise AssertionError("it does not recover")


class SystemKeyring(MemoryKeyring):
    """A system's keyring whose window nobody answers for now; every backend made of it is the same one."""

    priority = 1
    asked_in_all: Final[list[str]] = []
    let_go = Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.asked_in_all.append(service)
        self.let_go.wait(30)
        return None


def test_process_waits_once_for_a_keyring_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls open the keyring meanwhile, one waits and has a thread; the others are refused at once, and
    are answered again when it is (before: each waited again and had a thread and a window of its own)."""
    monkeypatch.setattr(backends, "_BACKENDS", {sys.platform: (f"{__name__}.SystemKeyring",)})
    SystemKeyring.let_go.clear()
    threads, begin = active_count(), time.monotonic()
    refused = []

    def ask() -> None:
        try:
            open_credentials(home=Path("no-vault"), timeout_s=0.5).get("testnet", KeyFamily.SPOT)
        except KeyringUnavailable as error:
            refused.append((error.message, time.monotonic() - begin))

    asking = [Thread(target=ask) for _ in range(20)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(10)
    assert max(when for _, when in refused) < 2
    for _ in range(20):
        ask()
    assert len(refused) == 40
    assert time.monotonic() - begin < 3
    assert active_count() == threads + 1
    assert len(SystemKeyring.asked_in_all) == 1
    assert {message for message, _ in refused} == {"the keyring did not answer within 0.5 s; nothing was changed"}
    SystemKeyring.let_go.set()
    assert (
        answered(lambda: open_credentials(home=Path("no-vault"), timeout_s=10).get("testnet", KeyFamily.SPOT)) is None
    )
    assert active_count() <= threads + 1


def test_unfinished_write_is_not_called_a_failure() -> None:
    """When storing does not end in time, the error says that the key may have been stored."""
    release = Event()

    class SlowToSet(MemoryKeyring):
        def set_password(self, service: str, username: str, password: str) -> None:
            release.wait(30)

    with pytest.raises(KeyringUnavailable, match="may or may not have been stored"):
        CredentialStore(SlowToSet(), timeout_s=0.1).put(pair())
    release.set()


@pytest.mark.parametrize("name", ["KeyringLocked", "InitError"])
def test_locked_keyring_is_said_to_be_locked(name: str) -> None:
    """keyring's two ways to say that it is locked or was dismissed lead to the hint to unlock it."""
    from keyring import errors

    class Locked(MemoryKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            raise getattr(errors, name)("Prompt dismissed..")

    with pytest.raises(KeyringUnavailable, match="is locked") as caught:
        CredentialStore(Locked()).get("testnet", KeyFamily.SPOT)
    assert caught.value.hint is not None
    assert "unlock" in caught.value.hint


def test_panic_of_a_backend_is_an_error_and_not_a_hang() -> None:
    """Even an exception that is no `Exception` ends the call with KeyringUnavailable."""

    class Panicking(MemoryKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            raise SystemExit(3)

    with pytest.raises(KeyringUnavailable, match="SystemExit"):
        CredentialStore(Panicking()).get("testnet", KeyFamily.SPOT)


def test_secret_in_a_backends_exception_goes_nowhere() -> None:
    """Of a foreign exception only its class is reported; its text, frames and context stay behind."""
    with pytest.raises(KeyringUnavailable) as caught:
        CredentialStore(LeakyKeyring()).put(pair())
    said = everything_said(caught.value)
    assert "RuntimeError" in said
    assert CANARY_KEY not in said
    assert CANARY_SECRET not in said


def test_mask_of_a_short_key_shows_nothing() -> None:
    """A key under 16 characters is masked whole."""
    assert masked(Secret("abcdefghijklmno")) == "****"
    assert masked(Secret("abcdefghijklmnop")) == "abcd****mnop"


def test_checked_key_may_be_any_visible_ascii() -> None:
    """A key of 16 visible characters passes the check."""
    check_api_key(Secret("aZ09-_=+/.~!#$%&"))
