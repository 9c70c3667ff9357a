"""What `guardian keys` asks a person, and what it says to them about a key. Secrets are never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from guardian.cli.keys.slots import KEY_PAGES, described
from guardian.cli.support.owner import agree_unless_terminal, ask_secret, put, require_owner
from guardian.cli.support.render import print_line, say, say_hint
from guardian.credentials.key_checks import check_api_key
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.domain.secrets import KeyFamily, KeyKind, Secret
from guardian.errors import CredentialsError, OwnerNotPresent, PolicyInvalid

if TYPE_CHECKING:
    from guardian.cli.keys.reading.signing_keys import SigningKey
    from guardian.credentials.item_format import Slot
    from guardian.credentials.store import CredentialStore

_TRIES: Final = 3


def require_person(action: str) -> None:
    """Makes sure that a person is at a terminal, before anything is opened. Raises OwnerNotPresent."""
    require_owner(action)


def take_owners_yes(store: CredentialStore, decision: str, slot: Slot, key: str | None) -> None:
    """The one place where `guardian keys` takes its owner's yes to an act, by the proof that the home demands.

    `decision` is `add`, `rotate` or `remove`; `key` the fingerprint of the key that is added or removed. With proof
    `terminal` the questions of the command were enough. Ends the command where the answer is no. Raises as `agree`, and
    CredentialsError where the passkey or PIN of another home guards the keys.
    """
    log = _log_name()
    if log is not None:
        store.check_guard(log)
    statement = Statement(
        kind=StatementKind.KEYS,
        fields={"decision": decision, "environment": slot[0].value, "family": slot[1].value, "key": key},
    )
    if agree_unless_terminal(statement, f"{decision} the {described(slot)} key{f' {key}' if key else ''}?") is None:
        no_change(slot)


def _log_name() -> str | None:
    """The name of the home's log; None where it cannot be read: then `agree_unless_terminal` asks the keyring."""
    from guardian.gate.base.key_account import log_name
    from guardian.home.log import open_journal

    try:
        journal = open_journal()
    except PolicyInvalid:
        return None
    try:
        return log_name(journal)
    finally:
        journal.close()


def ask_api_key(prompt: str) -> Secret:
    """Asks again after a slip of the pen: what was registered at Binance meanwhile should not be for nothing.

    Raises CredentialsError after three answers that cannot be a key.
    """
    for left in range(_TRIES - 1, -1, -1):
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


def ask_passphrase() -> Secret:
    """Asks for the passphrase of a private key; empty ends it."""
    return ask_secret("passphrase of the private key (not shown)")


def ask_private_key() -> Secret:
    """Takes a private key that is pasted, over several lines, without showing it: one character for each byte.

    Raises OwnerNotPresent where there is no terminal or its echo cannot be turned off.
    """
    from guardian.cli.keys.typed_secrets import read_hidden_text
    from guardian.cli.support.terminal import CannotHide

    require_owner("ask for a private key")

    def ask() -> None:
        put("paste the private key, with its first and last line (not shown): ")

    try:
        text = Secret(read_hidden_text(ask, _is_whole).encode("utf-8", "surrogateescape").decode("latin-1"))
    except (CannotHide, EOFError):
        text = Secret("")
    say("")
    if not text:
        raise OwnerNotPresent(
            "cannot ask for a private key: the terminal gave no answer, or would have shown it",
            hint="run this command yourself in a terminal window",
        )
    return text


def _is_whole(text: str) -> bool:
    """Whether the last line of a private key, or the only one of a key without such lines, was entered."""
    if "-----BEGIN" in text:
        return "-----END" in text and text.endswith("\n")
    return bool(text.strip()) and text.endswith("\n")


def show_public_key(signing: SigningKey, slot: Slot, *, made_here: bool) -> None:
    """Prints the public half, which is data and no secret, and the steps at Binance's page."""
    if signing.kind is KeyKind.HMAC:
        return
    from guardian.cli.keys.reading.signing_keys import public_pem

    say("a new Ed25519 key pair; this is its public half, which is no secret:" if made_here else "its public half:")
    say("")
    for line in public_pem(signing).splitlines():
        print_line(line)
    say("")
    if made_here:
        say(f"1. open {KEY_PAGES[slot]}, and there create an API key of the kind `self-generated`")
        say("2. paste the whole text above, its first and last line too")
        say("3. allow reading and spot trading, never withdrawals or transfers; restrict it to your address if you can")
        say("4. copy the API key that the page shows then, and paste it here")
        say("where that page only hands out a key and a secret: ctrl-c, and the same command with `--kind hmac`")


def warn_of_pending(slot: Slot) -> None:
    """Say which orders only a key of the same account can ask for and cancel; nothing where the log cannot be read."""
    from guardian.cli.keys.account.pending import pending_orders

    count = 0 if slot[1] is KeyFamily.FUTURES else pending_orders(slot[0].value)
    if count:
        orders = "1 order of guardian's is" if count == 1 else f"{count} orders of guardian's are"
        say(f"guardian: warning: {orders} open or not resolved in `{slot[0]}`")
        say_hint("another key of the same account continues with them; one of another account knows nothing of them")


def say_where_it_is(places: tuple[str, ...], source: str) -> None:
    """Say which lines of a file hold what is now in the keyring, and are to be deleted."""
    if not places:
        return
    say(f"guardian: warning: the same key is still readable in `{source}`: {', '.join(places)}")
    say_hint("delete these lines, also from backups and from the history of a repository; then restart what reads them")


def hmac_steps(slot: Slot) -> None:
    """Say where a pair of key and secret is made."""
    say(f"make a system-generated (HMAC) key at {KEY_PAGES[slot]}; allow reading and spot trading, never withdrawals")


def no_change(slot: Slot) -> None:
    """Say that the stored key is as it was, and end with the answer no."""
    say(f"nothing was changed: the {described(slot)} key is as it was")
    click.get_current_context().exit(1)
