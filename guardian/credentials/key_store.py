"""Binance API keys in the operating system's keyring.

One item for each pair: service `guardian/binance/<environment>` (`/futures` after it for the testnet's second pair),
username `v1`, value compact JSON that names its environment and family again. What is read must name what was asked
for, so a key of one environment is never offered to another.

keyring's own choice of a backend is not used. `keyring.get_keyring()` follows an environment variable, a configuration
file that may add a folder to `sys.path`, and every installed entry point; it may pick one that keeps nothing, one that
writes plain text, or one that reads the process's standard input, which here is the MCP connection. Instead one of a
few known backends is imported by name. keyring is slow to import and is imported when first needed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from types import new_class
from typing import Any, Final, Protocol

from guardian.credentials.turns import SYSTEM_KEYRING, Line, Turn, class_path
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, KeyringUnavailable

SERVER_TIMEOUT_S: Final = 3.0
INTERACTIVE_TIMEOUT_S: Final = 60.0
"""Long enough for a person to type the keyring's password into the window that it opens."""

MAX_VALUE_BYTES: Final = 2560
"""In UTF-16, the most that Windows' Credential Manager keeps in one item. Held everywhere, so that keys can move."""

_USERNAME: Final = "v1"
_BACKENDS: Final[Mapping[str, tuple[str, ...]]] = {
    "darwin": ("keyring.backends.macOS.Keyring",),
    "win32": ("keyring.backends.Windows.WinVaultKeyring",),
    "linux": (
        "keyring.backends.SecretService.Keyring",
        "keyring.backends.libsecret.Keyring",
        "keyring.backends.kwallet.DBusKeyring",
    ),
}
_MISSING_HINTS: Final[Mapping[str, str]] = {
    "darwin": "log in at the Mac itself, so that your login keychain is open",
    "win32": "run guardian as the user who is logged in, so that the Credential Manager is there",
    "linux": "guardian needs a Secret Service (GNOME Keyring, KWallet or KeePassXC) in your login session",
}
_SLOTS: Final[Mapping[tuple[Environment, KeyFamily], str]] = {
    (Environment.TESTNET, KeyFamily.SPOT): "guardian/binance/testnet",
    (Environment.TESTNET, KeyFamily.FUTURES): "guardian/binance/testnet/futures",
    (Environment.DEMO, KeyFamily.SPOT): "guardian/binance/demo",
    (Environment.LIVE, KeyFamily.SPOT): "guardian/binance/live",
}
_FIELDS: Final = frozenset({"v", "environment", "family", "kind", "api_key", "signing_key", "created"})
_TOKEN: Final = re.compile(r"[!-~]{16,512}")
"""Binance's keys are 64 letters and digits; more is let through, but nothing that an HTTP header could trip over."""
_PLACEHOLDERS: Final = ("__encrypted__:", "${")
"""What MCP clients leave in place of a secret that they failed to fill in."""


class KeyringBackend(Protocol):
    """The part of keyring's backend interface that is used."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


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
        self._line = Line(timeout_s, turn or Turn())
        self._now = now

    @property
    def backend_name(self) -> str:
        """Module and class of the backend, for people."""
        return class_path(self._backend)

    def get(self, environment: str, family: KeyFamily) -> ApiKeyPair | None:
        """The pair for an environment's host family, or None where none is stored.

        `demo` and `live` have one pair for both families; it is returned as it was stored, with family SPOT.
        """
        slot = _slot(environment, family)
        value = self._read(_SLOTS[slot])
        return None if value is None else _unpack(value, slot)[0]

    def put(self, pair: ApiKeyPair) -> StoredKey:
        """Store `pair`, in place of any other at its place, read it back, and say how it is listed now.

        Raises CredentialsError when it is malformed or too long (nothing was stored then), or when the keyring
        did not keep it.
        """
        service = _SLOTS[_own_slot(pair.environment, pair.family)]
        check_pair(pair)
        created = self._now().astimezone(UTC).replace(microsecond=0)
        value = _pack(pair, created)
        self._line.call(
            lambda: self._backend.set_password(service, _USERNAME, value.reveal()),
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
        service = _SLOTS[_own_slot(environment, family)]
        if self._read(service) is None:
            return False
        self._line.call(
            lambda: self._backend.delete_password(service, _USERNAME),
            unfinished="the key may or may not have been removed",
        )
        if self._read(service) is not None:
            raise CredentialsError(
                f"the keyring `{self.backend_name}` still has the key for `{environment}`",
                hint=f"remove the item `{service}` with your system's own keyring program",
            )
        return True

    def list(self) -> tuple[StoredKey, ...]:
        """All stored pairs, in the order testnet spot, testnet futures, demo, live."""
        found = []
        for slot, service in _SLOTS.items():
            value = self._read(service)
            if value is not None:
                found.append(_described(*_unpack(value, slot)))
        return tuple(found)

    def _read(self, service: str) -> Secret | None:
        def read() -> Secret | None:
            value = self._backend.get_password(service, _USERNAME)
            return None if value is None else Secret(str(value))

        return self._line.call(read)


def open_credentials(*, timeout_s: float = SERVER_TIMEOUT_S) -> CredentialStore:
    """The store in this system's keyring. `timeout_s` bounds each later call too.

    All stores that a process opens take turns: where the keyring hangs, one call waits for it, and the others are
    refused at once until it has answered.

    Raises KeyringUnavailable when none of the allowed backends works here.
    """
    backend = Line(timeout_s, SYSTEM_KEYRING).call(_find_backend)
    return CredentialStore(backend, timeout_s=timeout_s, turn=SYSTEM_KEYRING)


def _find_backend() -> KeyringBackend:
    tried = []
    for path in _BACKENDS.get(sys.platform, ()):
        try:
            return _load(path)
        except Exception as error:  # noqa: BLE001 - whatever keeps one from working, the next is tried
            tried.append(f"`{path}` ({type(error).__name__})")
    raise KeyringUnavailable(
        f"no keyring that guardian trusts works here; tried: {', '.join(tried) or 'none is known for this system'}",
        hint=_MISSING_HINTS.get(sys.platform),
    )


def _load(path: str) -> KeyringBackend:
    module, _, name = path.rpartition(".")
    found: Any = getattr(import_module(module), name)

    def fill(namespace: dict[str, Any]) -> None:
        # keyring lets the environment set any attribute of a backend (KEYRING_PROPERTY_*, KEYCHAIN_PATH), for one
        # the collection that secrets go to; and takes the program's name from argv. Here nothing outside decides.
        namespace["set_properties_from_env"] = lambda self: None  # noqa: ARG005 - takes the place of a method
        namespace["keychain"] = None
        namespace["appid"] = "guardian"
        namespace["__module__"], namespace["__qualname__"] = module, name

    if not found.priority > 0:  # raises where the backend cannot work
        raise RuntimeError("not recommended here")
    backend: Any = new_class(name, (found,), exec_body=fill)()
    if sys.platform == "win32":
        backend.persist = "local machine"  # the default, "enterprise", copies secrets to other machines of a domain
    return backend  # type: ignore[no-any-return]  # keyring's classes are picked by name


def _slot(environment: str, family: KeyFamily) -> tuple[Environment, KeyFamily]:
    known = {e.value: e for e, _ in _SLOTS}
    if environment not in known:
        raise CredentialsError(f"the environment `{environment}` has no keys", hint=f"it is one of {', '.join(known)}")
    slot = (known[environment], family)
    return slot if slot in _SLOTS else (known[environment], KeyFamily.SPOT)


def _own_slot(environment: str, family: KeyFamily) -> tuple[Environment, KeyFamily]:
    slot = _slot(environment, family)
    if slot[1] is not family:
        raise CredentialsError(
            f"`{environment}` has one key for spot and futures", hint="leave the family out, or say `spot`"
        )
    return slot


def check_api_key(value: Secret, what: str = "the API key") -> None:
    """Raises CredentialsError unless `value` could be a key: 16 to 512 visible ASCII characters, no placeholder."""
    text = value.reveal()
    if text.startswith(_PLACEHOLDERS):
        raise CredentialsError(f"{what} is a placeholder that nobody filled in", hint="paste the value itself")
    if not _TOKEN.fullmatch(text):
        raise CredentialsError(
            f"{what} does not look like one: {len(text)} characters, or blanks or odd signs among them",
            hint="Binance's keys are 64 letters and digits; paste all of it and nothing else",
        )


def check_pair(pair: ApiKeyPair) -> None:
    """Raises CredentialsError unless both halves are well-formed for the pair's kind and differ."""
    check_api_key(pair.api_key)
    if pair.kind is KeyKind.ED25519:
        _check_ed25519(pair.signing_key)
    else:
        check_api_key(pair.signing_key, "the API secret")
    if pair.api_key == pair.signing_key:
        raise CredentialsError("the API key and the API secret are the same", hint="give each at its own question")


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


def _pack(pair: ApiKeyPair, created: datetime) -> Secret:
    value = Secret(
        json.dumps(
            {
                "v": 1,
                "environment": str(pair.environment),
                "family": pair.family.value,
                "kind": pair.kind.value,
                "api_key": pair.api_key.reveal(),
                "signing_key": pair.signing_key.reveal(),
                "created": created.isoformat(),
            },
            separators=(",", ":"),
        )
    )
    if len(value.reveal().encode("utf-16-le")) > MAX_VALUE_BYTES:
        raise CredentialsError(
            f"the key pair is too long for a keyring: over {MAX_VALUE_BYTES} bytes",
            hint="use an Ed25519 or an HMAC key; an RSA key does not fit",
        )
    return value


def _unpack(value: Secret, slot: tuple[Environment, KeyFamily]) -> tuple[ApiKeyPair, datetime]:
    try:
        parsed = _parsed(value)
    except (ValueError, TypeError, RecursionError, CredentialsError):
        parsed = None  # raised below, clear of an exception whose frames hold the text
    item = f"the item `{_SLOTS[slot]}` in the keyring"
    family = " --family futures" if slot[1] is KeyFamily.FUTURES else ""
    hint = f"`guardian keys remove {slot[0]}{family}`, then `guardian keys add {slot[0]}{family}`"
    if parsed is None:
        raise CredentialsError(f"{item} is damaged or was not made by guardian", hint=hint)
    if (parsed[0].environment, parsed[0].family) != slot:
        raise CredentialsError(f"{item} holds a key of another environment or family; it is not used", hint=hint)
    return parsed


def _parsed(value: Secret) -> tuple[ApiKeyPair, datetime]:
    found = json.loads(value.reveal())
    if not isinstance(found, dict) or found.keys() != _FIELDS or found["v"] != 1:
        raise ValueError("not a version 1 item")
    if not all(isinstance(text, str) for name, text in found.items() if name != "v"):
        raise ValueError("a field is not text")
    created = datetime.fromisoformat(found["created"])
    pair = ApiKeyPair(
        environment=Environment(found["environment"]),
        family=KeyFamily(found["family"]),
        kind=KeyKind(found["kind"]),
        api_key=Secret(found["api_key"]),
        signing_key=Secret(found["signing_key"]),
    )
    check_pair(pair)
    return pair, created.astimezone(UTC)


def _check_ed25519(signing_key: Secret) -> None:
    try:
        raw = base64.b64decode(signing_key.reveal().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    if len(raw) != 32:
        raise CredentialsError("the Ed25519 signing key is not 32 bytes in base64")
