"""`guardian pin`: the owner's PIN, where there is no passkey."""

from __future__ import annotations

import click

from guardian.cli.parser.groups import CommandGroup
from guardian.cli.support.owner import require_owner


@click.group(cls=CommandGroup)
def command() -> None:
    """Set the PIN that proves that you agree, where there is no passkey.

    Its hash is kept in the keyring. After five wrong answers it is locked and trading is halted.
    """


_wait_option = click.option(
    "--wait", is_flag=True, help="Without a proof: have the change wait for 24 hours, in which every approval shows it."
)


@command.command("set")
@_wait_option
@click.pass_context
def set_pin(ctx: click.Context, wait: bool) -> None:
    """Set the PIN, or replace it. A new one needs the one before, your passkey, or a wait of 24 hours."""
    require_owner("set the PIN")
    from guardian.cli.owner.changing import set_new_pin

    ctx.exit(set_new_pin(wait=wait))


@command.command("remove")
@_wait_option
@click.pass_context
def remove(ctx: click.Context, wait: bool) -> None:
    """Remove the PIN. It ends the demand for one, unless the policy makes it."""
    require_owner("remove the PIN")
    from guardian.cli.owner.changing import remove_the_pin

    ctx.exit(remove_the_pin(wait=wait))
