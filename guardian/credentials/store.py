"""Stores Binance API keys in the operating system's keyring: one item for each pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from guardian.credentials.backends import KeyringBackend, find_backend
from guardian.credentials.item_format import SERVICES, USERNAME, pack, slot_of, slot_to_change, unpack
from guardian.credentials.key_checks import check_pair
from guardian.credentials.keyring_hints import VAULT_BUSY_HINT
from guardian.credentials.owner_items import OwnerItems
from guardian.credentials.turns import SYSTEM_KEYRING, KeyringQueue, Turn, class_path
from guardian.credentials.vault.vault_backend import VaultBackend
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.errors import CredentialsError

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
        self._now = now

    @property
    def backend_name(self) -> str:
        """Where the keys are, for people: the vault and its path, or module and class of the keyring's backend."""
        return self._backend.source if isinstance(self._backend, VaultBackend) else class_path(self._backend)

    def get(self, environment: str, family: KeyFamily) -> ApiKeyPair | None:
        """The pair for an environment's host family, or None where none is stored.

        `demo` and `live` have one pair for both families; it is returned as it was stored, with family SPOT.
        """
        slot = slot_of(environment, family)
        value = self._read(SERVICES[slot])
        return None if value is None else unpack(value, slot)[0]

    def put(self, pair: ApiKeyPair) -> StoredKey:
        """Store `pair`, in place of any other at its place, read it back, and return how it is listed.

        Raises CredentialsError when it is malformed or too long (nothing was stored then), or when the keyring
        did not keep it.
        """
        service = SERVICES[slot_to_change(pair.environment, pair.family)]
        check_pair(pair)
        created = self._now().astimezone(UTC).replace(microsecond=0)
        value = pack(pair, created)
        self._queue.call(
            lambda: self._backend.set_password(service, USERNAME, value.reveal()),
            unfinished="the key may or may not have been stored",
        )
        if self._read(service) != value:
            raise CredentialsError(
                f"the keyring `{self.backend_name}` took the key but did not keep it",
                hint="is the keyring full, read-only or temporary? nothing can be relied on there",
            )
        return _described(pair, created)

    def remove(self, environment: str, family: KeyFamily) -> bool:
        """Remove the pair at this place, even an unreadable one, and make sure. False where there was none."""
        service = SERVICES[slot_to_change(environment, family)]
        if self._read(service) is None:
            return False
        self._queue.call(
            lambda: self._backend.delete_password(service, USERNAME),
            unfinished="the key may or may not have been removed",
        )
        if self._read(service) is not None:
            raise CredentialsError(
                f"the keyring `{self.backend_name}` still has the key for `{environment}`",
                hint=f"remove the item `{service}` with your system's own keyring program",
            )
        return True

    def check_guard(self, log: str) -> None:
        """Raises CredentialsError where another home than the one with this log guards the keys."""
        OwnerItems(self._backend, self._queue, home="").check_guard(log)

    def list(self) -> tuple[StoredKey, ...]:
        """All stored pairs, in the order testnet spot, testnet futures, demo, live."""
        found = []
        for slot, service in SERVICES.items():
            value = self._read(service)
            if value is not None:
                found.append(_described(*unpack(value, slot)))
        return tuple(found)

    def _read(self, service: str) -> Secret | None:
        def read() -> Secret | None:
            value = self._backend.get_password(service, USERNAME)
            return None if value is None else Secret(str(value))

        return self._queue.call(read)


def open_credentials(*, home: Path, timeout_s: float = SERVER_TIMEOUT_S) -> CredentialStore:
    """The store in the vault of a home that has one, else in this system's keyring. `timeout_s` bounds each call.

    All stores that a process opens take turns: where the keyring hangs, one call waits for it, and the others are
    refused at once until it has answered.

    Raises KeyringUnavailable when none of the allowed backends works here.
    """
    backend = KeyringQueue(timeout_s, SYSTEM_KEYRING).call(lambda: find_backend(home))
    return CredentialStore(backend, timeout_s=timeout_s, turn=SYSTEM_KEYRING)


def masked(api_key: Secret) -> str:
    """`abcd****wxyz`; of a key under 16 characters nothing is shown."""
    text = api_key.reveal()
    return f"{text[:4]}****{text[-4:]}" if len(text) >= 16 else "****"


def _described(pair: ApiKeyPair, created: datetime) -> StoredKey:
    return StoredKey(
        environment=pair.environment,
        family=pair.family,
        kind=pair.kind,
        fingerprint=pair.fingerprint,
        masked_key=masked(pair.api_key),
        created=created,
    )
