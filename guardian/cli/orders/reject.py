"""`guardian reject`: a person says no to an order that waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from guardian.cli.support.opened_home import note_act, with_journal
from guardian.cli.support.render import say, say_error
from guardian.domain.text.escaping import clean

if TYPE_CHECKING:
    from guardian.gate.base.journal import Journal


@click.command()
@click.argument("proposal_id")
@click.pass_context
def command(ctx: click.Context, proposal_id: str) -> None:
    """Turn down an order that waits; its token, if it has one, no longer works. Nothing is asked."""
    wanted = proposal_id.strip().upper()
    why_not = with_journal(lambda journal: reject(journal, wanted))
    if why_not is not None:
        say_error(why_not)
        ctx.exit(1)
    say(f"turned down: `{wanted}`")


def reject(journal: Journal, proposal_id: str) -> str | None:
    """Turn it down and write that down; returns why it could not be."""
    from guardian.gate.orders.proposal_views import end_of_proposal

    with journal.transaction() as tx:
        proposal = tx.proposals.get(proposal_id)
        if proposal is None:
            return f"no proposal `{clean(proposal_id)}`; `guardian approve` lists what waits"
        if proposal.state not in {"waiting", "approved"}:
            row = None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
            return f"{end_of_proposal(proposal, row, tx.now_ms)}; there is nothing to turn down"
        tx.proposals.reject(proposal.id, "turned down by a person")
        scope = proposal.scope
        fields = {"proposal": proposal.id, "symbol": proposal.symbol, "environment": scope.environment}
        note_act(tx, "rejected", {**fields, "account": scope.account})
        return None
