"""`guardian keys remove`: removes the key of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from guardian.cli.keys import prompts
from guardian.cli.keys.slots import ENVIRONMENT, FAMILY, KEY_PAGES, as_arguments, checked_slot, described, open_store
from guardian.cli.support.owner import ask_yes
from guardian.cli.support.render import say, say_hint
from guardian.credentials.rotation_stage import RotationStage
from guardian.errors import CredentialsError, KeyringUnavailable

if TYPE_CHECKING:
    from guardian.credentials.item_format import Slot
    from guardian.credentials.store import CredentialStore


@click.command("remove")
@ENVIRONMENT
@FAMILY
@click.option("--waiting", is_flag=True, help="Remove only a new key that waits for its API key or its trial.")
def remove(environment: str, family: str, waiting: bool) -> None:
    """Remove the stored key of ENVIRONMENT. It stays valid at Binance until it is deleted there."""
    slot = checked_slot(environment, family)
    prompts.require_person("remove a key")
    from guardian.cli.support.acts import note_in_log

    store = open_store()
    if waiting and _is_swapping(store, slot):
        say("the new key has worked and is taking the place of the old one")
        say_hint(f"`guardian keys rotate {as_arguments(slot)}` finishes that")
        click.get_current_context().exit(1)
    what = f"the new {described(slot)} key that waits" if waiting else f"the {described(slot)} key"
    if not ask_yes(f"remove {what} from the keyring?"):
        say("nothing was changed")
        click.get_current_context().exit(1)
    if not waiting:
        prompts.take_owners_yes(store, "remove", slot, _fingerprint(store, slot))
    if not (store.rotation(*slot).forget_new() if waiting else store.remove(*slot)):
        say(f"no new {described(slot)} key waits" if waiting else f"no {described(slot)} key is stored")
        click.get_current_context().exit(1)
    act = "waiting key removed" if waiting else "key removed"
    note_in_log(act, {"environment": slot[0].value, "family": slot[1].value})
    say(f"removed {what}")
    say_hint(f"what was registered is still valid at Binance; delete it at {KEY_PAGES[slot]}")


def _is_swapping(store: CredentialStore, slot: Slot) -> bool:
    """Whether the new key is half-way in its place, so that without it there might be none."""
    try:
        return store.rotation(*slot).stage() is RotationStage.SWAPPING
    except KeyringUnavailable:
        raise
    except CredentialsError:
        return False  # it is damaged, and no key


def _fingerprint(store: CredentialStore, slot: Slot) -> str | None:
    """The fingerprint of the stored key; None where none is stored, or it cannot be read."""
    try:
        pair = store.get(*slot)
    except KeyringUnavailable:
        raise
    except CredentialsError:
        return None
    return None if pair is None else pair.fingerprint
