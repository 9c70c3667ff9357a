"""`guardian keys add`: stores the key of an environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.keys import prompts
from guardian.cli.keys.slots import FAMILY, as_arguments, checked_slot, described, open_store
from guardian.cli.keys.sources import Source, source_of, source_options
from guardian.cli.parser.choices import OneOf
from guardian.cli.support.owner import ask_yes
from guardian.cli.support.render import fields, say, say_hint
from guardian.credentials.key_checks import check_pair
from guardian.domain.secrets import ApiKeyPair, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, ExchangeError, KeyringUnavailable
from guardian.home.seal_at_use import seal_home

if TYPE_CHECKING:
    from guardian.cli.keys.reading.given import Given
    from guardian.credentials.item_format import Slot
    from guardian.credentials.rotation import KeyRotation
    from guardian.credentials.store import CredentialStore, StoredKey


@click.command("add")
@click.argument("environment", type=OneOf([e.value for e in Environment]))
@FAMILY
@source_options
def add(environment: str, family: str, kind: str | None, file: Path | None, from_stdin: bool, paste: bool) -> None:
    """Store the key of ENVIRONMENT: paper, testnet, demo or live.

    By default guardian makes a key pair, shows its public half for Binance's page, and asks for the API key that the
    page shows then. The private half never leaves the keyring.
    """
    if environment == Environment.PAPER:
        say("`paper` needs no key: the paper exchange runs on this machine")
        return
    slot = checked_slot(environment, family)
    source = source_of(kind, file, from_stdin, paste)
    prompts.require_person("add a key")
    store = open_store()
    prompts.warn_of_pending(slot)
    if not _may_overwrite(store, slot):
        prompts.no_change(slot)
    rotation = store.rotation(*slot)
    given, is_waiting = _new_key(rotation, source, slot)
    api_key = given.api_key or prompts.ask_api_key("API key that Binance shows for it")
    pair = ApiKeyPair(
        environment=slot[0], family=slot[1], kind=given.signing.kind, api_key=api_key, signing_key=given.signing.value
    )
    if slot[0] is Environment.LIVE:
        _require_safe(pair)
    prompts.take_owners_yes(store, "add", slot, pair.fingerprint)
    stored = store_key(store, slot, given.signing.kind, api_key, given.signing.value, is_waiting=is_waiting)
    note_added(stored)
    if (sealed := seal_home()) is not None:
        say(sealed)
    say(f"stored in `{store.backend_name}` and read back")
    fields(shown_fields(stored))
    if given.places:
        prompts.say_where_it_is(given.places, str(file) if file is not None else "what was piped in")
    elif file is not None:
        say_hint(f"guardian does not need `{file}` any more; keep it somewhere safe or delete it")
    say_hint(f"`guardian keys check {as_arguments(slot)}` asks the exchange whether the key works")


def _require_safe(pair: ApiKeyPair) -> None:
    """Ends the command where a key of `live` does not work or its permissions are not safe; nothing was stored then.

    Where the exchange cannot be reached it is stored all the same: no order is created before they were read.
    """
    from guardian.cli.keys.account.trial import try_key

    check_pair(pair)
    try:
        answer = try_key(pair)
    except ExchangeError as error:
        say(f"guardian: warning: what the key may do could not be read: {error.message}")
        return
    for warning in answer.warnings:
        say(f"guardian: warning: {warning}")
    if not answer.works or answer.problems:
        for problem in answer.problems:
            say(problem)
        say("the key was not stored")
        say_hint("put that right on Binance's page, then run the same command again")
        click.get_current_context().exit(1)


def store_key(
    store: CredentialStore, slot: Slot, kind: KeyKind, api_key: Secret, signing_key: Secret, *, is_waiting: bool = False
) -> StoredKey:
    """Store one pair and return how it is listed now. Raises CredentialsError; see `CredentialStore.put`.

    A private key that is waiting in the keyring stays there until the pair is in its place.
    """
    pair = ApiKeyPair(environment=slot[0], family=slot[1], kind=kind, api_key=api_key, signing_key=signing_key)
    if is_waiting:
        store.rotation(*slot).offer(pair)
    return store.put(pair)


def note_added(stored: StoredKey) -> None:
    """Write in the log that a key was added."""
    from guardian.cli.support.acts import note_in_log

    note_in_log(
        "key added", {"environment": stored.environment, "family": stored.family.value, "key": stored.fingerprint}
    )


def shown_fields(key: StoredKey) -> list[tuple[str, object]]:
    """Returns what is shown of one stored key."""
    return [
        ("environment", key.environment),
        ("family", key.family),
        ("kind", key.kind),
        ("key", key.masked_key),
        ("fingerprint", key.fingerprint),
        ("item", key.item),
        ("stored", key.created),
    ]


def _new_key(rotation: KeyRotation, source: Source, slot: Slot) -> tuple[Given, bool]:
    """Returns the key to store, and whether it waits in the keyring, where one that is made here is kept at once."""
    from guardian.cli.keys.obtain import obtain

    waiting = waiting_key(rotation) if source.makes_a_key else None
    given = waiting or obtain(source, slot)
    if source.makes_a_key and waiting is None:
        rotation.begin(given.signing.kind, given.signing.value)
    if given.api_key is None:
        prompts.show_public_key(given.signing, slot, made_here=source.makes_a_key)
        if source.makes_a_key:
            say(f"ctrl-c now, and `guardian keys add {as_arguments(slot)}` continues with this key another day")
        else:
            say("nothing is stored until you enter the API key; ctrl-c leaves nothing behind")
    return given, source.makes_a_key


def waiting_key(rotation: KeyRotation) -> Given | None:
    """Returns the private key that an earlier run has left waiting, if the person wants to continue with it."""
    from guardian.cli.keys.reading.given import Given
    from guardian.cli.keys.reading.signing_keys import SigningKey
    from guardian.credentials.item_format import WaitingKey

    try:
        new = rotation.new()
    except KeyringUnavailable:
        raise
    except CredentialsError as error:
        say(f"{error.message}; a new one takes its place")
        return None
    if not isinstance(new, WaitingKey):
        return None
    day = new.created.date().isoformat()
    if not ask_yes(f"a key pair made on {day} waits for its API key; continue with it?"):
        return None
    return Given(signing=SigningKey(new.kind, new.signing_key))


def _may_overwrite(store: CredentialStore, slot: Slot) -> bool:
    try:
        old = store.get(*slot)
    except CredentialsError as error:
        if isinstance(error, KeyringUnavailable):
            raise
        return ask_yes(f"{error.message}; replace it?")
    if old is None:
        return True
    say_hint(f"`guardian keys rotate {as_arguments(slot)}` keeps the stored key until the new one has worked")
    return ask_yes(f"a key for {described(slot)} is stored already (fingerprint {old.fingerprint}); replace it?")
