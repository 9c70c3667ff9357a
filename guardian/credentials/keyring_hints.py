"""What a person can do about a keyring that is missing or locked, on the kind of machine that this is."""

from __future__ import annotations

from typing import Final

from guardian.system.surroundings import Surroundings

VAULT_BUSY_HINT: Final = "the vault's folder does not answer, or this machine is very busy; try again"
_VAULT: Final = "`guardian keys vault create` keeps keys in an encrypted file of guardian's home instead"
_SESSION: Final = (
    "or start the MCP client under `dbus-run-session`, after `gnome-keyring-daemon --unlock --components=secrets` in it"
)


def missing_hint(machine: Surroundings) -> str:
    """Returns what to do where no keyring works."""
    if machine.platform == "darwin":
        return f"log in at the Mac itself, so that your login keychain is open; over ssh and in services {_VAULT}"
    if machine.platform == "win32":
        return "run guardian as the user who is logged in, so that the Credential Manager is there"
    if machine.platform != "linux":
        return _VAULT
    if machine.has_windows:
        return (
            "guardian needs a Secret Service (GNOME Keyring, KWallet or KeePassXC) in your login session; "
            f"where it is missing, {_VAULT}"
        )
    return f"{_where(machine)} has no Secret Service, and no windows in which one could ask: {_VAULT}; {_SESSION}"


def locked_hint(machine: Surroundings) -> str:
    """Returns what to do where a keyring is locked, fails, or waits for a person."""
    if machine.platform == "linux" and not machine.has_windows:
        return (
            f"{_where(machine)} has no windows in which the keyring could ask: unlock it beforehand with "
            f"`gnome-keyring-daemon --unlock --components=secrets`; {_VAULT}"
        )
    return "unlock your keyring (log in at the desktop, or answer the window it opened), then try again"


def _where(machine: Surroundings) -> str:
    return {None: "this machine", "WSL": "this WSL", "container": "this container"}[machine.kind]
