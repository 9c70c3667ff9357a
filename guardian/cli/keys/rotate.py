"""`guardian keys rotate`: replaces a stored key by a new one, with one that works at every moment.

What an interrupted run has left is read from the keyring; the next run says where it is and continues from there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.keys import prompts
from guardian.cli.keys.add import shown_fields, waiting_key
from guardian.cli.keys.slots import ENVIRONMENT, FAMILY, KEY_PAGES, as_arguments, checked_slot, described, open_store
from guardian.cli.keys.sources import Source, source_of, source_options
from guardian.cli.support.owner import ask_yes
from guardian.cli.support.render import fields, say, say_hint
from guardian.credentials.rotation_stage import RotationStage
from guardian.domain.secrets import ApiKeyPair
from guardian.errors import CredentialsError, KeyringUnavailable

if TYPE_CHECKING:
    from guardian.cli.keys.account.trial import KeyAnswer
    from guardian.credentials.item_format import Slot
    from guardian.credentials.rotation import KeyRotation


@click.command("rotate")
@ENVIRONMENT
@FAMILY
@source_options
def rotate(environment: str, family: str, kind: str | None, file: Path | None, from_stdin: bool, paste: bool) -> None:
    """Replace the stored key of ENVIRONMENT by a new one that has worked at the exchange.

    The stored key stays in use until the new one has answered. Run it again after whatever interrupted it.
    """
    slot = checked_slot(environment, family)
    source = source_of(kind, file, from_stdin, paste)
    prompts.require_person("rotate a key")
    store = open_store()
    rotation = store.rotation(*slot)
    stage = rotation.stage()
    if rotation.current() is None and stage is not RotationStage.SWAPPING:
        say(f"no {described(slot)} key is stored that could be replaced")
        say_hint(f"`guardian keys add {as_arguments(slot)}`")
        click.get_current_context().exit(1)
    if stage in {RotationStage.NONE, RotationStage.WAITS_FOR_API_KEY}:
        _get_new_pair(rotation, source, slot, file)
        stage = RotationStage.NOT_TRIED
    elif stage is RotationStage.NOT_TRIED:
        say("an earlier run has left a new key that was not tried yet; it is tried now")
    if stage is RotationStage.NOT_TRIED:
        _try_new_pair(rotation, slot)
        prompts.take_owners_yes(store, "rotate", slot, _pair_of(rotation.new()).fingerprint)
        stage = RotationStage.SWAPPING
    elif stage is RotationStage.SWAPPING:
        say("an earlier run was interrupted while the new key took the place of the old one; it is finished now")
    if stage is RotationStage.SWAPPING:
        _swap(rotation, slot)
        fields(shown_fields(next(key for key in store.list() if (key.environment, key.family) == slot)))
    else:
        say("an earlier run has replaced the key; what is left to do is to end the old one")
    _end_old(rotation, slot)


def _get_new_pair(rotation: KeyRotation, source: Source, slot: Slot, file: Path | None) -> None:
    """Gets a new pair and keeps it beside the one in use. A private key is kept before its API key is entered."""
    from guardian.cli.keys.obtain import obtain

    waiting = waiting_key(rotation) if source.makes_a_key else None
    given = waiting or obtain(source, slot)
    api_key = given.api_key
    if api_key is None:
        rotation.begin(given.signing.kind, given.signing.value)
        prompts.show_public_key(given.signing, slot, made_here=waiting is not None or source.makes_a_key)
        say(f"ctrl-c now, and `guardian keys rotate {as_arguments(slot)}` continues with this key another day;")
        say("the stored key stays in use until then")
        api_key = prompts.ask_api_key("API key that Binance shows for it")
    pair = ApiKeyPair(
        environment=slot[0], family=slot[1], kind=given.signing.kind, api_key=api_key, signing_key=given.signing.value
    )
    current = rotation.current()
    if current is not None and current.pair.api_key == api_key:
        raise CredentialsError(
            "this is the API key that is in use; nothing was changed",
            hint="create a new API key on Binance's page, and enter that one",
        )
    rotation.offer(pair)
    prompts.say_where_it_is(given.places, str(file) if file is not None else "what was piped in")


def _try_new_pair(rotation: KeyRotation, slot: Slot) -> None:
    """Ends the command unless the new pair works, for the account of the old one. Raises ExchangeError: not tried."""
    from guardian.cli.keys.account.trial import try_key

    new = rotation.new()
    assert new is not None
    answer = try_key(_pair_of(new))
    objection = None if answer.works and not answer.problems else "; ".join(answer.problems)
    objection = objection or _account_objection(rotation, answer)
    for warning in answer.warnings:
        say(f"guardian: warning: {warning}")
    if objection is not None:
        say(f"the new key is not used: {objection}")
        say("the stored key stays in use; the new one waits beside it")
        say_hint(
            f"put it right on Binance's page and run `guardian keys rotate {as_arguments(slot)}` again, or drop it: "
            f"`guardian keys remove {as_arguments(slot)} --waiting`"
        )
        click.get_current_context().exit(1)


def _account_objection(rotation: KeyRotation, answer: KeyAnswer) -> str | None:
    """Why the new pair is not of the old one's account; None where it is, or that cannot be known."""
    from guardian.cli.keys.account.trial import try_key

    current = rotation.current()
    if current is None:
        return None
    old = try_key(current.pair)
    if not old.works:
        say("guardian: warning: the stored key does not work any more, so whose account it is of is not known")
        return None
    if None in {old.account, answer.account} or old.account == answer.account:
        return None
    return "it is of another account than the stored one, whose orders and budgets it knows nothing of"


def _swap(rotation: KeyRotation, slot: Slot) -> None:
    from guardian.cli.support.acts import note_in_log

    kept = rotation.swap(keep_old=True)
    note_in_log("key rotated", {"environment": slot[0].value, "family": slot[1].value, "key": kept.pair.fingerprint})
    say(f"the new key works, and is the {described(slot)} key from now on")


def _end_old(rotation: KeyRotation, slot: Slot) -> None:
    """Drops the old pair once the exchange refuses it."""
    from guardian.cli.keys.account.trial import try_key
    from guardian.credentials.store import masked

    try:
        old = rotation.old()
    except KeyringUnavailable:
        raise
    except CredentialsError as error:
        say(error.message)
        if ask_yes("remove this item of the old key?"):
            rotation.forget_old()
        return
    if old is None:
        return
    say(f"delete the old key, `{masked(old.pair.api_key)}`, at {KEY_PAGES[slot]}")
    say_hint("restart your MCP client first: a server that runs signs with the old key until its next start")
    again = f"`guardian keys rotate {as_arguments(slot)}`"
    if not ask_yes("is it deleted there?"):
        say(f"the old key is kept until then; {again} asks again")
        return
    if try_key(old.pair).works:
        say("the exchange still takes the old key; it is kept")
        say_hint(f"it can take a minute; then {again}")
        click.get_current_context().exit(1)
    rotation.forget_old()
    say("the exchange refuses the old key; it was removed from the keyring")


def _pair_of(new: object) -> ApiKeyPair:
    from guardian.credentials.item_format import KeptKey

    assert isinstance(new, KeptKey)
    return new.pair
