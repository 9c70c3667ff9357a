"""Stores Binance API keys in the operating system's keyring: one item for each pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from guardian.credentials.backends import KeyringBackend, find_backend
from guardian.credentials.http_token import HttpToken
from guardian.credentials.item_format import (
    SERVICES,
    KeptKey,
    next_service,
    old_service,
    pack,
    slot_of,
    slot_to_change,
    unpack,
)
from guardian.credentials.items import KeyringItems
from guardian.credentials.key_checks import check_pair
from guardian.credentials.keyring_hints import VAULT_BUSY_HINT
from guardian.credentials.owner_items import OwnerItems
from guardian.credentials.rotation import KeyRotation
from guardian.credentials.turns import SYSTEM_KEYRING, KeyringQueue, Turn
from guardian.credentials.vault.vault_backend import VaultBackend
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.system.core_dumps import forbid_core_dumps

SERVER_TIMEOUT_S: Final = 3.0
INTERACTIVE_TIMEOUT_S: Final = 60.0
"""Long enough for a person to type the keyring's password into the window that it opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """What may be shown of a stored pair. `masked_key` is `abcd****wxyz`; `created` is when it was stored, in UTC."""

    environment: str
    family: KeyFamily
    kind: KeyKind
    fingerprint: str
    masked_key: str
    item: str
    """The name of its item in the keyring."""
    created: datetime


def _now() -> datetime:
    return datetime.now(UTC)


class CredentialStore:
    """Key pairs in one keyring backend.

    Every method raises KeyringUnavailable when the keyring is locked, fails or does not answer in time, and
    CredentialsError for an environment that has no keys or an item that is not what it should be.
    """

    def __init__(
        self,
        backend: KeyringBackend,
        *,
        timeout_s: float = SERVER_TIMEOUT_S,
        now: Callable[[], datetime] = _now,
        turn: Turn | None = None,
    ) -> None:
        self._backend = backend
        hint = VAULT_BUSY_HINT if isinstance(backend, VaultBackend) else None
        self._queue = KeyringQueue(timeout_s, turn or Turn(), hint=hint)
        self._items = KeyringItems(backend, self._queue)
        self._now = now

    @property
    def backend_name(self) -> str:
        """Where the keys are, for people; see `KeyringItems.backend_name`."""
        return self._items.backend_name

    def get(self, environment: str, family: KeyFamily) -> ApiKeyPair | None:
        """The pair for an environment's host family, or None where none is stored.

        `demo` and `live` have one pair for both families; it is returned as it was stored, with family SPOT. Where
        another pair was about to take its place and the item is missing (macOS replaces by removing first), the pair
        is the one before, which still works.
        """
        slot = slot_of(environment, family)
        service = SERVICES[slot]
        value = self._items.get(service)
        if value is None and self._items.get(next_service(slot)) is not None:
            service = old_service(slot)
            value = self._items.get(service)
        return None if value is None else unpack(value, slot, service).pair

    def put(self, pair: ApiKeyPair) -> StoredKey:
        """Store `pair`, in place of any other at its place, read it back, and return how it is listed.

        What a rotation had kept of other pairs at this place is removed then. Raises CredentialsError when it is
        malformed or too long (nothing was stored then), or when the keyring did not keep it.
        """
        slot = slot_to_change(pair.environment, pair.family)
        check_pair(pair)
        created = self._now().astimezone(UTC).replace(microsecond=0)
        self._items.put(SERVICES[slot], pack(pair, created))
        self.rotation(pair.environment, pair.family).forget()
        return described(KeptKey(pair=pair, created=created), SERVICES[slot])

    def remove(self, environment: str, family: KeyFamily) -> bool:
        """Remove all pairs at this place, even unreadable ones, and make sure. False where there was none."""
        slot = slot_to_change(environment, family)
        had_others = self.rotation(environment, family).forget()
        return self._items.remove(SERVICES[slot]) or had_others

    def check_guard(self, log: str) -> None:
        """Raises CredentialsError where another home than the one with this log guards the keys."""
        OwnerItems(self._backend, self._queue, home="").check_guard(log)

    def list(self) -> tuple[StoredKey, ...]:
        """All stored pairs, in the order testnet spot, testnet futures, demo, live."""
        found = []
        for slot, service in SERVICES.items():
            value = self._items.get(service)
            if value is not None:
                found.append(described(unpack(value, slot, service), service))
        return tuple(found)

    def rotation(self, environment: str, family: KeyFamily) -> KeyRotation:
        """The replacement of the pair at this place by another. Raises CredentialsError as `put`."""
        return KeyRotation(self._items, slot_to_change(environment, family), now=self._now)

    def http_token(self, home: Path) -> HttpToken:
        """The bearer token by which clients use the servers of a home over HTTP."""
        return HttpToken(self._items, home, self._now)


def open_credentials(*, home: Path, timeout_s: float = SERVER_TIMEOUT_S) -> CredentialStore:
    """The store in the vault of a home that has one, else in this system's keyring. `timeout_s` bounds each call.

    All stores that a process opens take turns: where the keyring hangs, one call waits for it, and the others are
    refused at once until it has answered.

    No core of this process is dumped from then on. Raises KeyringUnavailable when none of the allowed backends works.
    """
    forbid_core_dumps()
    backend = KeyringQueue(timeout_s, SYSTEM_KEYRING).call(lambda: find_backend(home))
    return CredentialStore(backend, timeout_s=timeout_s, turn=SYSTEM_KEYRING)


def masked(api_key: Secret) -> str:
    """`abcd****wxyz`; of a key under 16 characters nothing is shown."""
    text = api_key.reveal()
    return f"{text[:4]}****{text[-4:]}" if len(text) >= 16 else "****"


def described(kept: KeptKey, item: str) -> StoredKey:
    """Returns what may be shown of a pair that is kept in an item."""
    return StoredKey(
        environment=kept.pair.environment,
        family=kept.pair.family,
        kind=kept.pair.kind,
        fingerprint=kept.pair.fingerprint,
        masked_key=masked(kept.pair.api_key),
        item=item,
        created=kept.created,
    )
