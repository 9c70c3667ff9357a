"""Signed notes: exactly the format of C2SP, and nothing else is one."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from guardian.store.seal.note import Note, Signature, VerifierKey, is_note, parse_note, parse_verifier_key
from guardian.store.seal.seal_keys import SealKeys
from tests.support.present import present

LOG = "0123456789abcdef" * 2
DIGEST = "ab" * 32
KEYS = SealKeys(bytes(range(32)), LOG)
OTHER = SealKeys(bytes(32), LOG)


def test_note_is_written_as_the_format_says() -> None:
    """Origin, number, digest, an empty line, and one signature line whose signature Ed25519 itself accepts."""
    text = KEYS.note(12, DIGEST).text
    head, _, line = text.partition("\n\n")
    assert head == f"guardian/audit/chain/v2/{LOG}\n12\n{base64.b64encode(bytes.fromhex(DIGEST)).decode()}"
    dash, name, encoded = line.removesuffix("\n").split(" ")
    assert (dash, name) == ("\N{EM DASH}", f"guardian/audit/chain/v2/{LOG}")
    value = base64.b64decode(encoded)
    public = KEYS.verifier.public
    assert value[:4] == sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(value[4:], (head + "\n").encode())


def test_note_is_read_as_it_was_written() -> None:
    """What is parsed has the same text, and is signed by its key alone."""
    note = KEYS.note(12, DIGEST)
    assert parse_note(note.text) == note
    assert is_note(note.text)
    assert note.is_signed_by(KEYS.verifier)
    assert not note.is_signed_by(OTHER.verifier)


def test_unknown_signature_is_ignored_and_a_bad_known_one_is_fatal() -> None:
    """T9: a witness may sign too; a second signature by the log's own key that is bad makes the note invalid."""
    own = KEYS.note(12, DIGEST).signatures[0]
    witness = Signature("example.com/witness", b"\1\2\3\4", bytes(64))
    assert parse_note(Note(LOG, 12, DIGEST, (witness, own)).text).is_signed_by(KEYS.verifier)
    bad = Signature(own.name, own.key_id, bytes(64))
    assert not parse_note(Note(LOG, 12, DIGEST, (own, bad)).text).is_signed_by(KEYS.verifier)
    assert not parse_note(Note(LOG, 12, DIGEST, (witness,)).text).is_signed_by(KEYS.verifier)


@pytest.mark.parametrize(
    ("old", "new"),
    [("\n12\n", "\n13\n"), (LOG, "f" * 32), ("q6ur", "q6us")],
    ids=["another row", "another log", "another digest"],
)
def test_changed_note_is_not_signed(old: str, new: str) -> None:
    """No part of the signed text can be changed."""
    text = KEYS.note(12, DIGEST).text
    head, dash, signature = text.partition("\n\n")
    assert old in head
    changed = parse_note(head.replace(old, new) + dash + signature)
    assert not changed.is_signed_by(VerifierKey(KEYS.verifier.name, KEYS.verifier.public))


@pytest.mark.parametrize(
    "text",
    [
        "", "guardian/audit/chain/v2/", f"guardian/audit/chain/v2/{LOG}\n12\n",
        KEYS.note(12, DIGEST).text + "\n",
        KEYS.note(12, DIGEST).text.rstrip("\n"),
        KEYS.note(12, DIGEST).text.replace("\n12\n", "\n012\n"),
        KEYS.note(12, DIGEST).text.replace("\n12\n", "\n0\n"),
        KEYS.note(12, DIGEST).text.replace("\N{EM DASH}", "-"),
        KEYS.note(12, DIGEST).text.replace("\n\n", "\n"),
        KEYS.note(12, DIGEST).text.replace("q6ur", "q6u"),
        KEYS.note(12, DIGEST).text.replace("\n12\n", "\n12\nextension\n"),
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused(text: str) -> None:
    """Another form of the same is refused too, so that a note has one text."""
    with pytest.raises(ValueError):
        parse_note(text)


def test_public_key_has_one_text() -> None:
    """It is read as it was written, and damage in any part of it shows."""
    text = KEYS.verifier.text
    assert parse_verifier_key(f"{text}\n") == KEYS.verifier
    assert text.startswith(f"guardian/audit/chain/v2/{LOG}+{KEYS.verifier.key_id.hex()}+")
    name, key_id, encoded = text.split("+", 2)
    for wrong in (
        "", name, f"{name}+{key_id}", f"{name}+00000000+{encoded}", f"{name[:-1]}e+{key_id}+{encoded}",
        f"{name}+{key_id}+{encoded[:-4]}", f"{name}+{key_id}+{base64.b64encode(b'x' * 33).decode()}",
    ):  # fmt: skip
        with pytest.raises(ValueError):
            parse_verifier_key(wrong)


def test_keys_of_a_log_differ_and_hide_themselves() -> None:
    """One root gives one key for each use; no text of the object has any of them."""
    assert SealKeys(bytes(range(32)), LOG).verifier == KEYS.verifier
    assert OTHER.verifier != KEYS.verifier
    assert KEYS.mac_of(bytes(32)) != OTHER.mac_of(bytes(32))
    assert len(KEYS.mac_of(bytes(32))) == 32
    assert repr(KEYS) == f"SealKeys('{LOG}')"
    with pytest.raises(TypeError):
        KEYS.__reduce__()
    with pytest.raises(ValueError):
        SealKeys(bytes(31), LOG)
    assert present(KEYS.note(1, DIGEST)).is_signed_by(KEYS.verifier)
