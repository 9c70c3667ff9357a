"""What waits for the owner, read without opening the store for writing. Light to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from guardian.cli.support.opened_home import NO_POLICY_YET, was_set_up, with_journal
from guardian.cli.support.render import Column, Tone, Toned, print_json, say, say_warning, table
from guardian.cli.support.times import clock_time, local_time, relative
from guardian.domain.money import plain
from guardian.domain.text.plain_data import to_plain
from guardian.errors import StoreError
from guardian.gate.orders.proposal_views import money_line, order_line, proposed_order, view_of_proposal
from guardian.gate.owner.change_views import change_lines
from guardian.home.folder import checked_home, find_policy_file, home_folder
from guardian.policy.model import Channel
from guardian.store.schema.records import Proposal
from guardian.store.waiting_proposals import WaitingNow, WaitingProposals
from guardian.system.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from guardian.gate.base.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundProposal:
    """A proposal that waits, and the window time in ms at which it did."""

    proposal: Proposal
    now_ms: int


def read_waiting() -> WaitingNow:
    """The proposals that wait for the owner. Raises StoreError and NotPrivate."""
    try:
        return WaitingProposals(checked_home(), SYSTEM_CLOCK).all()
    except (StoreError, OSError):
        # It is not there yet, or something is wrong with it: opening it for writing makes it, or says what is wrong.
        return with_journal(_read_waiting_in_store)


def _read_waiting_in_store(journal: Journal) -> WaitingNow:
    with journal.transaction() as tx:
        return WaitingNow(proposals=tx.proposals.waiting(), now_ms=tx.now_ms)


def find_waiting(proposal_id: str) -> FoundProposal | str:
    """The proposal, where it still waits to be approved or sent; else its state, in words. Raises StoreError."""
    try:
        found, now_ms = WaitingProposals(checked_home(), SYSTEM_CLOCK).one(proposal_id)
    except (StoreError, OSError):
        found, now_ms = None, 0
    if found is not None and found.is_outstanding(now_ms):
        return FoundProposal(proposal=found, now_ms=now_ms)
    return with_journal(lambda journal: _find_in_store(journal, proposal_id))


def _find_in_store(journal: Journal, proposal_id: str) -> FoundProposal | str:
    from guardian.cli.orders.proposals import waiting_proposal

    found = waiting_proposal(journal, proposal_id)
    if isinstance(found, str):
        return found
    with journal.transaction() as tx:
        return FoundProposal(proposal=found, now_ms=tx.now_ms)


def policy_of(proposal: Proposal) -> Path | None:
    """The policy file that the proposal was made under; None where that is the one that serves by default."""
    source = Path(proposal.policy_source)
    return None if find_policy_file(home_folder()) == source else source


def say_owner_changes() -> None:
    """Warn of each change of a passkey or of the PIN that nobody proved and that waits."""
    try:
        changes, now_ms = WaitingProposals(checked_home(), SYSTEM_CLOCK).owner_changes()
    except (StoreError, OSError):
        return  # whatever is wrong is said by what reads the proposals
    for line in change_lines(changes, now_ms, local_time):
        say_warning(line)


def print_waiting(*, as_json: bool) -> None:
    """Print the proposals that wait for the owner. Raises StoreError and NotPrivate."""
    if not was_set_up():
        if as_json:
            print_json([])
        say(f"nothing waits for you: {NO_POLICY_YET} in `{home_folder()}`; `guardian init` makes it")
        return
    say_owner_changes()
    found = read_waiting()
    if as_json:
        print_json([_as_dict(proposal, found.now_ms) for proposal in found.proposals])
        return
    if not found.proposals:
        say("nothing waits for you")
        return
    orders = [proposed_order(proposal) for proposal in found.proposals]
    table(
        [Column("id", whole=True), "environment", "order", "before fees", "counts as", "state", "expires"],
        [
            (
                p.id,
                p.scope.environment,
                order_line(p),
                money_line(order),
                f"{plain(order.counts_as)} {order.currency}",
                Toned(p.state, Tone.WAITING),
                f"{clock_time(p.expires_ms)} ({relative(p.expires_ms, found.now_ms)})",
            )
            for p, order in zip(found.proposals, orders, strict=True)
        ],
    )
    say("approve one with `guardian approve ID`, or turn it down with `guardian reject ID`")


def _as_dict(proposal: Proposal, now_ms: int) -> Mapping[str, object]:
    """What `create_order` and the status say of a proposal, and where it belongs."""
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
