"""`guardian keys list`: the stored keys, without their secrets."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from guardian.cli.keys.slots import KEY_PAGES, as_arguments, described, open_store
from guardian.cli.support.render import Column, print_json, say, say_hint, table
from guardian.credentials.rotation_stage import RotationStage
from guardian.errors import CredentialsError, KeyringUnavailable

if TYPE_CHECKING:
    from guardian.credentials.http_token import TokenDigest
    from guardian.credentials.item_format import Slot
    from guardian.credentials.store import CredentialStore

_STAGES = {
    RotationStage.WAITS_FOR_API_KEY: "a new key pair waits for its API key",
    RotationStage.NOT_TRIED: "a new key waits to be tried at the exchange",
    RotationStage.SWAPPING: "a new key works and is taking the place of the old one",
    RotationStage.OLD_REMAINS: "the key was replaced; the old one may still be valid at Binance",
}


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(as_json: bool) -> None:
    """List the stored keys, without their secrets."""
    store = open_store()
    keys = store.list()
    unfinished = _unfinished(store)
    token = _http_token(store)
    if as_json:
        rotations = [
            {"environment": slot[0].value, "family": slot[1].value, "stage": stage.name.lower()}
            for slot, stage in unfinished.items()
        ]
        document = {"backend": store.backend_name, "keys": [asdict(key) for key in keys], "rotations": rotations}
        print_json({**document, "http_token": None if token is None else {"created": token.created}})
        return
    if not keys:
        say("no key is stored")
        if not unfinished:
            say_hint("`guardian keys add testnet`")
    else:
        now = datetime.now(UTC)
        table(
            [
                "environment", "family", "kind", Column("key", whole=True), Column("fingerprint", whole=True),
                Column("item", whole=True), "stored", Column("age", right=True),
            ],
            [
                (k.environment, k.family, k.kind, k.masked_key, k.fingerprint, k.item, k.created, age(k.created, now))
                for k in keys
            ],
        )  # fmt: skip
        say(f"kept in `{store.backend_name}`")
    if token is not None:
        say(f"a token for this home's servers over HTTP is kept, made {age(token.created, datetime.now(UTC))} ago")
    stored = {(key.environment, key.family) for key in keys}
    for slot, stage in unfinished.items():
        verb = "rotate" if (slot[0].value, slot[1]) in stored else "add"
        say(f"{described(slot)}: {_STAGES[stage]}")
        say_hint(f"`guardian keys {verb} {as_arguments(slot)}` continues")


def age(since: datetime, now: datetime) -> str:
    """Returns how old something is, in whole days, or hours on its first day: `12 d`, `5 h`."""
    seconds = max(0, int((now - since).total_seconds()))
    return f"{seconds // 86_400} d" if seconds >= 86_400 else f"{seconds // 3_600} h"


def _http_token(store: CredentialStore) -> TokenDigest | None:
    """What is kept of the token; of one that cannot be read it says so, and the keys are listed all the same."""
    from guardian.home.folder import home_folder

    try:
        return store.http_token(home_folder()).get()
    except KeyringUnavailable:
        raise
    except CredentialsError as error:
        say(f"guardian: warning: {error.message}")
        if error.hint:
            say_hint(error.hint)
        return None


def _unfinished(store: CredentialStore) -> dict[Slot, RotationStage]:
    """The places where a key is being added or replaced, and how far it came."""
    stages = {slot: _stage(store, slot) for slot in KEY_PAGES}
    return {slot: stage for slot, stage in stages.items() if stage is not RotationStage.NONE}


def _stage(store: CredentialStore, slot: Slot) -> RotationStage:
    """How far it came; of an item that cannot be read it says so, and the others are listed all the same."""
    try:
        return store.rotation(*slot).stage()
    except KeyringUnavailable:
        raise
    except CredentialsError as error:
        say(f"guardian: warning: {error.message}")
        if error.hint:
            say_hint(error.hint)
        return RotationStage.NONE
