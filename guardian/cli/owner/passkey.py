"""`guardian passkey`: the owner's passkeys, whose signatures prove that they agree."""

from __future__ import annotations

import re

import click

from guardian.cli.parser.groups import CommandGroup
from guardian.cli.support.owner import require_owner
from guardian.cli.support.render import say


def _name(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", value):
        raise click.BadParameter("a name is 1 to 32 letters, digits, `-` or `_`")
    return value


_wait_option = click.option(
    "--wait", is_flag=True, help="Without a proof: have the change wait for 24 hours, in which every approval shows it."
)


@click.group(cls=CommandGroup)
def command() -> None:
    """Keep the passkeys that prove that you agree: Touch ID, Windows Hello, a phone, a USB key.

    The first one needs a terminal alone. After that each change needs a passkey or PIN that is there, or a wait of
    24 hours. Where the policy says `proof = "passkey"`, nothing is approved without one.
    """


@command.command("add")
@click.argument("name", callback=_name)
@_wait_option
@click.pass_context
def add(ctx: click.Context, name: str, wait: bool) -> None:
    """Register a passkey under NAME, on a page that opens in your browser."""
    require_owner("register a passkey")
    from guardian.cli.owner.changing import add_passkey

    ctx.exit(add_passkey(name, wait=wait))


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_passkeys(as_json: bool) -> None:
    """List the passkeys, and the changes that wait."""
    from guardian.cli.owner.listing import print_passkeys

    print_passkeys(as_json=as_json)


@command.command("remove")
@click.argument("name", callback=_name)
@_wait_option
@click.pass_context
def remove(ctx: click.Context, name: str, wait: bool) -> None:
    """Remove the passkey NAME. The last one ends the demand for one, unless the policy makes it."""
    require_owner("remove a passkey")
    from guardian.cli.owner.changing import remove_passkey

    ctx.exit(remove_passkey(name, wait=wait))


@command.command("cancel")
@click.argument("change", type=int)
def cancel(change: int) -> None:
    """Cancel the change number CHANGE that waits. It asks nothing: this tightens."""
    from guardian.cli.owner.changing import cancel_change

    cancel_change(change)
    say("the change is cancelled")
