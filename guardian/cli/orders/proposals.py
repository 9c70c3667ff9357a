"""Lists the proposals that wait for the owner, finds one, and rejects one."""

from __future__ import annotations

from collections.abc import Mapping

from guardian.cli.support.acts import note_act
from guardian.cli.support.render import Column, print_json, say, table
from guardian.cli.support.times import local_time
from guardian.domain.money import plain
from guardian.domain.text.escaping import clean
from guardian.domain.text.plain_data import to_plain
from guardian.gate.base.journal import Journal
from guardian.gate.orders.proposal_views import (
    end_of_proposal,
    money_line,
    order_line,
    proposed_order,
    view_of_proposal,
)
from guardian.policy.model import Channel
from guardian.store.database import Transaction
from guardian.store.schema.records import Proposal


def print_waiting(journal: Journal, *, as_json: bool) -> None:
    """Print the proposals that wait for the owner."""
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
    with journal.transaction() as tx:
        proposal = tx.proposals.get(proposal_id)
        if proposal is None:
            return _no_proposal(proposal_id)
        if proposal.is_outstanding(tx.now_ms):
            return proposal
        row = None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
        ended = end_of_proposal(proposal, row, tx.now_ms)
        return ended if row is not None else f"{ended}; nothing was sent"


def reject(journal: Journal, proposal_id: str) -> str | None:
    """Turn it down and write that down; returns why it could not be."""
    with journal.transaction() as tx:
        proposal = tx.proposals.get(proposal_id)
        if proposal is None:
            return _no_proposal(proposal_id)
        if proposal.state not in {"waiting", "approved"}:
            row = None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
            return f"{end_of_proposal(proposal, row, tx.now_ms)}; there is nothing to turn down"
        tx.proposals.reject(proposal.id, "turned down by a person")
        note_on_proposal(tx, "rejected", proposal)
        return None


def _no_proposal(proposal_id: str) -> str:
    return f"no proposal `{clean(proposal_id)}`; `guardian approve` lists what waits"


def note_on_proposal(tx: Transaction, kind: str, proposal: Proposal) -> None:
    """Append the row of what the owner did with a proposal."""
    scope = proposal.scope
    fields = {"proposal": proposal.id, "symbol": proposal.symbol, "environment": scope.environment}
    note_act(tx, kind, {**fields, "account": scope.account})
