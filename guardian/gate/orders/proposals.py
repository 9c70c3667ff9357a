"""Proposals: orders that wait for a person, and the one-time tokens that confirm them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from guardian.domain.codes import Code
from guardian.domain.orders import OrderSide, OrderSpec, OrderType, TimeInForce
from guardian.domain.owner.proof import Proof
from guardian.gate.base.calls import new_token, token_digest
from guardian.gate.orders.proposal_views import proposal_state, waiting_order
from guardian.gate.owner.demand import demanded_proof
from guardian.policy.facts import Confirmed, Facts
from guardian.policy.model import Channel, Policy
from guardian.policy.verdict import Denial, Verdict
from guardian.store.schema.records import NewProposal, Proposal, ProposalState, Scope

if TYPE_CHECKING:
    from guardian.gate.base.policy_file import PolicyInForce
    from guardian.gate.base.replies import WaitingOrder
    from guardian.store.database import Transaction

_USED_UP: Final = frozenset({ProposalState.SENT, ProposalState.BURNT, ProposalState.WITHDRAWN})


def order_key(spec: OrderSpec) -> str:
    """The order as one canonical line: equal orders have equal keys."""
    return json.dumps(spec.as_dict(), sort_keys=True, separators=(",", ":"))


def propose(
    tx: Transaction,
    scope: Scope,
    in_force: PolicyInForce,
    facts: Facts,
    verdict: Verdict,
    random_bytes: Callable[[int], bytes],
) -> tuple[Proposal, str | None] | Denial:
    """The proposal for an order that needs a person, the existing one or a new one, with its token.

    The token is None except with `channel = "chat"`. Returns the denial where too many proposals wait.
    """
    # Here and not at the top: `guardian status` lists what waits, and proposes nothing.
    from guardian.gate.orders.stages import costed_order

    costs, policy = costed_order(verdict), in_force.policy
    order = costs.order
    proposal = tx.proposals.newest_for(scope, order_key(order.spec))
    if proposal is None or not _is_usable(proposal, tx.now_ms, policy):
        # A proposal under another policy can no longer be confirmed, so it does not count.
        waiting = [p for p in tx.proposals.outstanding(scope) if p.policy_digest == policy.digest]
        most = policy.confirmation.max_outstanding
        if len(waiting) >= most:
            return Denial(
                code=Code.PROPOSALS_EXCEED_MAX,
                message="too many proposals wait for a person already: " + ", ".join(p.id for p in waiting),
                observed=str(len(waiting) + 1),
                limit=str(most),
                hint="withdraw what is no longer wanted: cancel_order with `proposal_id` alone; a person can run "
                "`guardian approve` or `guardian reject`",
            )
        book = facts.books[order.symbol]
        instrument = facts.instruments[order.symbol]
        proposal = tx.proposals.add(
            NewProposal(
                scope=scope,
                order_key=order_key(order.spec),
                symbol=order.symbol,
                side=order.side.value,
                spec=order.spec.as_dict(),
                resolved=order.as_dict(),
                policy_digest=policy.digest,
                policy_source=in_force.source,
                token_ttl_ms=policy.confirmation.token_ttl_ms,
                notional=costs.notional,
                quote_notional=costs.quote_notional,
                quote_asset=instrument.quote_asset,
                currency=policy.accounting.currency,
                shown_bid=book.bid,
                shown_ask=book.ask,
                created_ms=tx.now_ms,
                expires_ms=tx.now_ms + policy.confirmation.proposal_ttl_ms,
            ),
            random_bytes=random_bytes,
        )
    if channel_of(tx, policy) is not Channel.CHAT or proposal.state != "waiting":
        return proposal, None
    token = new_token(random_bytes)
    expires = min(proposal.expires_ms, tx.now_ms + proposal.token_ttl_ms)
    tx.proposals.issue_token(proposal.id, token_digest=token_digest(token), expires_ms=expires, by_person=False)
    issued = tx.proposals.get(proposal.id)
    return (issued or proposal), token


def waiting_orders(tx: Transaction, scope: Scope) -> tuple[WaitingOrder, ...]:
    """A scope's proposals that wait for a person or for their token to be used, oldest first. Raises StoreError."""
    return tuple(waiting_order(proposal, tx.now_ms) for proposal in tx.proposals.outstanding(scope))


def _is_usable(proposal: Proposal, now_ms: int, policy: Policy) -> bool:
    """Whether the same order returns this proposal: unexpired, under the same policy, and not used up."""
    if proposal.policy_digest != policy.digest or now_ms >= proposal.expires_ms or proposal.state in _USED_UP:
        return False
    return proposal_state(proposal, now_ms) != "expired"


def channel_of(tx: Transaction, policy: Policy) -> Channel:
    """The channel by which a person confirms now: the policy's, but for a home that demands a proof."""
    demanded = demanded_proof(tx, policy.confirmation.proof)
    return policy.confirmation.channel if demanded is Proof.TERMINAL else Channel.TERMINAL


def spec_from(fields: Mapping[str, str]) -> OrderSpec:
    """The order from the fields of `OrderSpec.as_dict`."""

    def amount(name: str) -> Decimal | None:
        return Decimal(fields[name]) if name in fields else None

    return OrderSpec(
        symbol=fields["symbol"],
        side=OrderSide(fields["side"]),
        order_type=OrderType(fields["order_type"]),
        quantity=amount("quantity"),
        quote_quantity=amount("quote_quantity"),
        price=amount("price"),
        stop_price=amount("stop_price"),
        time_in_force=TimeInForce(fields["time_in_force"]) if "time_in_force" in fields else None,
    )


def confirmed_by(proposal: Proposal) -> Confirmed:
    """What a person confirms with this proposal, for the rules."""
    return Confirmed(
        policy_digest=proposal.policy_digest,
        shown_bid=proposal.shown_bid,
        shown_ask=proposal.shown_ask,
        protected_price=Decimal(proposal.resolved["price"]),
        notional=proposal.notional,
        quote_notional=proposal.quote_notional,
    )
