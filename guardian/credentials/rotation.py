"""Replaces a stored pair by another with one working pair at every moment, however often it is interrupted.

Beside the item of the pair there are two more: `.../next` has the new one, `.../old` the one that it took the place of.
Each step writes or removes one item, so what is there says how far it came:

    next without an API key     the new private key waits for the API key that Binance shows for it
    next with it, no old        the new pair was not tried yet
    next with it, and old       it was tried and works; it is taking the place of the old one
    no next, but old            it has taken that place; the old pair may still be valid at Binance
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from guardian.credentials.item_format import (
    SERVICES,
    KeptKey,
    Slot,
    WaitingKey,
    next_service,
    old_service,
    pack,
    pack_waiting,
    unpack,
    unpack_next,
)
from guardian.credentials.items import KeyringItems
from guardian.credentials.key_checks import check_pair, check_signing_key
from guardian.credentials.rotation_stage import RotationStage
from guardian.domain.secrets import ApiKeyPair, KeyKind, Secret
from guardian.errors import CredentialsError


class KeyRotation:
    """The replacement of the pair at one place. Every method raises as those of `CredentialStore`."""

    def __init__(self, items: KeyringItems, slot: Slot, *, now: Callable[[], datetime]) -> None:
        self._items = items
        self._slot = slot
        self._now = now
        self._service = SERVICES[slot]
        self._next_service = next_service(slot)
        self._old_service = old_service(slot)

    def stage(self) -> RotationStage:
        """Returns how far it came."""
        new, has_old = self.new(), self._items.get(self._old_service) is not None
        match new:
            case None:
                return RotationStage.OLD_REMAINS if has_old else RotationStage.NONE
            case WaitingKey():
                return RotationStage.WAITS_FOR_API_KEY
            case KeptKey():
                return RotationStage.SWAPPING if has_old else RotationStage.NOT_TRIED

    def new(self) -> WaitingKey | KeptKey | None:
        """Returns the new private key or pair; None where it is missing."""
        value = self._items.get(self._next_service)
        return None if value is None else unpack_next(value, self._slot, self._next_service)

    def current(self) -> KeptKey | None:
        """Returns the pair that is in use; None where it is missing."""
        return self._kept(self._service)

    def old(self) -> KeptKey | None:
        """Returns the pair that was replaced; None where it is missing."""
        return self._kept(self._old_service)

    def begin(self, kind: KeyKind, signing_key: Secret) -> None:
        """Keeps a new private key that waits for its API key, in place of any other new one."""
        check_signing_key(kind, signing_key)
        self._items.put(self._next_service, pack_waiting(self._slot, kind, signing_key, self._moment()))

    def offer(self, pair: ApiKeyPair) -> None:
        """Keeps a new pair that is to be tried, in place of any other new one."""
        check_pair(pair)
        if (pair.environment, pair.family) != self._slot:
            raise CredentialsError("a pair of another environment or family was given; it is not kept")
        self._items.put(self._next_service, pack(pair, self._moment()))

    def swap(self, *, keep_old: bool) -> KeptKey:
        """Puts the new pair in the place of the one in use, which is kept as the old one if `keep_old`.

        Run again after an interruption it continues. Returns the pair that is in use now. Raises CredentialsError
        where there is no new pair; nothing was changed then.
        """
        new = self.new()
        if not isinstance(new, KeptKey):
            raise CredentialsError("no new pair waits to be used")
        in_use = self._items.get(self._service)
        if keep_old and in_use is not None and self._items.get(self._old_service) is None:
            self._items.put(self._old_service, in_use)
        self._items.put(self._service, pack(new.pair, new.created))
        self._items.remove(self._next_service)
        return new

    def forget_new(self) -> bool:
        """Removes the new private key or pair, even an unreadable one. False where there was none."""
        return self._items.remove(self._next_service)

    def forget_old(self) -> bool:
        """Removes the old pair, even an unreadable one. False where there was none."""
        return self._items.remove(self._old_service)

    def forget(self) -> bool:
        """Removes both. False where there was neither."""
        had_new = self.forget_new()
        return self.forget_old() or had_new

    def _kept(self, service: str) -> KeptKey | None:
        value = self._items.get(service)
        return None if value is None else unpack(value, self._slot, service)

    def _moment(self) -> datetime:
        return self._now().astimezone(UTC).replace(microsecond=0)
