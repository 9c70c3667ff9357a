"""Asks for the passphrase of a home's vault, where it has one that this process cannot open by itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardian.cli.support.render import say, say_error, say_hint, say_prompt
from guardian.cli.support.terminal import CannotHide, is_terminal, read_hidden
from guardian.domain.secrets import Secret
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, GuardianError, KeyringUnavailable, VaultLocked

if TYPE_CHECKING:
    from guardian.credentials.vault.vault_format import SealedVault

ATTEMPTS: Final = 3
_PASSED: Final[set[Path]] = set()
"""The homes for which the question was passed over in this process."""


def unlock_vault(home: Path) -> None:
    """Opens the vault of a home: with what the system gives to this process, else with what a person types.

    Does nothing where there is no vault. Where nobody is at a terminal, or the answer is empty, the vault stays locked,
    and what needs it raises VaultLocked; it is not asked twice.

    Raises:
        VaultLocked: three answers were wrong.
        VaultDamaged, KeyringUnavailable: the vault cannot be used.
    """
    from guardian.credentials.vault.vault_file import VaultFile

    file = VaultFile(home)
    if not file.exists() or home in _PASSED:
        return
    from guardian.credentials.vault.unlocked import PROCESS_VAULTS

    with file.locked():
        vault = file.read()
    try:
        PROCESS_VAULTS.key_of(vault)
    except VaultLocked:
        pass  # a person is asked below, clear of it
    else:
        return
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        return
    if not unlock_by_hand(vault, "passphrase of the vault (not shown; empty to continue without it)", may_pass=True):
        _PASSED.add(home)


def unlock_by_hand(vault: SealedVault, prompt: str, *, may_pass: bool) -> bool:
    """Opens a vault with what a person types, in three tries. Returns False where an empty answer passes the question.

    No answer, at a terminal that was closed, is an empty one. Raises as `unlock_vault`.
    """
    from guardian.credentials.vault.unlocked import PROCESS_VAULTS

    for left in range(ATTEMPTS - 1, -1, -1):
        passphrase = _ask(prompt)
        if may_pass and not passphrase:
            return False
        try:
            PROCESS_VAULTS.unlock(vault, passphrase)
        except CredentialsError as error:
            if not left or (isinstance(error, KeyringUnavailable) and not isinstance(error, VaultLocked)):
                raise
            say(error.message)
        else:
            return True
    raise AssertionError("unreachable")


def _ask(prompt: str) -> Secret:
    try:
        return Secret(read_hidden(lambda: say_prompt(f"{prompt}: "), lambda: False).strip())
    except (CannotHide, EOFError):
        return Secret("")


def unlock_for_policy(policy_path: Path | None) -> None:
    """As `unlock_vault` for a command that works on guardian's home, unless the policy trades on paper.

    A vault that cannot be opened does not stop the command, which may not need it.
    """
    from guardian.credentials.vault.vault_file import VaultFile
    from guardian.home.folder import find_policy_file, home_folder

    home = home_folder()
    if not VaultFile(home).exists():
        return
    from guardian.policy.loading.load import named_environment
    from guardian.system.private_files import open_without_waiting

    try:
        with open_without_waiting(policy_path or find_policy_file(home)) as file:
            environment = named_environment(file.read().decode("utf-8", "replace"))
    except OSError:
        environment = None  # the command itself reports it
    if environment is Environment.PAPER:
        return
    unlock_or_say(home)


def unlock_or_say(home: Path) -> None:
    """As `unlock_vault`, where the command works without it: a vault that cannot be opened is said to be so."""
    try:
        unlock_vault(home)
    except GuardianError as error:
        _PASSED.add(home)
        say_error(error.message)
        if error.hint:
            say_hint(error.hint)
