"""The vault's format: what is changed in it is found, and what is wrong is named for what it is."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from guardian.credentials.vault import vault_format
from guardian.credentials.vault.key_derivation import derive
from guardian.credentials.vault.vault_format import (
    Encrypted,
    SealedVault,
    decode,
    encode,
    opens,
    value_in,
    verify,
    with_value,
)
from guardian.domain.secrets import Secret
from guardian.errors import VaultDamaged
from tests.support.vaults import WRONG, cheap_vault

VALUE = "CANARYsecret6789abcdefghijklmnopqrstuvwxyz"
NAME = ("guardian/binance/testnet", "v1")
OTHER = ("guardian/binance/live", "v1")


@pytest.fixture(scope="module")
def key_and_vault() -> tuple[Any, SealedVault]:
    vault, key = cheap_vault()
    vault = with_value(vault, key, NAME, Secret(VALUE), secrets.token_bytes)
    return key, with_value(vault, key, OTHER, Secret("of live"), secrets.token_bytes)


def rewritten(vault: SealedVault, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The file after someone without the key changed it on purpose: with a digest that fits."""
    document = json.loads(encode(vault))
    change(document)
    del document["sha256"]
    document["sha256"] = sha256(vault_format._text(document)).hexdigest()
    return vault_format._text(document)


def test_what_was_put_in_comes_out_of_the_file(key_and_vault: tuple[Any, SealedVault]) -> None:
    """Each item is read back from the bytes; one that is not there is None; no value is in the bytes."""
    key, vault = key_and_vault
    again = decode(encode(vault))
    assert again == vault
    value = value_in(again, key, NAME)
    assert value is not None
    assert value.reveal() == VALUE
    assert value_in(again, key, ("guardian/binance/demo", "v1")) is None
    assert VALUE.encode() not in encode(vault)


def test_every_changed_byte_is_found(key_and_vault: tuple[Any, SealedVault]) -> None:
    """Each byte of the file changed in each of three ways, cut off, or doubled: never is an item read from it."""
    _, vault = key_and_vault
    content = encode(vault)
    for place in range(len(content)):
        for flipped in (0x01, 0x20, 0x80):
            with pytest.raises(VaultDamaged):
                decode(content[:place] + bytes([content[place] ^ flipped]) + content[place + 1 :])
        with pytest.raises(VaultDamaged):
            decode(content[:place])
        with pytest.raises(VaultDamaged):
            decode(content[:place] + content[place : place + 1] + content[place:])


def _swapped(document: dict[str, Any]) -> None:
    first, second = document["items"]
    first["value"], second["value"] = second["value"], first["value"]


def _taken_out(document: dict[str, Any]) -> None:
    del document["items"][0]


def _renamed(document: dict[str, Any]) -> None:
    document["items"][0]["service"] = "guardian/binance/demo"


def _resealed(document: dict[str, Any]) -> None:
    document["seal"] = document["check"]


@pytest.mark.parametrize("change", [_swapped, _taken_out, _renamed, _resealed])
def test_change_on_purpose_with_a_digest_that_fits_is_found_by_the_seal(
    key_and_vault: tuple[Any, SealedVault], change: Callable[[dict[str, Any]], None]
) -> None:
    """Items that are swapped, taken out or renamed, and another seal: the file decodes, and nothing is read from it."""
    key, vault = key_and_vault
    changed = decode(rewritten(vault, change))
    assert opens(changed, key)
    with pytest.raises(VaultDamaged, match="seal"):
        verify(changed, key)
    for name in (NAME, OTHER, ("guardian/binance/demo", "v1")):
        with pytest.raises(VaultDamaged):
            value_in(changed, key, name)
    with pytest.raises(VaultDamaged):
        with_value(changed, key, NAME, None, secrets.token_bytes)


def test_item_of_an_older_vault_cannot_be_put_back(key_and_vault: tuple[Any, SealedVault]) -> None:
    """An item that was once valid under the same key does not fit the seal of now."""
    key, old = key_and_vault
    new = with_value(old, key, NAME, Secret("newer"), secrets.token_bytes)
    mixed = replace(new, items={**new.items, NAME: old.items[NAME]})
    with pytest.raises(VaultDamaged, match="seal"):
        value_in(mixed, key, NAME)


def test_item_under_the_name_of_another_is_not_decrypted(key_and_vault: tuple[Any, SealedVault]) -> None:
    """The name is authenticated with each item: even a seal made for the swap does not make it readable."""
    key, vault = key_and_vault
    swapped = replace(vault, items={NAME: vault.items[OTHER], OTHER: vault.items[NAME]})
    sealed = vault_format._sealed(swapped, key, secrets.token_bytes)
    verify(sealed, key)
    with pytest.raises(VaultDamaged, match="cannot be decrypted"):
        value_in(sealed, key, NAME)


def test_wrong_passphrase_is_not_called_damage(key_and_vault: tuple[Any, SealedVault]) -> None:
    """A whole file and another passphrase: the file decodes, and the key does not open it."""
    _, vault = key_and_vault
    assert not opens(decode(encode(vault)), derive(Secret(WRONG), vault.kdf))


def test_weakened_header_does_not_open(key_and_vault: tuple[Any, SealedVault]) -> None:
    """The key derivation's parameters are authenticated: the right key under another header opens nothing."""
    key, vault = key_and_vault
    assert not opens(replace(vault, kdf=replace(vault.kdf, iterations=2)), key)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory_kib", 1024**3), ("memory_kib", 2**63), ("memory_kib", 0), ("memory_kib", -1), ("memory_kib", True),
        ("memory_kib", "65536"), ("memory_kib", 65536.0), ("memory_kib", None), ("iterations", 0),
        ("iterations", 10**9), ("lanes", 0), ("lanes", 2**32), ("name", "argon2i"), ("name", "none"), ("name", None),
        ("salt", ""), ("salt", "AAAA"), ("salt", "A" * 1000), ("salt", "not base64"), ("salt", 7),
    ],
)  # fmt: skip
def test_hostile_header_is_refused_before_anything_is_derived(
    key_and_vault: tuple[Any, SealedVault], field: str, value: object
) -> None:
    """A terabyte of memory, no cost at all, another type or an unknown function: refused from the text alone."""
    _, vault = key_and_vault

    def change(document: dict[str, Any]) -> None:
        document["kdf"][field] = value

    with pytest.raises(VaultDamaged):
        decode(rewritten(vault, change))


@pytest.mark.parametrize(("memory_kib", "lanes"), [(100 * 1024, 1), (2**40, 1), (64 * 1024, 9)])
def test_hostile_scrypt_is_refused(key_and_vault: tuple[Any, SealedVault], memory_kib: int, lanes: int) -> None:
    """scrypt's N is a power of two within bounds, and so is what p may be."""
    _, vault = key_and_vault

    def change(document: dict[str, Any]) -> None:
        document["kdf"] |= {"name": "scrypt", "memory_kib": memory_kib, "lanes": lanes}

    with pytest.raises(VaultDamaged):
        decode(rewritten(vault, change))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b'{"format":"guardian vault","version":1}\n',
     b" " * (vault_format.MAX_FILE_BYTES + 1)],
)  # fmt: skip
def test_what_is_not_a_vault_is_damaged(content: bytes) -> None:
    """Nothing, other JSON, deep nesting, other bytes, and too many of them."""
    with pytest.raises(VaultDamaged):
        decode(content)


def test_newer_format_and_foreign_file_are_named(key_and_vault: tuple[Any, SealedVault]) -> None:
    """A vault of a later guardian is said to be one, and another program's file is said to be none of guardian's."""
    _, vault = key_and_vault
    with pytest.raises(VaultDamaged, match="does not know"):
        decode(rewritten(vault, lambda document: document.update(version=2)))
    with pytest.raises(VaultDamaged, match="not a vault of guardian's"):
        decode(rewritten(vault, lambda document: document.update(format="another vault")))


def test_no_nonce_is_used_twice(key_and_vault: tuple[Any, SealedVault]) -> None:
    """Each encryption asks for a nonce of its own: two for one change, the item's and the seal's."""
    key, vault = key_and_vault
    asked: list[int] = []

    def counted(number: int) -> bytes:
        asked.append(number)
        return secrets.token_bytes(number)

    changed = with_value(vault, key, NAME, Secret(VALUE), counted)
    assert asked == [12, 12]
    nonces = [one.nonce for one in (changed.check, changed.seal, *changed.items.values())]
    assert len(set(nonces)) == len(nonces)
    assert changed.items[NAME] != vault.items[NAME]
    assert isinstance(changed.seal, Encrypted)
