"""What `guardian approve` shows before it asks, and what it does after the yes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from guardian.bootstrap import Guardian
from guardian.cli.orders.proposals import waiting_proposal
from guardian.cli.orders.submission import place_approved, say_denials
from guardian.cli.support.exit_codes import FINE, NO, STOPPED
from guardian.cli.support.render import print_line, say, say_error, say_hint
from guardian.cli.support.stop_requests import StopRequests
from guardian.cli.support.times import clock_time
from guardian.domain.market import BookTop
from guardian.domain.owner.proof import ProofGiven
from guardian.errors import ProofRefused, StoreConflict
from guardian.gate.orders.preview import Mismatch, Previewer
from guardian.gate.orders.proposal_views import market_lines
from guardian.gate.owner.order_approval import approve_order, order_statement
from guardian.policy.verdict import Denial
from guardian.store.schema.records import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """What the person sees of the market before they are asked, and why there is nothing to ask, where that is so."""

    lines: tuple[str, ...] = ()
    market: BookTop | None = None
    """The order's book as they are shown it."""
    mismatch: Mismatch | None = None
    denials: tuple[Denial, ...] = ()


async def present(opened: Guardian, proposal: Proposal) -> Presentation:
    """What the exchange and the policy say before the question: none is asked about an order that would be denied."""
    previewer = Previewer(opened.gate.context)
    preview = previewer.mismatch(proposal) or await previewer.preview(proposal)
    if isinstance(preview, Mismatch):
        return Presentation(mismatch=preview)
    lines = market_lines(proposal, market=preview.market, budget=preview.budget, clock=clock_time)
    return Presentation(lines=lines, market=preview.market, denials=preview.denials)


def say_why_not(present: Presentation) -> None:
    if present.mismatch is not None:
        say_error(f"{present.mismatch.why}; nothing was approved")
        say_hint(present.mismatch.hint)
    say_denials(present.denials, "this order would be denied now, so nothing was approved; it still waits")


def approved_elsewhere(proposal_id: str) -> str:
    return f"proposal {proposal_id} was approved elsewhere while you were asked"


async def approve_and_submit(
    opened: Guardian, proposal: Proposal, shown: Presentation, proof: ProofGiven, stop: StopRequests, *, submit: bool
) -> int:
    """Approve, and print the token or place the order; what may have changed since it was shown is checked again."""
    if stop.asked:
        say("nothing was approved, and nothing was sent")
        return STOPPED
    mismatch = Previewer(opened.gate.context).mismatch(proposal)
    if mismatch is not None:
        say_why_not(Presentation(mismatch=mismatch))
        return NO
    try:
        token = await opened.journal.run(lambda: _approve(opened, proposal, shown.market, proof))
    except ProofRefused as error:
        say_error(error.message)
        return NO
    except StoreConflict:
        ended = await opened.journal.run(lambda: waiting_proposal(opened.journal, proposal.id))
        say_error(ended if isinstance(ended, str) else f"{approved_elsewhere(proposal.id)}; nothing was approved here")
        return NO
    if submit:
        return await place_approved(opened, proposal.id, token, stop)
    print_line(token)
    say("approved: hand this token to the assistant; it works once, for this order only, and not for long")
    return FINE


def _approve(opened: Guardian, proposal: Proposal, market: BookTop | None, proof: ProofGiven) -> str:
    return approve_order(
        opened.journal,
        proposal.id,
        order_statement(proposal, market),
        proof,
        policy_proof=opened.policy_file.current().policy.confirmation.proof,
        random_bytes=secrets.token_bytes,
        shown=proposal,
    )
