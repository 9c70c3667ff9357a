"""The vault file of a home: read whole, replaced whole, one process at a time.

A process that is killed at any point leaves the old file or the new one, and at worst a draft beside it, which the next
write removes. A draft holds nothing that the vault itself does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from guardian.credentials.vault.vault_format import MAX_FILE_BYTES, SealedVault, decode, encode
from guardian.errors import KeyringUnavailable, NotPrivate, VaultDamaged
from guardian.system.private_files import check_file, open_private, prepare_file, replace_file

VAULT_NAME: Final = "vault"
LOCK_NAME: Final = "vault.lock"
_LOCK_TIMEOUT_S: Final = 2.0


class VaultFile:
    """The vault file of one home.

    Every method raises KeyringUnavailable where the file cannot be used: it is not own and private, another process
    holds it, or the disk fails. What cannot be written leaves the file as it was.
    """

    def __init__(self, home: Path) -> None:
        self.path: Final = home / VAULT_NAME
        self._lock_path = home / LOCK_NAME

    def exists(self) -> bool:
        """Whether there is anything of this name; a link that leads nowhere is a vault too, and is refused later."""
        return self.path.is_symlink() or self.path.exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the file for this process: what is read and then written in it is not written by another meanwhile."""
        with self._explained():
            prepare_file(self._lock_path)
            lock = FileLock(self._lock_path, timeout=_LOCK_TIMEOUT_S, mode=0o600)
            try:
                lock.acquire()
            except Timeout:
                raise KeyringUnavailable("another process is using the vault", hint="try again in a moment") from None
        try:
            yield
        finally:
            with suppress(OSError):
                lock.release()

    def read(self) -> SealedVault:
        """Returns the vault. Raises VaultDamaged where it is not what guardian writes, or is gone."""
        with self._explained():
            try:
                check_file(self.path)
                with open(open_private(self.path, 0), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
                    content = file.read(MAX_FILE_BYTES + 1)
            except FileNotFoundError:
                content = None
        if content is None:
            raise VaultDamaged(f"the vault `{self.path}` is gone", hint="put it back, or `guardian keys vault create`")
        return decode(content)

    def write(self, vault: SealedVault) -> None:
        """Replaces the file as a whole; it is on the disk before this returns."""
        content = encode(vault)
        if len(content) > MAX_FILE_BYTES:
            raise KeyringUnavailable(f"the vault is full: it would be over {MAX_FILE_BYTES} bytes")
        with self._explained():
            for draft in self.path.parent.glob(f".{VAULT_NAME}.*.new"):
                draft.unlink(missing_ok=True)
            replace_file(self.path, content)

    def remove(self) -> None:
        """Removes the file. Its blocks may stay on the disk, encrypted, until they are used again."""
        with self._explained():
            self.path.unlink()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except NotPrivate as error:
            raise KeyringUnavailable(error.message, hint=error.hint) from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise KeyringUnavailable(f"the vault `{self.path}` cannot be used: {reason}") from None
