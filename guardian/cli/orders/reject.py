"""`guardian reject`: a person says no to an order that waits."""

from __future__ import annotations

import click

from guardian.cli.orders.completing import waiting_ids
from guardian.cli.support.opened_home import with_journal
from guardian.cli.support.options import reason_option
from guardian.cli.support.render import say, say_error


@click.command()
@click.argument("proposal_id", shell_complete=waiting_ids)
@reason_option("turned down by a person", "Written in the log; the assistant reads it.")
@click.pass_context
def command(ctx: click.Context, proposal_id: str, reason: str) -> None:
    """Turn down an order that waits; its token, if it has one, no longer works. Nothing is asked."""
    from guardian.cli.orders.proposals import reject

    wanted = proposal_id.strip().upper()
    why_not = with_journal(lambda journal: reject(journal, wanted, reason))
    if why_not is not None:
        say_error(why_not)
        ctx.exit(1)
    say(f"turned down: `{wanted}`")
