"""The format of a keyring item: service `guardian/binance/<environment>` (`/futures` after it for the testnet's second
pair), value compact JSON that names its environment and family again. While a pair is replaced, a new one is at the
same service with `/next` after it, and an old one with `/old`.

An item that is read must name the place that it was read from, so a key of one environment is never used in another.
A pair is one item and never several, so that no interruption leaves half a key: an RSA key, whose DER is too long for
one, is kept as its two primes (see `rsa_primes`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from guardian.credentials.key_checks import check_pair, check_signing_key
from guardian.credentials.rsa_primes import rsa_from_primes, rsa_to_primes
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError

MAX_VALUE_BYTES: Final = 2560
"""In UTF-16, the most that Windows' Credential Manager keeps in one item. Held everywhere, so that keys can move."""

USERNAME: Final = "v1"
"""Of every item: on Windows a second username under one service moves the first to another place."""

Slot = tuple[Environment, KeyFamily]
SERVICES: Final[Mapping[Slot, str]] = {
    (Environment.TESTNET, KeyFamily.SPOT): "guardian/binance/testnet",
    (Environment.TESTNET, KeyFamily.FUTURES): "guardian/binance/testnet/futures",
    (Environment.DEMO, KeyFamily.SPOT): "guardian/binance/demo",
    (Environment.LIVE, KeyFamily.SPOT): "guardian/binance/live",
}
"""The service of each pair that can be stored."""
_FIELDS: Final = frozenset({"v", "environment", "family", "kind", "api_key", "signing_key", "created"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptKey:
    """A pair in an item, and when it was stored, in UTC."""

    pair: ApiKeyPair
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingKey:
    """A private key in an item that waits for its API key, in the form of `ApiKeyPair.signing_key`."""

    kind: KeyKind
    signing_key: Secret
    created: datetime


def next_service(slot: Slot) -> str:
    """Returns the service of the pair that is to take the place of the one in use."""
    return f"{SERVICES[slot]}/next"


def old_service(slot: Slot) -> str:
    """Returns the service of the pair that another took the place of."""
    return f"{SERVICES[slot]}/old"


def slot_of(environment: str, family: KeyFamily) -> Slot:
    """Returns where the pair of an environment's host family is stored.

    `demo` and `live` store one pair for both families. Raises CredentialsError for an environment without keys.
    """
    known = {e.value: e for e, _ in SERVICES}
    if environment not in known:
        raise CredentialsError(f"the environment `{environment}` has no keys", hint=f"it is one of {', '.join(known)}")
    slot = (known[environment], family)
    return slot if slot in SERVICES else (known[environment], KeyFamily.SPOT)


def slot_to_change(environment: str, family: KeyFamily) -> Slot:
    """Returns where a pair is stored or removed.

    Raises CredentialsError as `slot_of`, and where the environment has one pair for both families and this is not it.
    """
    slot = slot_of(environment, family)
    if slot[1] is not family:
        raise CredentialsError(
            f"`{environment}` has one key for spot and futures", hint="leave the family out, or say `spot`"
        )
    return slot


def pack(pair: ApiKeyPair, created: datetime) -> Secret:
    """Returns the value of the item. Raises CredentialsError where the pair is too long for a keyring."""
    return _packed((Environment(pair.environment), pair.family), pair.kind, pair.api_key, pair.signing_key, created)


def pack_waiting(slot: Slot, kind: KeyKind, signing_key: Secret, created: datetime) -> Secret:
    """Returns the value of the item of a private key that waits for its API key. Raises as `pack`."""
    return _packed(slot, kind, Secret(""), signing_key, created)


def unpack(value: Secret, slot: Slot, service: str) -> KeptKey:
    """Returns the pair in the item at `service`. Raises CredentialsError for one of another `slot`."""
    found = _unpacked(value, slot, service)
    if isinstance(found, WaitingKey):
        raise _damaged(slot, service)
    return found


def unpack_next(value: Secret, slot: Slot, service: str) -> KeptKey | WaitingKey:
    """Returns what waits to take the place of the pair in use. Raises as `unpack`."""
    return _unpacked(value, slot, service)


def _packed(slot: Slot, kind: KeyKind, api_key: Secret, signing_key: Secret, created: datetime) -> Secret:
    value = Secret(
        json.dumps(
            {
                "v": 1,
                "environment": slot[0].value,
                "family": slot[1].value,
                "kind": kind.value,
                "api_key": api_key.reveal(),
                "signing_key": rsa_to_primes(signing_key) if kind is KeyKind.RSA else signing_key.reveal(),
                "created": created.isoformat(),
            },
            separators=(",", ":"),
        )
    )
    if len(value.reveal().encode("utf-16-le")) > MAX_VALUE_BYTES:
        raise CredentialsError(
            f"the key pair is too long for a keyring: over {MAX_VALUE_BYTES} bytes",
            hint="use an Ed25519 key, which is the shortest",
        )
    return value


def _unpacked(value: Secret, slot: Slot, service: str) -> KeptKey | WaitingKey:
    try:
        found_slot, found = _key_in(value)
    except Exception:  # noqa: BLE001 - of JSON, of cryptography and of the checks; each means the same
        found = None  # raised below, clear of an exception whose frames hold the text
    if found is None:
        raise _damaged(slot, service)
    if found_slot != slot:
        raise CredentialsError(
            f"the item `{service}` in the keyring holds a key of another environment or family; it is not used",
            hint=_again(slot, service),
        )
    return found


def _damaged(slot: Slot, service: str) -> CredentialsError:
    return CredentialsError(
        f"the item `{service}` in the keyring is damaged or was not made by guardian", hint=_again(slot, service)
    )


def _again(slot: Slot, service: str) -> str:
    place = f"{slot[0].value}{' --family futures' if slot[1] is KeyFamily.FUTURES else ''}"
    if service == next_service(slot):
        return f"`guardian keys remove {place} --waiting`; the key in use is not touched"
    return f"`guardian keys remove {place}`, then `guardian keys add {place}`"


def _key_in(value: Secret) -> tuple[Slot, KeptKey | WaitingKey]:
    found = json.loads(value.reveal())
    if not isinstance(found, dict) or found.keys() != _FIELDS or found["v"] != 1:
        raise ValueError("not a version 1 item")
    if not all(isinstance(text, str) for name, text in found.items() if name != "v"):
        raise ValueError("a field is not text")
    created = datetime.fromisoformat(found["created"]).astimezone(UTC)
    kind = KeyKind(found["kind"])
    slot = (Environment(found["environment"]), KeyFamily(found["family"]))
    signing_key = rsa_from_primes(found["signing_key"]) if kind is KeyKind.RSA else Secret(found["signing_key"])
    if not found["api_key"]:
        check_signing_key(kind, signing_key)
        return slot, WaitingKey(kind=kind, signing_key=signing_key, created=created)
    pair = ApiKeyPair(
        environment=slot[0], family=slot[1], kind=kind, api_key=Secret(found["api_key"]), signing_key=signing_key
    )
    check_pair(pair)
    return slot, KeptKey(pair=pair, created=created)
