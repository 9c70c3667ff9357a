"""`guardian keys token`: makes and removes the bearer token that clients send over HTTP."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import BinaryIO, Final

import click

from guardian.cli.keys.slots import open_store
from guardian.cli.parser.groups import CommandGroup
from guardian.cli.support.owner import agree, require_owner
from guardian.cli.support.render import print_line, say, say_hint
from guardian.cli.support.terminal import is_terminal
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.errors import GuardianError, OwnerNotPresent

RESTART: Final = "a server that runs keeps what it read at its start: restart it"


@click.group(cls=CommandGroup)
def token() -> None:
    """Keep the token that clients of `guardian serve --transport http` send. It opens this home's servers alone."""


@token.command("create")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the token to this new file, for you alone, instead of the terminal.",
)
def create(out: Path | None) -> None:
    """Make a token and show it, once: what is kept is its digest. It takes the place of the one before."""
    require_owner("make a token")
    if out is None and not is_terminal(sys.stdout):
        raise OwnerNotPresent(
            "a token is shown at a terminal alone, and standard output is no terminal",
            hint="`guardian keys token create --out FILE` writes it to a file that nobody else can read",
        )
    from guardian.cli.support.acts import note_in_log
    from guardian.home.folder import home_folder

    item = open_store().http_token(home_folder())
    _take_owners_yes("create", "make a token for this home's servers over HTTP, in place of any other?")
    # The file is there before the token is: else one that cannot be written would cost the token before.
    file = None if out is None else _new_file(out)
    made = item.create(secrets.token_bytes)
    if file is None:
        print_line(made.reveal())
        say("this is the token; it is not shown again")
    else:
        with file:
            file.write(f"{made.reveal()}\n".encode("ascii"))
        say(f"the token is in `{out}`, which only you can read")
    note_in_log("http token created", {})
    say_hint("clients send it as the header `Authorization: Bearer TOKEN`")
    say_hint(RESTART)


@token.command("remove")
def remove() -> None:
    """Remove the token: no server over HTTP starts then."""
    require_owner("remove a token")
    from guardian.cli.support.acts import note_in_log
    from guardian.home.folder import home_folder

    item = open_store().http_token(home_folder())
    _take_owners_yes("remove", "remove the token of this home's servers over HTTP?")
    if not item.remove():
        say("no token is stored")
        click.get_current_context().exit(1)
    note_in_log("http token removed", {})
    say("the token is removed")
    say_hint(RESTART)


def _take_owners_yes(decision: str, question: str) -> None:
    """Ends the command where the answer is no. Raises as `agree`."""
    statement = Statement(kind=StatementKind.KEYS, fields={"decision": decision, "token": "http"})
    if agree(statement, question) is None:
        say("nothing was changed")
        click.get_current_context().exit(1)


def _new_file(path: Path) -> BinaryIO:
    """Opens a new file for its owner alone. Raises GuardianError where one is there, or none can be made."""
    from guardian.system.private_files import open_private

    try:
        return os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb")
    except OSError as error:
        raise GuardianError(
            f"`{path}` cannot be made: {error.strerror}", hint="name a file that is not there yet; no token was made"
        ) from None
