"""The format of the vault file: one JSON document, each item encrypted for itself, and a seal over the whole.

`check` is the encryption of nothing under the header, so that a wrong passphrase is noticed. `seal` is the encryption
of nothing under all that is before it: an item cannot be taken out, moved, or put back from an older vault. `sha256`
needs no key: it distinguishes a file that was damaged by accident from a wrong passphrase. Whoever changes the file on
purpose can write a new digest, and then a changed header looks like a wrong passphrase.

AES-256-GCM with a random nonce for each encryption. What is authenticated with an item names the version of the format
and the item. A file that is not byte for byte what `encode` writes is damaged. An older copy of the whole file is good:
nothing in this file can show that a newer one existed.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, TypeVar

from guardian.credentials.vault.key_derivation import NONCE_BYTES, TAG_BYTES, Kdf, VaultKey, check_bounds
from guardian.domain.secrets import Secret
from guardian.errors import VaultDamaged

VERSION: Final = 1
MAX_FILE_BYTES: Final = 1024 * 1024
MAX_VALUE_BYTES: Final = 64 * 1024
"""Of one item, in UTF-8."""
_FORMAT: Final = "guardian vault"
_NOTHING: Final = Secret("")

T = TypeVar("T")
RandomBytes = Callable[[int], bytes]
ItemName = tuple[str, str]
"""Service and username, as a keyring names an item."""


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A nonce, and a ciphertext with its tag."""

    nonce: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedVault:
    """A vault as it is in its file. The names of items are not secret; everything else needs the key."""

    kdf: Kdf
    check: Encrypted
    items: Mapping[ItemName, Encrypted]
    seal: Encrypted


def new_vault(key: VaultKey, kdf: Kdf, random_bytes: RandomBytes) -> SealedVault:
    """Returns a vault without items."""
    nothing = Encrypted(b"", b"")
    vault = SealedVault(kdf=kdf, check=nothing, items={}, seal=nothing)
    check = _encrypt(key, _NOTHING, _context("check", _header(vault)), random_bytes)
    return _sealed(replace(vault, check=check), key, random_bytes)


def opens(vault: SealedVault, key: VaultKey) -> bool:
    """Whether this is the vault's key."""
    return key.decrypt(vault.check.ciphertext, vault.check.nonce, _context("check", _header(vault))) is not None


def verify(vault: SealedVault, key: VaultKey) -> None:
    """Raises VaultDamaged unless everything in the vault was written with this key, together."""
    if key.decrypt(vault.seal.ciphertext, vault.seal.nonce, _context("seal", _unsealed(vault))) is None:
        raise VaultDamaged("the vault was changed by something else than guardian: its seal does not hold")


def value_in(vault: SealedVault, key: VaultKey, name: ItemName) -> Secret | None:
    """Returns an item's value, None where there is no such item. Raises VaultDamaged."""
    verify(vault, key)
    item = vault.items.get(name)
    if item is None:
        return None
    value = key.decrypt(item.ciphertext, item.nonce, _context("item", list(name)))
    if value is None:
        raise VaultDamaged(f"the vault's item `{name[0]}` cannot be decrypted")
    return value


def with_value(
    vault: SealedVault, key: VaultKey, name: ItemName, value: Secret | None, random_bytes: RandomBytes
) -> SealedVault:
    """Returns the vault with an item set, or removed where `value` is None. Raises VaultDamaged."""
    verify(vault, key)
    items = {one: sealed for one, sealed in vault.items.items() if one != name}
    if value is not None:
        items[name] = _encrypt(key, value, _context("item", list(name)), random_bytes)
    return _sealed(replace(vault, items=items), key, random_bytes)


def encode(vault: SealedVault) -> bytes:
    """Returns the bytes of the file."""
    document = {**_unsealed(vault), "seal": _encoded(vault.seal)}
    return _text({**document, "sha256": _digest(document)})


def decode(content: bytes) -> SealedVault:
    """Returns the vault in a file. No key is derived and nothing is decrypted.

    Raises VaultDamaged where the file is not exactly what `encode` writes, or its key derivation is out of bounds.
    """
    problem = f"it is over {MAX_FILE_BYTES} bytes"
    if len(content) <= MAX_FILE_BYTES:
        try:
            return _decoded(content)
        except VaultDamaged:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            problem = "it is cut off or not a vault"
    raise VaultDamaged(f"the vault is damaged: {problem}")


def _decoded(content: bytes) -> SealedVault:
    document = json.loads(content.decode("ascii"))
    if document["format"] != _FORMAT:
        raise VaultDamaged("the vault file is not a vault of guardian's")
    if document["version"] != VERSION:
        raise VaultDamaged("the vault has a format that this version of guardian does not know")
    kdf = document["kdf"]
    vault = SealedVault(
        kdf=Kdf(
            name=_as(str, kdf["name"]),
            salt=_bytes(kdf["salt"]),
            iterations=_as(int, kdf["iterations"]),
            lanes=_as(int, kdf["lanes"]),
            memory_kib=_as(int, kdf["memory_kib"]),
        ),
        check=_encrypted(document["check"]),
        items={
            (_as(str, item["service"]), _as(str, item["username"])): _encrypted(item["value"])
            for item in document["items"]
        },
        seal=_encrypted(document["seal"]),
    )
    if encode(vault) != content:
        raise VaultDamaged("the vault is damaged: its digest is not that of its content")
    check_bounds(vault.kdf)
    return vault


def _sealed(vault: SealedVault, key: VaultKey, random_bytes: RandomBytes) -> SealedVault:
    return replace(vault, seal=_encrypt(key, _NOTHING, _context("seal", _unsealed(vault)), random_bytes))


def _encrypt(key: VaultKey, value: Secret, context: bytes, random_bytes: RandomBytes) -> Encrypted:
    nonce = random_bytes(NONCE_BYTES)
    return Encrypted(nonce, key.encrypt(value, nonce, context))


def _context(part: str, about: object) -> bytes:
    """Returns what is authenticated beside a ciphertext: the format, its version, and what the ciphertext is."""
    return _text([_FORMAT, VERSION, part, about])


def _header(vault: SealedVault) -> dict[str, Any]:
    kdf = vault.kdf
    return {
        "format": _FORMAT,
        "version": VERSION,
        "kdf": {
            "name": kdf.name,
            "salt": _base64(kdf.salt),
            "iterations": kdf.iterations,
            "lanes": kdf.lanes,
            "memory_kib": kdf.memory_kib,
        },
    }


def _unsealed(vault: SealedVault) -> dict[str, Any]:
    items = [
        {"service": service, "username": username, "value": _encoded(vault.items[service, username])}
        for service, username in sorted(vault.items)
    ]
    return {**_header(vault), "check": _encoded(vault.check), "items": items}


def _digest(document: Mapping[str, Any]) -> str:
    return sha256(_text(document)).hexdigest()


def _text(document: object) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=True).encode("ascii") + b"\n"


def _encoded(value: Encrypted) -> str:
    return _base64(value.nonce + value.ciphertext)


def _encrypted(text: object) -> Encrypted:
    raw = _bytes(text)
    if len(raw) < NONCE_BYTES + TAG_BYTES:
        raise ValueError("shorter than a nonce and a tag")
    return Encrypted(raw[:NONCE_BYTES], raw[NONCE_BYTES:])


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: object) -> bytes:
    try:
        return base64.b64decode(_as(str, text), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _as(kind: type[T], value: object) -> T:
    if type(value) is not kind:  # True is an int, and no cost
        raise ValueError("another type")
    return value
