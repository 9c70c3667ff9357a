"""What the keyring keeps of a home's log: the root secret of its keys, and how far the log has gone.

Services `guardian/home/<log>`, where `<log>` names the log by 32 hex digits, and `guardian/anchor/<home>`, where
`<home>` are 16 hex digits of the SHA-256 of the home's path: the anchor is found though the log was replaced by another
one. Username `v1`.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from guardian.credentials.backends import KeyringBackend, find_backend
from guardian.credentials.items import KeyringItems
from guardian.credentials.turns import SYSTEM_KEYRING, KeyringQueue
from guardian.credentials.vault.vault_backend import VaultBackend
from guardian.domain.secrets import Secret
from guardian.errors import CredentialsError
from guardian.system.core_dumps import forbid_core_dumps

ROOT_SERVICE: Final = "guardian/home"
ANCHOR_SERVICE: Final = "guardian/anchor"
ROOT_BYTES: Final = 32
_SECRET_SERVICE: Final = "keyring.backends.SecretService"  # noqa: S105 - the name of a module
_MAY_ASK: Final = frozenset({"keyring.backends.macOS", "keyring.backends.libsecret", "keyring.backends.kwallet"})
"""Backends that cannot say whether the next call opens a window."""
_DEFAULT_COLLECTION: Final = "/org/freedesktop/secrets/aliases/default"
_LOG: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRoot:
    """The root secret of a log; `is_sealed` once the log has the row of its public key."""

    value: Secret
    """In base64."""
    is_sealed: bool

    @property
    def key_bytes(self) -> bytes:
        """The secret itself."""
        return base64.b64decode(self.value.reveal())


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnchor:
    """How far a log had gone: its name, the number of a row, and that row's digest in hex."""

    log: str
    seq: int
    digest: str


class HomeItems:
    """The items of one home. Every method raises KeyringUnavailable where the keyring fails.

    CredentialsError is raised for an item that is damaged, and where the keyring did not keep what it was given.
    """

    def __init__(self, backend: KeyringBackend, queue: KeyringQueue, home: Path) -> None:
        self._backend = backend
        self._queue = queue
        self._items = KeyringItems(backend, queue)
        known = str(home.absolute()).encode("utf-8", "surrogateescape")
        self.anchor_service: Final = f"{ANCHOR_SERVICE}/{sha256(known).hexdigest()[:16]}"

    @property
    def backend_name(self) -> str:
        """Where the items are, for people."""
        return self._items.backend_name

    @property
    def is_vault(self) -> bool:
        """Whether the items are in a vault, which lies in the home itself."""
        return isinstance(self._backend, VaultBackend)

    @property
    def keeps_anchors(self) -> bool:
        """Whether an anchor may be set again and again here.

        Not in a vault, which lies in the home and is rolled back with it. Not in macOS' Keychain, where each new value
        takes away the owner's "Always Allow", and so the next read may open a window.
        """
        return not self.is_vault and sys.platform != "darwin"

    def root(self, log: str) -> KeptRoot | None:
        """Returns the root secret of a log; None where it is missing."""
        value = self._items.get(f"{ROOT_SERVICE}/{log}")
        if value is None:
            return None
        try:
            return _root_in(json.loads(value.reveal()))
        except (ValueError, TypeError, KeyError):
            raise _damaged(f"{ROOT_SERVICE}/{log}") from None

    def make_root(self, log: str, random_bytes: Callable[[int], bytes]) -> KeptRoot:
        """Returns the root secret of a log, and makes it where it is missing."""
        found = self.root(log)
        if found is None:
            text = base64.b64encode(random_bytes(ROOT_BYTES)).decode("ascii")
            found = KeptRoot(value=Secret(text), is_sealed=False)
            self._put_root(log, found)
        return found

    def mark_sealed(self, log: str) -> None:
        """Remembers that the log has the row of its public key."""
        found = self.root(log)
        if found is not None and not found.is_sealed:
            self._put_root(log, KeptRoot(value=found.value, is_sealed=True))

    def anchor(self) -> KeptAnchor | None:
        """Returns how far the log of this home had gone; None where nothing is kept of it."""
        value = self._items.get(self.anchor_service)
        if value is None:
            return None
        try:
            return _anchor_in(json.loads(value.reveal()))
        except (ValueError, TypeError, KeyError):
            raise _damaged(self.anchor_service) from None

    def set_anchor(self, anchor: KeptAnchor) -> None:
        """Keeps how far the log has gone, in place of what was kept before."""
        kept = {"v": 1, "log": anchor.log, "seq": anchor.seq, "digest": anchor.digest}
        self._items.put(self.anchor_service, Secret(json.dumps(kept, separators=(",", ":"))))

    def asks_nothing(self) -> bool:
        """Whether items can be read now without a window or a question for the owner.

        The vault never asks by itself; it raises VaultLocked.
        """
        module = type(self._backend).__module__
        if module == _SECRET_SERVICE:
            return self._queue.call(_collection_is_open)
        return module not in _MAY_ASK

    def _put_root(self, log: str, root: KeptRoot) -> None:
        kept = {"v": 1, "root": root.value.reveal(), "sealed": root.is_sealed}
        self._items.put(f"{ROOT_SERVICE}/{log}", Secret(json.dumps(kept, separators=(",", ":"))))


def open_home_items(home: Path, *, timeout_s: float) -> HomeItems:
    """Returns the items in the vault of a home that has one, else in this system's keyring.

    Raises KeyringUnavailable where no allowed backend works.
    """
    forbid_core_dumps()
    queue = KeyringQueue(timeout_s, SYSTEM_KEYRING)
    return HomeItems(queue.call(lambda: find_backend(home)), queue, home)


def _collection_is_open() -> bool:
    """Whether the default collection of the Secret Service is there and unlocked; asking this opens no window."""
    import secretstorage  # type: ignore[import-untyped,unused-ignore]  # what keyring's backend uses, on Linux alone

    connection = secretstorage.dbus_init()
    try:
        return not secretstorage.Collection(connection, _DEFAULT_COLLECTION).is_locked()
    except secretstorage.exceptions.SecretStorageException:
        return False
    finally:
        connection.close()


def _root_in(item: dict[str, Any]) -> KeptRoot:
    root = KeptRoot(value=Secret(item["root"]), is_sealed=item["sealed"])
    if item["v"] != 1 or len(root.key_bytes) != ROOT_BYTES or not isinstance(root.is_sealed, bool):
        raise ValueError("not a version 1 item")
    return root


def _anchor_in(item: dict[str, Any]) -> KeptAnchor:
    anchor = KeptAnchor(log=item["log"], seq=item["seq"], digest=item["digest"])
    if item["v"] != 1 or type(anchor.seq) is not int or anchor.seq < 1:
        raise ValueError("not a version 1 item")
    if not _LOG.fullmatch(anchor.log) or not _DIGEST.fullmatch(anchor.digest):
        raise ValueError("not the name of a log, or not a digest")
    return anchor


def _damaged(service: str) -> CredentialsError:
    return CredentialsError(
        f"the item `{service}` in the keyring is damaged or was not made by guardian",
        hint="remove it with your system's own keyring program; `guardian audit seal` begins again",
    )
