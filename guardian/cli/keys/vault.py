"""`guardian keys vault`: an encrypted file in guardian's home, for machines without a keyring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from guardian.cli.parser.groups import CommandGroup
from guardian.cli.support.owner import ask_secret, ask_yes, require_owner
from guardian.cli.support.render import fields, print_json, say, say_hint
from guardian.cli.support.vault_prompt import ATTEMPTS, unlock_by_hand
from guardian.errors import CredentialsError, KeyringUnavailable, VaultLocked

if TYPE_CHECKING:
    from guardian.credentials.vault.vault_file import VaultFile
    from guardian.credentials.vault.vault_format import SealedVault
    from guardian.domain.secrets import Secret

_KEYRING_TIMEOUT_S: Final = 3.0


@click.group("vault", cls=CommandGroup)
def vault() -> None:
    """Keep keys in an encrypted file, on a machine without a keyring.

    The file is `vault` in guardian's home. It is made by `create` alone; where it is, guardian asks no keyring. Its
    passphrase is typed at a terminal; a server gets it by `guardian serve --vault-passphrase-fd N` or as the systemd
    credential `guardian-vault`. Nobody can recover it.
    """


@vault.command()
def create() -> None:
    """Make an empty vault. Keys and a PIN of the keyring are not moved into it."""
    require_owner("make a vault")
    from guardian.cli.support.acts import note_in_log
    from guardian.credentials.vault.lifecycle import create_vault
    from guardian.home.folder import checked_home, home_folder, make_home

    make_home(home_folder())
    home = checked_home()
    if _file(home).exists():
        raise CredentialsError("there is a vault already", hint="`guardian keys vault status` shows it")
    keyring = _working_keyring()
    if keyring is not None:
        say(f"this machine has a keyring, `{keyring}`; with a vault guardian does not ask it any more")
        say("keys, and the hash of a PIN, that are there are not moved: they have to be set again")
        if not ask_yes("make a vault all the same?"):
            say("nothing was changed")
            click.get_current_context().exit(1)
    made = create_vault(home, _ask_new_passphrase())
    note_in_log("vault created", {})
    say(f"made `{made.path}`: keys are kept there from now on")
    say_hint("`guardian keys add testnet`; keep the passphrase somewhere else than on this machine")


@vault.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(as_json: bool) -> None:
    """Show the vault: where it is, what is in it, and whether the system gives its passphrase. Asks for nothing."""
    file = _file()
    if not file.exists():
        if as_json:
            print_json({"vault": None})
        else:
            say("there is no vault: keys are kept in the keyring of the system")
        click.get_current_context().exit(1)
    sealed = _read(file)
    try:
        state = _checked(sealed)
    except VaultLocked as error:
        state = error.message
    kdf = sealed.kdf
    items = [service for service, _ in sorted(sealed.items)]  # not verified where the vault is locked
    if as_json:
        print_json({"vault": str(file.path), "state": state, "items": items, "key_derivation": kdf.name})
        return
    fields(
        [
            ("vault", str(file.path)),
            ("state", state),
            ("key", f"{kdf.name}, {kdf.memory_kib // 1024} MiB, {kdf.iterations} passes, {kdf.lanes} lanes"),
            *(("items" if number == 0 else "", item) for number, item in enumerate(items or ["nothing"])),
        ]
    )


@vault.command("change-passphrase")
def change_passphrase() -> None:
    """Give the vault another passphrase. A server that runs must be started again with it."""
    require_owner("change the passphrase of the vault")
    from guardian.cli.support.acts import note_in_log
    from guardian.credentials.vault import lifecycle

    home = _home()
    unlock_by_hand(_read(_file(home)), "passphrase of the vault (not shown)", may_pass=False)
    lifecycle.change_passphrase(home, _ask_new_passphrase())
    note_in_log("vault passphrase changed", {})
    say("the vault has the new passphrase")
    say_hint("an older copy of the file, in a backup for one, still opens with the older passphrase")


@vault.command()
def remove() -> None:
    """Remove the vault with all that is in it. Keys stay valid at Binance until they are deleted there."""
    require_owner("remove the vault")
    from guardian.cli.support.acts import note_in_log

    file = _file()
    if not file.exists():
        say("there is no vault")
        click.get_current_context().exit(1)
    try:
        items = [service for service, _ in sorted(_read(file).items)]
        say(f"in the vault: {', '.join(items) or 'nothing'}")
    except KeyringUnavailable as error:
        say(error.message)
    if not ask_yes("remove it? what is in it is lost"):
        say("nothing was changed")
        click.get_current_context().exit(1)
    with file.locked():
        file.remove()
    note_in_log("vault removed", {})
    say(f"removed `{file.path}`; keys are kept in the keyring of the system from now on")


def _home() -> Path:
    from guardian.home.folder import home_folder

    return home_folder()


def _file(home: Path | None = None) -> VaultFile:
    from guardian.credentials.vault.vault_file import VaultFile

    return VaultFile(home or _home())


def _read(file: VaultFile) -> SealedVault:
    with file.locked():
        return file.read()


def _checked(sealed: SealedVault) -> str:
    from guardian.credentials.vault.unlocked import PROCESS_VAULTS
    from guardian.credentials.vault.vault_format import verify

    verify(sealed, PROCESS_VAULTS.key_of(sealed))
    return "open, and not changed by anything else than guardian"


def _working_keyring() -> str | None:
    """The keyring that would be used without a vault; None where none works."""
    from guardian.credentials.backends import find_system_backend
    from guardian.credentials.turns import SYSTEM_KEYRING, KeyringQueue, class_path

    try:
        return class_path(KeyringQueue(_KEYRING_TIMEOUT_S, SYSTEM_KEYRING).call(find_system_backend))
    except KeyringUnavailable:
        return None


def _ask_new_passphrase() -> Secret:
    for left in range(ATTEMPTS - 1, -1, -1):
        try:
            return _new_passphrase()
        except CredentialsError as error:
            if not left:
                raise
            say(error.message)
    raise AssertionError("unreachable")


def _new_passphrase() -> Secret:
    from guardian.credentials.vault.passphrase import MIN_CHARACTERS, check_new, normal

    passphrase = normal(ask_secret(f"new passphrase, at least {MIN_CHARACTERS} characters (not shown)"))
    check_new(passphrase)
    if normal(ask_secret("the same again")) != passphrase:
        raise CredentialsError("the two are not the same; nothing was changed")
    return passphrase
