"""The format of a keyring item: service `guardian/binance/<environment>` (`/futures` after it for the testnet's second
pair), username `v1`, value compact JSON that names its environment and family again.

An item that is read must name the place that it was read from, so a key of one environment is never used in another.
A pair is one item and never several, so that no interruption leaves half a key: an RSA key, whose DER is too long for
one, is kept as its two primes (see `rsa_primes`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from guardian.credentials.key_checks import check_pair
from guardian.credentials.rsa_primes import rsa_from_primes, rsa_to_primes
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError

MAX_VALUE_BYTES: Final = 2560
"""In UTF-16, the most that Windows' Credential Manager keeps in one item. Held everywhere, so that keys can move."""
USERNAME: Final = "v1"

Slot = tuple[Environment, KeyFamily]
SERVICES: Final[Mapping[Slot, str]] = {
    (Environment.TESTNET, KeyFamily.SPOT): "guardian/binance/testnet",
    (Environment.TESTNET, KeyFamily.FUTURES): "guardian/binance/testnet/futures",
    (Environment.DEMO, KeyFamily.SPOT): "guardian/binance/demo",
    (Environment.LIVE, KeyFamily.SPOT): "guardian/binance/live",
}
"""The service of each pair that can be stored."""
_FIELDS: Final = frozenset({"v", "environment", "family", "kind", "api_key", "signing_key", "created"})


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
    value = Secret(
        json.dumps(
            {
                "v": 1,
                "environment": str(pair.environment),
                "family": pair.family.value,
                "kind": pair.kind.value,
                "api_key": pair.api_key.reveal(),
                "signing_key": _short_form(pair),
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


def unpack(value: Secret, slot: Slot) -> tuple[ApiKeyPair, datetime]:
    """Returns the pair in an item and when it was stored. Raises CredentialsError for one of another `slot`."""
    try:
        parsed = _pair_in(value)
    except Exception:  # noqa: BLE001 - of JSON, of cryptography and of the checks; each means the same
        parsed = None  # raised below, clear of an exception whose frames hold the text
    item = f"the item `{SERVICES[slot]}` in the keyring"
    family = " --family futures" if slot[1] is KeyFamily.FUTURES else ""
    hint = f"`guardian keys remove {slot[0]}{family}`, then `guardian keys add {slot[0]}{family}`"
    if parsed is None:
        raise CredentialsError(f"{item} is damaged or was not made by guardian", hint=hint)
    if (parsed[0].environment, parsed[0].family) != slot:
        raise CredentialsError(f"{item} holds a key of another environment or family; it is not used", hint=hint)
    return parsed


def _pair_in(value: Secret) -> tuple[ApiKeyPair, datetime]:
    found = json.loads(value.reveal())
    if not isinstance(found, dict) or found.keys() != _FIELDS or found["v"] != 1:
        raise ValueError("not a version 1 item")
    if not all(isinstance(text, str) for name, text in found.items() if name != "v"):
        raise ValueError("a field is not text")
    created = datetime.fromisoformat(found["created"])
    kind = KeyKind(found["kind"])
    pair = ApiKeyPair(
        environment=Environment(found["environment"]),
        family=KeyFamily(found["family"]),
        kind=kind,
        api_key=Secret(found["api_key"]),
        signing_key=rsa_from_primes(found["signing_key"]) if kind is KeyKind.RSA else Secret(found["signing_key"]),
    )
    check_pair(pair)
    return pair, created.astimezone(UTC)


def _short_form(pair: ApiKeyPair) -> str:
    return rsa_to_primes(pair.signing_key) if pair.kind is KeyKind.RSA else pair.signing_key.reveal()
