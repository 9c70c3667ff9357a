"""The token for HTTP: random, shown once, kept as a digest, of one home, and compared without hints."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from guardian.credentials.http_token import MAX_TOKEN_CHARS, HttpToken, TokenDigest
from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError
from tests.support.keyring import MemoryKeyring

NOW = datetime(2026, 11, 30, 12, 0, 5, 123, tzinfo=UTC)
HOME, OTHER = Path("/one/home"), Path("/another/home")


@pytest.fixture
def keyring() -> MemoryKeyring:
    return MemoryKeyring()


def token_of(keyring: MemoryKeyring, home: Path = HOME) -> HttpToken:
    return CredentialStore(keyring, now=lambda: NOW).http_token(home)


def create(token: HttpToken, byte: int = 7) -> Secret:
    return token.create(lambda count: bytes([byte]) * count)


def kept(token: HttpToken) -> TokenDigest:
    found = token.get()
    assert found is not None
    return found


def test_token_is_256_bits_and_only_its_digest_is_kept(keyring: MemoryKeyring) -> None:
    """Whoever reads the keyring has nothing to send."""
    made = create(token_of(keyring))
    asked: list[int] = []

    def random_bytes(count: int) -> bytes:
        asked.append(count)
        return b"\1" * count

    token_of(keyring, OTHER).create(random_bytes)
    assert asked == [32]
    text = made.reveal()
    assert text.startswith("guardian_")
    assert len(text) == len("guardian_") + 43
    assert text not in json.dumps(list(keyring.items.items()).__repr__())
    ((service, _), value) = next(iter(keyring.items.items()))
    assert service.startswith("guardian/http/token/")
    assert json.loads(value) == {
        "v": 1,
        "sha256": sha256(text.encode()).hexdigest(),
        "created": "2026-11-30T12:00:05+00:00",
    }


def test_token_that_was_made_matches_and_no_other_does(keyring: MemoryKeyring) -> None:
    """Neither a part of it nor anything longer, strange or huge."""
    token = token_of(keyring)
    text = create(token).reveal()
    found = kept(token)
    assert found.matches(text)
    for wrong in ("", " ", text[:-1], f"{text}x", text.upper(), f" {text}", "\ud800", "é", "x" * 10_000_000):
        assert not found.matches(wrong), wrong[:80]
    assert not found.matches(text + "x" * MAX_TOKEN_CHARS)


def test_tokens_are_compared_in_constant_time(keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of one length are compared by the function that is made for it."""
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def remember(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    token = token_of(keyring)
    create(token)
    monkeypatch.setattr(hmac, "compare_digest", remember)
    for presented in ("", "x", "x" * 100_000):
        kept(token).matches(presented)
    assert compared == [(32, 32)] * 3


def test_new_token_takes_the_place_of_the_one_before(keyring: MemoryKeyring) -> None:
    """There is one at a time; a removed one is gone."""
    token = token_of(keyring)
    assert token.get() is None
    first, second = create(token, 1).reveal(), create(token, 2).reveal()
    assert not kept(token).matches(first)
    assert kept(token).matches(second)
    assert token.remove()
    assert token.get() is None
    assert not token.remove()


def test_token_of_one_home_is_none_of_another(keyring: MemoryKeyring) -> None:
    """A program that may use a home on paper may not use one that trades."""
    create(token_of(keyring))
    assert token_of(keyring, OTHER).get() is None


@pytest.mark.parametrize(
    "value",
    [
        "", "{}", "[]", "null", "x", '{"v": 1}', "[" * 100_000,
        '{"v": 2, "sha256": "' + "0" * 64 + '", "created": "2026-11-30T12:00:05+00:00"}',
        '{"v": 1, "sha256": "' + "0" * 62 + '", "created": "2026-11-30T12:00:05+00:00"}',
        '{"v": 1, "sha256": "' + "z" * 64 + '", "created": "2026-11-30T12:00:05+00:00"}',
        '{"v": 1, "sha256": "' + "0" * 64 + '", "created": "yesterday"}',
        '{"v": 1, "sha256": "' + "0" * 64 + '", "created": "2026-11-30T12:00:05+00:00", "x": 1}',
    ],
)  # fmt: skip
def test_damaged_item_opens_nothing_and_can_be_replaced(keyring: MemoryKeyring, value: str) -> None:
    """It is an error with what to do, and neither an empty token nor none at all."""
    token = token_of(keyring)
    keyring.items[token.service, "v1"] = value
    with pytest.raises(CredentialsError, match="damaged") as refused:
        token.get()
    assert "guardian keys token create" in (refused.value.hint or "")
    create(token)
    assert token.get() is not None
    keyring.items[token.service, "v1"] = value
    assert token.remove()


def test_keyring_that_keeps_nothing_is_said(keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a person would hand out a token that opens nothing."""
    monkeypatch.setattr(keyring, "set_password", lambda *_: None)
    with pytest.raises(CredentialsError, match="did not keep it"):
        create(token_of(keyring))
