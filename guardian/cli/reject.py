"""`guardian reject`: a person says no to an order that waits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.opened import note_act, policy_option, with_guardian
from guardian.cli.render import clean, say

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian


@click.command()
@click.argument("proposal_id")
@policy_option
@click.pass_context
def command(ctx: click.Context, proposal_id: str, policy_path: Path | None) -> None:
    """Turn down an order that waits; its token, if it has one, no longer works. Nothing is asked."""
    wanted = proposal_id.strip().upper()
    ctx.exit(with_guardian(policy_path, lambda guardian: _reject(guardian, wanted)))


async def _reject(guardian: Guardian, proposal_id: str) -> int:
    found = await guardian.journal.run(lambda: reject(guardian, proposal_id))
    if found is not None:
        say(f"guardian: error: {found}")
        return 1
    say(f"turned down: `{proposal_id}`")
    return 0


def reject(guardian: Guardian, proposal_id: str) -> str | None:
    """Turn it down and write that down; returns why it could not be."""
    with guardian.journal.transaction() as tx:
        proposal = tx.proposal(proposal_id)
        if proposal is None:
            return f"no proposal `{clean(proposal_id)}`; `guardian approve` lists what waits"
        if proposal.state not in {"waiting", "approved"}:
            return f"proposal `{proposal.id}` is {proposal.state} already"
        tx.reject(proposal.id, "turned down by a person")
        scope = proposal.scope
        fields = {"proposal": proposal.id, "symbol": proposal.symbol, "environment": scope.environment}
        note_act(tx, "rejected", {**fields, "account": scope.account})
        return None
