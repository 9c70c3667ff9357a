"""Chooses the keyring backend: the vault of a home that has one, else one of a few known ones, imported by name.

keyring's own choice of a backend is not used. `keyring.get_keyring()` follows an environment variable, a configuration
file that may add a folder to `sys.path`, and every installed entry point; it may choose one that keeps nothing, one
that writes plain text, or one that reads the process's standard input, which here is the MCP connection. keyring is
slow to import, so it is imported when it is first needed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import new_class
from typing import Any, Final, Protocol

from guardian.credentials.keyring_hints import missing_hint
from guardian.credentials.vault.vault_backend import VaultBackend
from guardian.domain.text.escaping import clean
from guardian.errors import KeyringUnavailable
from guardian.system.surroundings import find_surroundings

_BACKENDS: Final[Mapping[str, tuple[str, ...]]] = {
    "darwin": ("keyring.backends.macOS.Keyring",),
    "win32": ("keyring.backends.Windows.WinVaultKeyring",),
    "linux": (
        "keyring.backends.SecretService.Keyring",
        "keyring.backends.libsecret.Keyring",
        "keyring.backends.kwallet.DBusKeyring",
    ),
}

_TITLES: Final[Mapping[str, str]] = {
    "keyring.backends.macOS.Keyring": "the Keychain of macOS",
    "keyring.backends.Windows.WinVaultKeyring": "the Credential Manager of Windows",
    "keyring.backends.SecretService.Keyring": "Secret Service",
    "keyring.backends.libsecret.Keyring": "libsecret",
    "keyring.backends.kwallet.DBusKeyring": "KWallet",
}
_MOST_SAID: Final = 100
"""Characters of why a backend cannot work."""


class KeyringBackend(Protocol):
    """The part of keyring's backend interface that is used."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


class _WinVault(Protocol):
    """What `WinVaultKeyring` has besides."""

    def _set_password(self, target: str, username: str, password: str) -> None: ...


def find_backend(home: Path) -> KeyringBackend:
    """Returns the vault of a home that has one, and no keyring then; else the first backend of this system that works.

    Raises KeyringUnavailable where none does.
    """
    vault = VaultBackend(home)
    if vault.file.exists():
        return vault
    return find_system_backend()


def find_system_backend() -> KeyringBackend:
    """Returns the first backend of this system that works. Raises KeyringUnavailable where none does."""
    tried = []
    for name, result in try_backends():
        if not isinstance(result, str):
            return result
        tried.append(f"`{name}` ({result})")
    raise KeyringUnavailable(
        f"no keyring that guardian trusts works here; tried: {', '.join(tried) or 'none is known for this system'}",
        hint=missing_hint(find_surroundings(sys.platform)),
    )


def try_backends() -> Iterator[tuple[str, KeyringBackend | str]]:
    """Each backend of this system by its name for people, loaded, or why it cannot work. Nothing is asked of it."""
    for path in _BACKENDS.get(sys.platform, ()):
        try:
            yield _TITLES.get(path, path), _load(path)
        except Exception as error:  # noqa: BLE001 - whatever keeps one from working, the next is tried
            # keyring's own words for it, for instance `SecretStorage required`; no key was near it yet.
            yield _TITLES.get(path, path), clean(" ".join(str(error).split()), _MOST_SAID) or type(error).__name__


def title_of(backend: str) -> str:
    """Returns the name for people of a backend, by its module and class; another text, a vault's, as it is."""
    return _TITLES.get(backend, backend)


def _load(path: str) -> KeyringBackend:
    module, _, name = path.rpartition(".")
    found: Any = getattr(import_module(module), name)

    def override(namespace: dict[str, Any]) -> None:
        # keyring lets the environment set any attribute of a backend (KEYRING_PROPERTY_*, KEYCHAIN_PATH), for one
        # the collection that secrets go to; and takes the program's name from argv. Here nothing outside decides.
        namespace["set_properties_from_env"] = lambda self: None  # noqa: ARG005 - takes the place of a method
        namespace["keychain"] = None
        namespace["appid"] = "guardian"
        namespace["__module__"], namespace["__qualname__"] = module, name
        if sys.platform == "win32":
            namespace["set_password"] = _set_in_place

    if not found.priority > 0:  # raises where the backend cannot work
        raise RuntimeError("not recommended here")
    backend: Any = new_class(name, (found,), exec_body=override)()
    if sys.platform == "win32":
        backend.persist = "local machine"  # the default, "enterprise", copies secrets to other machines of a domain
    return backend  # type: ignore[no-any-return]  # keyring's classes are picked by name


def _set_in_place(backend: _WinVault, service: str, username: str, password: str) -> None:
    """Sets an item of the Credential Manager.

    `WinVaultKeyring.set_password` first copies what is there to the item `username@service`, also where it is the same
    user's: a key that was replaced would stay in that copy. With one user for each service there is nothing to copy.
    """
    backend._set_password(service, username, password)  # noqa: SLF001 - what its own method does then
