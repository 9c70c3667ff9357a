"""`guardian approve`: a person looks at an order that waits, and agrees or does not."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guardian.cli.orders.submission import place_approved, say_denials
from guardian.cli.support.exit_codes import STOPPED
from guardian.cli.support.opened_home import note_act, policy_option, with_guardian, with_journal
from guardian.cli.support.owner import ask_yes, require_owner
from guardian.cli.support.render import Column, print_json, print_line, say, say_error, say_hint, table
from guardian.cli.support.stop_requests import StopRequests, stop_requests
from guardian.cli.support.times import clock_time, local_time
from guardian.domain.money import plain
from guardian.domain.text.escaping import clean
from guardian.errors import StoreConflict

if TYPE_CHECKING:
    from guardian.bootstrap import Guardian
    from guardian.gate.base.journal import Journal
    from guardian.gate.orders.preview import Mismatch
    from guardian.policy.verdict import Denial
    from guardian.store.schema.records import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the person sees before they are asked, and why there is nothing to ask, where that is so."""

    lines: tuple[str, ...] = ()
    mismatch: Mismatch | None = None
    denials: tuple[Denial, ...] = ()


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
        with_journal(lambda journal: _list(journal, as_json=as_json))
        return
    require_owner("approve an order")
    wanted = proposal_id.strip().upper()
    found = with_journal(lambda journal: waiting_proposal(journal, wanted))
    if isinstance(found, str):
        say_error(found)
        ctx.exit(1)
    path = policy_path or policy_of(found)
    look = with_guardian(path, lambda opened: _look(opened, found))
    for line in look.lines:
        say(line)
    if look.mismatch is not None or look.denials:
        _say_why_not(look)
        ctx.exit(1)
    try:
        # Asked with no event loop around it: inside one, Ctrl-C would wait for the answer.
        if not ask_yes("place this order now?" if submit else "approve this order?"):
            say("nothing was approved; `guardian reject` turns it down for good")
            ctx.exit(1)
    except KeyboardInterrupt:
        say("")
        say("nothing was approved, and nothing was sent")
        raise
    with stop_requests() as stop:
        ctx.exit(with_guardian(path, lambda opened: _act(opened, found, stop, submit=submit)))


def _list(journal: Journal, *, as_json: bool) -> None:
    from guardian.gate.orders.proposal_views import money_line, order_line, proposed_order

    with journal.transaction() as tx:
        waiting, now_ms = tx.proposals.waiting(), tx.now_ms
    if as_json:
        print_json([_as_dict(proposal, now_ms) for proposal in waiting])
        return
    if not waiting:
        say("nothing waits for you")
        return
    orders = [proposed_order(proposal) for proposal in waiting]
    table(
        [Column("id", whole=True), "environment", "order", "before fees", "counts as", "state", "expires"],
        [
            (
                p.id,
                p.scope.environment,
                order_line(p),
                money_line(order),
                f"{plain(order.counts_as)} {order.currency}",
                p.state,
                local_time(p.expires_ms),
            )
            for p, order in zip(waiting, orders, strict=True)
        ],
    )
    say("approve one with `guardian approve ID`, or turn it down with `guardian reject ID`")


def _as_dict(proposal: Proposal, now_ms: int) -> Mapping[str, object]:
    """What `create_order` and the status say of a proposal, and where it belongs."""
    from guardian.domain.text.plain_data import to_plain
    from guardian.gate.orders.proposal_views import view_of_proposal
    from guardian.policy.model import Channel

    view = to_plain(view_of_proposal(proposal, now_ms, Channel.TERMINAL, None))
    assert isinstance(view, dict)
    for_the_assistant = {"proposal_id", "next_step", "confirmation_token", "warning"}
    return {
        "id": proposal.id,
        "environment": proposal.scope.environment,
        "account": proposal.scope.account,
        "policy_source": proposal.policy_source,
        "policy_digest": proposal.policy_digest,
        **{name: value for name, value in view.items() if name not in for_the_assistant},
    }


def waiting_proposal(journal: Journal, proposal_id: str) -> Proposal | str:
    """The proposal, where it still waits to be approved or sent; else its state, in words."""
    from guardian.gate.orders.proposal_views import end_of_proposal

    with journal.transaction() as tx:
        proposal = tx.proposals.get(proposal_id)
        if proposal is None:
            return f"no proposal `{clean(proposal_id)}`; `guardian approve` lists what waits"
        if proposal.is_outstanding(tx.now_ms):
            return proposal
        row = None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
        ended = end_of_proposal(proposal, row, tx.now_ms)
        return ended if row is not None else f"{ended}; nothing was sent"


def policy_of(proposal: Proposal) -> Path | None:
    """The policy file that the proposal was made under; None where that is the one that serves by default."""
    from guardian.home.folder import find_policy_file, home_folder

    source = Path(proposal.policy_source)
    return None if find_policy_file(home_folder()) == source else source


async def _look(opened: Guardian, proposal: Proposal) -> Look:
    """Everything that can be known before the question: nothing is asked about an order that would be denied."""
    from guardian.gate.orders.preview import Mismatch, Previewer
    from guardian.gate.orders.proposal_views import summary

    previewer = Previewer(opened.gate.context)
    preview = previewer.mismatch(proposal) or await previewer.preview(proposal)
    if isinstance(preview, Mismatch):
        return Look(mismatch=preview)
    lines = summary(proposal, preview.now_ms, market=preview.market, budget=preview.budget, clock=clock_time)
    return Look(lines=lines, denials=preview.denials)


def _say_why_not(look: Look) -> None:
    if look.mismatch is not None:
        say_error(f"{look.mismatch.why}; nothing was approved")
        say_hint(look.mismatch.hint)
    say_denials(look.denials, "this order would be denied now, so nothing was approved; it still waits")


async def _act(opened: Guardian, proposal: Proposal, stop: StopRequests, *, submit: bool) -> int:
    """Approve, and hand over the token or place the order. What may have changed since the look is looked at again."""
    from guardian.gate.orders.preview import Previewer

    if stop.asked:
        say("nothing was approved, and nothing was sent")
        return STOPPED
    mismatch = Previewer(opened.gate.context).mismatch(proposal)
    if mismatch is not None:
        _say_why_not(Look(mismatch=mismatch))
        return 1
    try:
        token = await opened.journal.run(lambda: approve(opened, proposal.id))
    except StoreConflict:
        ended = await opened.journal.run(lambda: waiting_proposal(opened.journal, proposal.id))
        if not isinstance(ended, str):
            raise
        say_error(ended)
        return 1
    if submit:
        return await place_approved(opened, proposal.id, token, stop)
    print_line(token)
    say("approved: hand this token to the assistant; it works once, for this order only, and not for long")
    return 0


def approve(opened: Guardian, proposal_id: str) -> str:
    """Issue the token and note that a person acted, in one transaction. The token exists nowhere but in the answer.

    Raises:
        StoreConflict: the proposal was used, turned down, withdrawn or has expired in the meantime.
    """
    from guardian.gate.base.calls import token_digest
    from guardian.gate.orders.proposals import new_token

    token = new_token(secrets.token_bytes)
    with opened.journal.transaction() as tx:
        proposal = tx.proposals.get(proposal_id)
        tx.proposals.issue_token(
            proposal_id,
            token_digest=token_digest(token),
            expires_ms=tx.now_ms + (0 if proposal is None else proposal.token_ttl_ms),
            by_person=True,
        )
        if proposal is not None:
            tx.acts.record(proposal.scope, f"approved {proposal_id}")
            tx.slicing.clear(proposal.scope, proposal.symbol, proposal.side)
            scope = proposal.scope
            fields = {"proposal": proposal_id, "symbol": proposal.symbol, "environment": scope.environment}
            note_act(tx, "approved", {**fields, "account": scope.account})
    return token
