"""Where keys are kept: which keyring works, whether it keeps and gives back an item, or the vault in its place."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from guardian.cli.doctor.examined import KEYRING_TIMEOUT_S, START_TIMEOUT_S, Examined, given_by_clients
from guardian.cli.doctor.findings import Finding, ok, problem, unclear, warning
from guardian.credentials.backends import KeyringBackend, try_backends
from guardian.credentials.items import KeyringItems
from guardian.credentials.turns import KeyringQueue, Turn
from guardian.credentials.vault.unlocked import PROCESS_VAULTS
from guardian.credentials.vault.vault_file import VaultFile
from guardian.domain.secrets import Secret
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, KeyringUnavailable, VaultLocked
from guardian.system.surroundings import find_surroundings

TEST_SERVICE: Final = "guardian-doctor-test"
"""The name of the item that is written, read and removed; it has no key in it."""
_TRY: Final = (
    "from guardian.credentials.backends import try_backends\n"
    "print('none' if all(isinstance(found, str) for _, found in try_backends()) else 'works')"
)


def check_backends(examined: Examined) -> Iterator[Finding]:
    """A keyring works, and it keeps an item; where a home has a vault, that is looked at in its place."""
    vault = VaultFile(examined.home)
    if vault.exists():
        yield from _look_at_vault(vault)
        return
    needs_none = examined.policy is not None and examined.policy.environment is Environment.PAPER
    refused = ok if needs_none else warning
    works: KeyringBackend | None = None
    for name, result in try_backends():
        if not isinstance(result, str):
            works = result
            yield ok("keyring", f"{name} is here")
            break
        yield refused("keyring.backend", f"{name} does not work here: {result}")
    if works is not None:
        yield from round_trip(works)
        if examined.platform == "linux":
            yield from _in_client(examined)
        return
    if needs_none:
        yield ok("keyring", "no keyring works here, and `paper` needs none")
        return
    yield problem(
        "keyring",
        "no keyring works here, so no key can be kept in one",
        "`guardian keys vault create` makes a file for them",
    )
    if examined.platform == "linux" and "DBUS_SESSION_BUS_ADDRESS" not in examined.environment:
        text = "no D-Bus session is named (DBUS_SESSION_BUS_ADDRESS), by which keyrings are reached"
        yield warning("keyring.d-bus", text, "start the client from the desktop, or use a vault")


def _in_client(examined: Examined) -> Iterator[Finding]:
    works = examined.keyring_of_clients()
    if works:
        yield ok("keyring.in-client", "it works with the few variables that a client gives as well")
    elif works is None:
        yield unclear(
            "keyring.in-client", "whether it works with the few variables that a client gives could not be tried"
        )
    else:
        address = examined.environment.get("DBUS_SESSION_BUS_ADDRESS", "that of your session")
        text = "it works here, and not with the few variables that some clients give: they leave D-Bus' address out"
        remedy = f"name it in the entry's `env`: DBUS_SESSION_BUS_ADDRESS = {address}; or use a vault"
        yield warning("keyring.in-client", text, remedy)


def works_for_clients() -> bool | None:
    """Whether a keyring works in a process with the variables that clients give; None where none could be started."""
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, fixed words
            [sys.executable, "-I", "-c", _TRY], env=given_by_clients(), capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=START_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return {"works": True, "none": False}.get(done.stdout.strip())


def round_trip(backend: KeyringBackend, timeout_s: float = KEYRING_TIMEOUT_S) -> Iterator[Finding]:
    """Writes an item of random text, reads it back and removes it. A keyring that is locked may open a window."""
    items = KeyringItems(backend, KeyringQueue(timeout_s, Turn()))
    service = f"{TEST_SERVICE}-{secrets.token_hex(4)}"
    try:
        items.put(service, Secret(secrets.token_hex(16)))
        items.remove(service)
    except KeyringUnavailable as error:
        asks = "; it may be locked, and have opened a window" if find_surroundings(sys.platform).has_windows else ""
        yield unclear("keyring.round-trip", f"{error.message}{asks}", error.hint)
    except CredentialsError as error:
        yield problem("keyring.round-trip", error.message, error.hint)
    else:
        yield ok("keyring.round-trip", "a test item was written, read back and removed")


def _look_at_vault(vault: VaultFile) -> Iterator[Finding]:
    sealed = vault.read()  # a vault that cannot be used raises, and is said with its hint
    try:
        PROCESS_VAULTS.key_of(sealed)
    except VaultLocked as error:
        remedy = (
            "`guardian keys vault status`; a server takes its passphrase by `--vault-passphrase-fd` or from systemd"
        )
        yield unclear("vault", f"`{vault.path}` has {len(sealed.items)} items: {error.message}", remedy)
    else:
        yield ok("vault", f"`{vault.path}` opens, and has {len(sealed.items)} items")
