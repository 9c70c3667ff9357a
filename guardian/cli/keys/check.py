"""`guardian keys check`: asks the exchange whether the stored keys work, and on `live` what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from guardian.cli.keys.slots import FAMILY, KEY_PAGES, as_arguments, checked_slot, described, open_store
from guardian.cli.parser.choices import OneOf
from guardian.cli.support.exit_codes import COULD_NOT_TELL, NO
from guardian.cli.support.render import Column, print_json, say, say_hint, table
from guardian.domain.trading import Environment
from guardian.errors import CredentialsError, ExchangeError, KeyringUnavailable

if TYPE_CHECKING:
    from guardian.cli.keys.account.trial import KeyAnswer
    from guardian.credentials.item_format import Slot
    from guardian.credentials.store import CredentialStore


@click.command("check")
@click.argument("environment", required=False, type=OneOf([e.value for e in Environment if e is not Environment.PAPER]))
@FAMILY
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(environment: str | None, family: str, as_json: bool) -> None:
    """Ask the exchange whether the stored key of ENVIRONMENT works; without it, all stored keys.

    One signed read for each; on `live` the permissions of the key as well. Exit 1: a key does not work or is not safe.
    Exit 3: the exchange or the keyring did not answer.
    """
    slots = [checked_slot(environment, family)] if environment is not None else list(KEY_PAGES)
    store = open_store()
    rows = [row for slot in slots if (row := _row(store, slot)) is not None]
    if as_json:
        print_json({"keys": rows})
    elif not rows:
        say(f"no {described(slots[0])} key is stored" if environment is not None else "no key is stored")
        say_hint(f"`guardian keys add {as_arguments(slots[0])}`")
    else:
        table(
            [
                "environment",
                "family",
                Column("fingerprint", whole=True),
                "works",
                "safe",
                Column("account", whole=True),
            ],
            [
                [row[name] for name in ("environment", "family", "fingerprint", "works", "safe", "account")]
                for row in rows
            ],
        )
        for row in rows:
            _say_details(row)
    answers = [row["works"] if row["safe"] is None else row["works"] and row["safe"] for row in rows]
    if not rows or any(answer is False for answer in answers):
        click.get_current_context().exit(NO)
    if any(answer is None for answer in answers):
        click.get_current_context().exit(COULD_NOT_TELL)


def _row(store: CredentialStore, slot: Slot) -> dict[str, object] | None:
    """What is found out about the key of one place; None where none is stored."""
    row: dict[str, object] = {
        "environment": slot[0].value, "family": slot[1].value, "fingerprint": None, "works": False, "safe": None,
        "account": None, "problems": [], "warnings": [],
    }  # fmt: skip
    try:
        pair = store.get(*slot)
    except KeyringUnavailable:
        raise
    except CredentialsError as error:
        return {**row, "problems": _said(error)}
    if pair is None:
        return None
    from guardian.cli.keys.account.trial import try_key

    row["fingerprint"] = pair.fingerprint
    try:
        answer = try_key(pair)
    except ExchangeError as error:
        return {**row, "works": None, "problems": _said(error)}
    return row | {
        "works": answer.works,
        "safe": _is_safe(answer, slot),
        "account": answer.account,
        "problems": list(answer.problems),
        "warnings": list(answer.warnings),
    }


def _is_safe(answer: KeyAnswer, slot: Slot) -> bool | None:
    """Whether its permissions are safe; None where they are not read."""
    return not answer.problems if answer.works and slot[0] is Environment.LIVE else None


def _said(error: CredentialsError | ExchangeError) -> list[str]:
    return [error.message, *((error.hint,) if error.hint else ())]


def _say_details(row: dict[str, object]) -> None:
    place = f"`{row['environment']}` {row['family']}"
    for name, word in (("problems", ""), ("warnings", "warning: ")):
        lines = row[name]
        assert isinstance(lines, list)
        for line in lines:
            say(f"{place}: {word}{line}")
