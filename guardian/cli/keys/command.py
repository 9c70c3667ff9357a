"""`guardian keys`: Binance API keys in the system's keyring."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from guardian.cli.keys.vault import vault
from guardian.cli.support.owner import ask_secret, ask_yes, require_owner
from guardian.cli.support.render import Column, fields, print_json, print_line, say, say_hint, table
from guardian.cli.support.vault_prompt import unlock_vault
from guardian.credentials.key_checks import check_api_key
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, KeyringUnavailable

if TYPE_CHECKING:
    from guardian.credentials.store import CredentialStore, StoredKey

_ATTEMPTS: Final = 3
_KEY_PAGES: Final = {
    (Environment.TESTNET, KeyFamily.SPOT): "https://testnet.binance.vision",
    (Environment.TESTNET, KeyFamily.FUTURES): "https://testnet.binancefuture.com",
    (Environment.DEMO, KeyFamily.SPOT): "https://demo.binance.com, under API Management",
    (Environment.LIVE, KeyFamily.SPOT): "https://www.binance.com, under API Management",
}
_FAMILY: Final = click.option(
    "--family",
    type=click.Choice([f.value for f in KeyFamily]),
    default=KeyFamily.SPOT.value,
    show_default=True,
    help="Which of the testnet's two pairs; the other environments have one for both.",
)


@click.group()
def command() -> None:
    """Keep Binance API keys in the system's keyring, or in a vault where there is one.

    A key belongs to one environment and is never offered to another. Secrets are entered at the terminal, never taken
    from an argument, a variable or a pipe.
    """


command.add_command(vault)


@command.command("add")
@click.argument("environment", type=click.Choice([e.value for e in Environment]))
@_FAMILY
@click.option(
    "--kind",
    type=click.Choice([KeyKind.ED25519.value, KeyKind.HMAC.value]),
    help="ed25519 (made here; Binance never sees the secret half) or hmac (made by Binance).  [default: ed25519]",
)
@click.option(
    "--pem",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An Ed25519 private key that Binance knows already, instead of a new one.",
)
def add(environment: str, family: str, kind: str | None, pem: Path | None) -> None:
    """Store the key of ENVIRONMENT: paper, testnet, demo or live."""
    if environment == Environment.PAPER:
        say("`paper` needs no key: the paper exchange runs on this machine")
        return
    slot = _checked_slot(environment, family)
    if pem is not None and kind == KeyKind.HMAC:
        raise click.UsageError("`--pem` is for an Ed25519 key, not for `--kind hmac`.")
    require_owner("add a key")
    from guardian.cli.keys.ed25519 import ed25519_from_pem, generate_ed25519
    from guardian.cli.support.acts import note_in_log

    store = _open()
    _warn_of_pending(slot)
    if not _may_overwrite(store, slot):
        say("nothing was changed")
        click.get_current_context().exit(1)
    if kind == KeyKind.HMAC:
        say(
            f"make a system-generated (HMAC) key at {_KEY_PAGES[slot]}; "
            "allow reading and spot trading, never withdrawals"
        )
        api_key = _ask_api_key("API key")
        signing_key = _ask_api_key("API secret")
    else:
        signing_key = generate_ed25519() if pem is None else ed25519_from_pem(_read_pem(pem))
        _show_public_key(signing_key, _KEY_PAGES[slot], new=pem is None)
        api_key = _ask_api_key("API key that Binance shows for it")
    stored = add_key(
        store,
        environment=slot[0],
        family=slot[1],
        kind=KeyKind(kind or KeyKind.ED25519),
        api_key=api_key,
        signing_key=signing_key,
    )
    note_in_log("key added", {"environment": slot[0].value, "family": slot[1].value, "key": stored.fingerprint})
    say(f"stored in `{store.backend_name}` and read back")
    fields(_field_rows(stored))
    if pem is not None:
        say_hint(f"guardian does not need `{pem}` any more; keep it somewhere safe or delete it")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(as_json: bool) -> None:
    """List the stored keys, without their secrets."""
    store = _open()
    keys = store.list()
    if as_json:
        print_json({"backend": store.backend_name, "keys": [asdict(key) for key in keys]})
        return
    if not keys:
        say("no key is stored")
        say_hint("`guardian keys add testnet`")
        return
    table(
        ["environment", "family", "kind", Column("key", whole=True), Column("fingerprint", whole=True), "stored"],
        [(k.environment, k.family, k.kind, k.masked_key, k.fingerprint, k.created) for k in keys],
    )
    say(f"kept in `{store.backend_name}`")


@command.command("remove")
@click.argument("environment", type=click.Choice([e.value for e in Environment if e is not Environment.PAPER]))
@_FAMILY
def remove(environment: str, family: str) -> None:
    """Remove the stored key of ENVIRONMENT. It stays valid at Binance until it is deleted there."""
    slot = _checked_slot(environment, family)
    require_owner("remove a key")
    from guardian.cli.support.acts import note_in_log

    store = _open()
    if not ask_yes(f"remove the {_described(slot)} key from the keyring?"):
        say("nothing was changed")
        click.get_current_context().exit(1)
    if not remove_key(store, environment=slot[0], family=slot[1]):
        say(f"no {_described(slot)} key is stored")
        click.get_current_context().exit(1)
    note_in_log("key removed", {"environment": slot[0].value, "family": slot[1].value})
    say(f"removed the {_described(slot)} key")
    say_hint(f"it is still valid at Binance; delete it at {_KEY_PAGES[slot]}")


def add_key(
    store: CredentialStore,
    *,
    environment: Environment,
    family: KeyFamily,
    kind: KeyKind,
    api_key: Secret,
    signing_key: Secret,
) -> StoredKey:
    """Store one pair and say how it is listed now. Raises CredentialsError; see `CredentialStore.put`."""
    return store.put(
        ApiKeyPair(environment=environment, family=family, kind=kind, api_key=api_key, signing_key=signing_key)
    )


def remove_key(store: CredentialStore, *, environment: Environment, family: KeyFamily) -> bool:
    """Remove one pair; False where none is stored. Raises CredentialsError; see `CredentialStore.remove`."""
    return store.remove(environment, family)


def _open() -> CredentialStore:
    from guardian.credentials import store
    from guardian.home.folder import home_folder

    home = home_folder()
    unlock_vault(home)
    return store.open_credentials(home=home, timeout_s=store.INTERACTIVE_TIMEOUT_S)


def _checked_slot(environment: str, family: str) -> tuple[Environment, KeyFamily]:
    slot = (Environment(environment), KeyFamily(family))
    if slot not in _KEY_PAGES:
        raise click.UsageError(f"`{environment}` has one key for spot and futures: leave `--family` out.")
    return slot


def _described(slot: tuple[Environment, KeyFamily]) -> str:
    return f"`{slot[0]}` {slot[1]}" if slot[0] is Environment.TESTNET else f"`{slot[0]}`"


def _warn_of_pending(slot: tuple[Environment, KeyFamily]) -> None:
    """Say which orders only a key of the same account can ask for and cancel; nothing where the log cannot be read."""
    from guardian.cli.keys.pending import pending_orders

    count = 0 if slot[1] is KeyFamily.FUTURES else pending_orders(slot[0].value)
    if count:
        orders = "1 order of guardian's is" if count == 1 else f"{count} orders of guardian's are"
        say(f"guardian: warning: {orders} open or not resolved in `{slot[0]}`")
        say_hint("another key of the same account continues with them; one of another account knows nothing of them")


def _may_overwrite(store: CredentialStore, slot: tuple[Environment, KeyFamily]) -> bool:
    try:
        old = store.get(*slot)
    except CredentialsError as error:
        if isinstance(error, KeyringUnavailable):
            raise
        return ask_yes(f"{error.message}; replace it?")
    if old is None:
        return True
    return ask_yes(f"a key for {_described(slot)} is stored already (fingerprint {old.fingerprint}); replace it?")


def _ask_api_key(prompt: str) -> Secret:
    """Asks again after a slip of the pen: what was registered at Binance meanwhile should not be for nothing."""
    for left in range(_ATTEMPTS - 1, -1, -1):
        value = ask_secret(f"{prompt} (not shown)")
        try:
            check_api_key(value, f"the {prompt.split(' that ')[0]}")
        except CredentialsError as error:
            if not left:
                raise
            say(error.message)
        else:
            return value
    raise AssertionError("unreachable")


def _read_pem(path: Path) -> Secret:
    try:
        return Secret(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = type(error).__name__
    raise CredentialsError(f"cannot read `{path}` ({reason})")


def _show_public_key(signing_key: Secret, where: str, *, new: bool) -> None:
    if new:
        say("a new Ed25519 key pair; this is its public half, which is no secret:")
        say("")
    else:
        say("the public half of the key in that file:")
        say("")
    from guardian.cli.keys.ed25519 import ed25519_public_pem

    for line in ed25519_public_pem(signing_key).splitlines():
        print_line(line)
    if new:
        say(f"register it at {where}, as a self-generated key; allow reading and spot trading, never withdrawals")
        say("where that page only hands out a key and a secret: ctrl-c, and the same command with `--kind hmac`")
    say("nothing is stored until you enter the API key; ctrl-c leaves nothing behind")


def _field_rows(key: StoredKey) -> list[tuple[str, object]]:
    return [
        ("environment", key.environment),
        ("family", key.family),
        ("kind", key.kind),
        ("key", key.masked_key),
        ("fingerprint", key.fingerprint),
        ("stored", key.created),
    ]
