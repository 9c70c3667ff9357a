"""`guardian approve`: a person looks at an order that waits, and agrees or does not."""

from __future__ import annotations

from pathlib import Path

import click

from guardian.cli.support.opened_home import with_guardian, with_journal
from guardian.cli.support.options import policy_option
from guardian.cli.support.owner import agree, require_owner
from guardian.cli.support.render import say, say_error
from guardian.cli.support.stop_requests import stop_requests


@click.command()
@click.argument("proposal_id", required=False)
@click.option("--submit", is_flag=True, help="Place the order right here, instead of getting a token to hand over.")
@click.option("--json", "as_json", is_flag=True, help="List what waits as JSON.")
@policy_option
@click.pass_context
def command(ctx: click.Context, proposal_id: str | None, submit: bool, as_json: bool, policy_path: Path | None) -> None:
    """Look at the orders that wait for you, and approve one.

    Alone it lists what waits. With an ID it shows that order, asks you, and then gives you a token for the assistant
    to use once, or places the order itself with --submit. It needs a real terminal.
    """
    if proposal_id is None:
        from guardian.cli.orders.proposals import print_waiting

        with_journal(lambda journal: print_waiting(journal, as_json=as_json))
        return
    require_owner("approve an order")
    from guardian.cli.orders import approval
    from guardian.cli.orders.proposals import waiting_proposal
    from guardian.gate.owner.order_approval import order_statement

    wanted = proposal_id.strip().upper()
    found = with_journal(lambda journal: waiting_proposal(journal, wanted))
    if isinstance(found, str):
        say_error(found)
        ctx.exit(1)
    path = policy_path or approval.policy_of(found)
    present = with_guardian(path, lambda opened: approval.present(opened, found))
    for line in present.lines:
        say(line)
    if present.mismatch is not None or present.denials:
        approval.say_why_not(present)
        ctx.exit(1)
    try:
        # Asked with no event loop around it: inside one, Ctrl-C would wait for the answer.
        question = "place this order now?" if submit else "approve this order?"
        proof = agree(order_statement(found, present.market), question, policy_path=path)
        if proof is None:
            say("nothing was approved; `guardian reject` turns it down for good")
            ctx.exit(1)
    except KeyboardInterrupt:
        say("")
        say("nothing was approved, and nothing was sent")
        raise
    with stop_requests() as stop:
        ctx.exit(
            with_guardian(
                path, lambda opened: approval.approve_and_submit(opened, found, present, proof, stop, submit=submit)
            )
        )
