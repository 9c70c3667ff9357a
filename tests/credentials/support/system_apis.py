"""The interfaces of macOS' keychain and Windows' Credential Manager, as far as keyring uses them, with their limits.

By keyring's `backends/macOS/api.py`, Apple's `SecItemAdd`, `SecItemCopyMatching` and `SecItemDelete`, and Microsoft's
`CredReadW`, `CredWriteW` and `CredDeleteW`. What is here was compared with these documents and with no such system.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

MOST_BLOB_BYTES: Final = 5 * 512
"""CRED_MAX_CREDENTIAL_BLOB_SIZE."""
ERROR_NOT_FOUND: Final = 1168
RPC_X_BAD_STUB_DATA: Final = 1783


class ApiError(Exception):
    """`pywintypes.error`: number, function, text."""

    def __init__(self, winerror: int, funcname: str, strerror: str) -> None:
        super().__init__(winerror, funcname, strerror)
        self.winerror, self.funcname, self.strerror = winerror, funcname, strerror


class CredentialManager:
    """Windows' Credential Manager: one credential for each target, with its user and at most 2560 bytes."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.before_change: Callable[[], None] = lambda: None

    def modules(self) -> dict[str, ModuleType | None]:
        """`win32cred` and `pywintypes` as pywin32 has them; the other package with these is not installed."""
        win32cred, pywintypes = ModuleType("win32cred"), ModuleType("pywintypes")
        win32cred.__dict__.update(
            CRED_TYPE_GENERIC=1, CRED_PERSIST_SESSION=1, CRED_PERSIST_LOCAL_MACHINE=2, CRED_PERSIST_ENTERPRISE=3,
            CredRead=self.read, CredWrite=self.write, CredDelete=self.delete,
        )  # fmt: skip
        pywintypes.__dict__.update(error=ApiError)
        return {"win32ctypes": None, "win32ctypes.pywin32": None, "win32cred": win32cred, "pywintypes": pywintypes}

    def read(self, *, Type: int, TargetName: str) -> dict[str, Any]:  # noqa: N803 - the interface's names
        assert Type == 1
        if TargetName not in self.kept:
            raise ApiError(ERROR_NOT_FOUND, "CredRead", "Element not found.")
        return dict(self.kept[TargetName])

    def write(self, credential: dict[str, Any], flags: int) -> None:
        assert (credential["Type"], flags) == (1, 0)
        blob = credential["CredentialBlob"].encode("utf-16-le")
        if len(blob) > MOST_BLOB_BYTES:
            raise ApiError(RPC_X_BAD_STUB_DATA, "CredWrite", "The stub received bad data.")
        self.before_change()
        self.kept[credential["TargetName"]] = {**credential, "CredentialBlob": blob}

    def delete(self, *, Type: int, TargetName: str) -> None:  # noqa: N803 - the interface's names
        assert Type == 1
        if TargetName not in self.kept:
            raise ApiError(ERROR_NOT_FOUND, "CredDelete", "Element not found.")
        self.before_change()
        del self.kept[TargetName]

    def values(self) -> dict[str, str]:
        """What is kept, by target."""
        return {target: one["CredentialBlob"].decode("utf-16-le") for target, one in self.kept.items()}


class Keychain:
    """macOS' keychain: one generic password for each service and account. Setting one is removing and adding it."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.before_change: Callable[[], None] = lambda: None
        self.status = 0
        """What each call returns in place of doing anything, unless it is 0."""

        class Error(Exception):
            pass

        self.error = Error
        self.not_found = type("NotFound", (Error,), {})
        self.denied = type("KeychainDenied", (Error,), {})
        self.auth_failure = type("SecAuthFailure", (Error,), {})

    def modules(self) -> dict[str, ModuleType | None]:
        """`keyring.backends.macOS.api`."""
        api = ModuleType("keyring.backends.macOS.api")
        api.__dict__.update(
            Error=self.error, NotFound=self.not_found, KeychainDenied=self.denied, SecAuthFailure=self.auth_failure,
            set_generic_password=self.set, find_generic_password=self.find, delete_generic_password=self.delete,
        )  # fmt: skip
        return {"keyring.backends.macOS.api": api}

    def _check(self) -> None:
        kinds = {-128: self.denied, -25293: self.auth_failure, -67030: self.auth_failure, -25300: self.not_found}
        if self.status:
            raise kinds.get(self.status, self.error)(self.status, "refused")

    def find(self, name: object, service: str, username: str) -> str:
        assert name is None
        self._check()
        if (service, username) not in self.kept:
            raise self.not_found(-25300, "Item not found")
        return self.kept[service, username]

    def set(self, name: object, service: str, username: str, password: str) -> None:
        assert name is None
        self._check()
        if (service, username) in self.kept:
            self.delete(name, service, username)
        self.before_change()
        self.kept[service, username] = password

    def delete(self, name: object, service: str, username: str) -> None:
        assert name is None
        self._check()
        if (service, username) not in self.kept:
            raise self.not_found(-25300, "Item not found")
        self.before_change()
        del self.kept[service, username]

    def values(self) -> dict[str, str]:
        """What is kept, by service."""
        return {service: value for (service, _), value in self.kept.items()}
