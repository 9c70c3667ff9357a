"""The PIN: what is accepted as one, and its slow hash."""

from __future__ import annotations

import json
import os

import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from guardian.domain.secrets import Secret
from guardian.proofs import pin_hash as module
from guardian.proofs.pin_hash import UnfitPin, check_pin, is_pin, pin_hash

PIN = Secret("739214")


def test_right_pin_is_recognised_and_no_other() -> None:
    """One hash, one PIN; two hashes of one PIN differ by their salt."""
    stored = pin_hash(PIN, os.urandom)
    assert is_pin(PIN, stored)
    for wrong in ("739215", "73921", "7392144", "", " 739214", "x" * 500):
        assert not is_pin(Secret(wrong), stored)
    assert pin_hash(PIN, os.urandom) != stored
    assert "739214" not in stored.reveal()


@pytest.mark.parametrize(
    "text",
    ["", "12345", "123456", "987654", "111111", "121212", "abcdef", "19850412", "20251231", " 739214", "739\u200b214",
     "7392\n14", "x" * 129],
)  # fmt: skip
def test_pin_that_anybody_would_try_first_is_refused(text: str) -> None:
    """Short, blank, invisible, a run, few signs, a date; the message does not repeat it."""
    with pytest.raises(UnfitPin) as refused:
        check_pin(Secret(text))
    assert not text.strip() or text not in str(refused.value)


@pytest.mark.parametrize("text", ["739214", "correct horse", "pässwort", "80251231"])
def test_other_pins_are_accepted(text: str) -> None:
    """Six characters or more, letters and signs among them."""
    check_pin(Secret(text))


@pytest.mark.parametrize(
    "stored",
    [
        "", "x", "[]", "{}", '{"v":1}', '{"v":2,"kdf":"argon2id","salt":"","hash":""}',
        '{"v":1,"kdf":"argon2id","salt":"!","hash":""}',
        '{"v":1,"kdf":"argon2id","salt":"AAAAAAAAAAAAAAAAAAAAAA==","hash":"AA=="}',
        '{"v":1,"kdf":"none","salt":"AAAAAAAAAAAAAAAAAAAAAA==","hash":"' + "A" * 43 + '="}',
        '{"v":1,"kdf":1,"salt":1,"hash":1}', "[" * 5000,
    ],
)  # fmt: skip
def test_hash_that_cannot_be_read_proves_nothing(stored: str) -> None:
    """A damaged item is no PIN that everybody knows."""
    assert not is_pin(PIN, Secret(stored))


def test_without_argon2id_the_hash_is_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """An OpenSSL before 3.2 has none; the stored hash says which it is."""

    def missing(*_: object, **__: object) -> None:
        raise UnsupportedAlgorithm("no Argon2id")

    with monkeypatch.context() as patch:
        patch.setattr(module, "Argon2id", missing)
        stored = pin_hash(PIN, os.urandom)
        assert json.loads(stored.reveal())["kdf"] == "scrypt"
        assert is_pin(PIN, stored)
    with monkeypatch.context() as patch:
        patch.setattr(module, "Scrypt", missing)
        assert not is_pin(PIN, stored)
