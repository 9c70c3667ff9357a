"""`create_order`: checks, facts, decision, and only then the order.

1. The policy must allow the tool.
2. The store may have an answer already: the same order was just sent, or the token cannot be redeemed.
3. The call budget must have room, unless the order can be an exit.
4. The facts are fetched from the exchange.
5. `decide` denies, proposes or reserves, in one transaction.
6. `send` sends a reserved order once and writes its outcome row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from guardian.domain.requests import CreateOrder
from guardian.errors import ArgumentMistake, InvalidArguments
from guardian.gate.base.calls import CallInfo, token_digest
from guardian.gate.base.context import GateContext
from guardian.gate.base.facts import Basis, basis_of, gather_facts
from guardian.gate.base.replies import Reply, denied
from guardian.gate.orders.decide import Answered, FactsOutdated, OrderDecider, ReadyToSend
from guardian.gate.orders.proposals import confirmed_by, denial_for_unknown_token, spec_from
from guardian.gate.orders.redeem import reply_if_just_sent, reply_instead_of_redeeming
from guardian.gate.orders.reserve import PendingOrder
from guardian.gate.orders.send import Sender
from guardian.gate.orders.shielded import run_to_completion
from guardian.gate.recovery.reconcile import why_not_compared
from guardian.gate.recovery.refresh import refresh_open_orders
from guardian.policy.case import may_be_exit
from guardian.policy.engine import judge_tool
from guardian.policy.facts import Facts
from guardian.policy.rules.budget import calls_denial
from guardian.store.schema.records import Proposal, Scope

FACT_ROUNDS: Final = 3
"""Maximum number of times that facts are fetched: they may age in a queue, or another call may trade meanwhile."""


@dataclass(frozen=True, slots=True)
class Redeemable:
    """A proposal whose token can be redeemed now, and the basis of its facts."""

    proposal: Proposal
    basis: Basis


class OrderPlacer:
    """Places orders, or replies why not."""

    def __init__(self, context: GateContext, sender: Sender) -> None:
        self._context = context
        self._decider = OrderDecider(context)
        self._sender = sender

    async def create(self, call: CallInfo, request: CreateOrder) -> Reply:
        """One `create_order`. Raises CredentialsError and StoreError before anything was judged."""
        in_force = self._context.policy_file.current()
        # Before any fact is fetched: denied calls must not use up the exchange's rate limit. No token is burnt.
        tool = judge_tool(request, in_force.policy, 0)
        if tool.denials:
            return denied(tool.denials)
        connection = await self._context.connector.connect(needs_keys=True)
        scope = self._context.scope_of(connection)
        if request.confirmation_token is None:
            if request.order is None:
                raise InvalidArguments((ArgumentMistake("symbol", "an order or a confirmation token is needed"),))
            order = PendingOrder(call=call, spec=request.order, connection=connection, scope=scope, in_force=in_force)
            return await self._place(order)
        token, stated = token_digest(request.confirmation_token.reveal()), dict(request.stated)
        found = await self._context.journal.run(lambda: self._look_up(token, scope, stated))
        if isinstance(found, Answered):
            return found.reply
        order = PendingOrder(
            call=call,
            spec=spec_from(found.proposal.spec),
            connection=connection,
            scope=scope,
            in_force=in_force,
            proposal=found.proposal,
        )
        return await self._redeem(order, found.basis)

    def _look_up(self, token: str, scope: Scope, stated: Mapping[str, str]) -> Redeemable | Answered:
        """The proposal with a token, by the token's digest, or the reply where it cannot be redeemed."""
        with self._context.journal.transaction() as tx:
            proposal = tx.proposals.by_token(token)
            if proposal is None:
                return Answered(denied((denial_for_unknown_token(),)))
            reply = reply_instead_of_redeeming(tx, proposal, scope, stated)
            return Redeemable(proposal, basis_of(tx, scope)) if reply is None else Answered(reply)

    async def _redeem(self, order: PendingOrder, basis: Basis) -> Reply:
        """Place the order of a proposal; it is judged again as a whole."""
        order = await self._with_may_exit(order)
        if order.is_over_call_budget:
            return denied((calls_denial(order.calls, order.max_calls),))
        return await self._judge_and_send(order, basis)

    async def _place(self, order: PendingOrder) -> Reply:
        """Place a new order."""
        order = await self._with_may_exit(order)
        if order.is_over_call_budget:
            return denied((calls_denial(order.calls, order.max_calls),))
        found = await self._context.journal.run(lambda: self._basis_unless_just_sent(order))
        if isinstance(found, Answered):
            return found.reply
        return await self._judge_and_send(order, found)

    def _basis_unless_just_sent(self, order: PendingOrder) -> Basis | Answered:
        with self._context.journal.transaction() as tx:
            reply = reply_if_just_sent(tx, order)
            return basis_of(tx, order.scope) if reply is None else Answered(reply)

    async def _with_may_exit(self, order: PendingOrder) -> PendingOrder:
        """The order with `may_exit`, which is looked up only over the call budget and for unlisted symbols.

        Calls over the budget, or on symbols that the policy does not list, thus cost no request unless the order may be
        an exit, which is judged in full.
        """
        if order.calls <= order.max_calls and order.spec.symbol in order.policy.symbols:
            return order
        may_exit = await self._context.journal.run(lambda: self._may_exit(order))
        return replace(order, may_exit=may_exit)

    def _may_exit(self, order: PendingOrder) -> bool:
        with self._context.journal.transaction() as tx:
            held = tx.usage.sellable(order.scope, with_open_buys=True)
        # Only the exchange knows which assets a symbol trades; its name rules out most of them without a request.
        named = (quantity for asset, quantity in held.items() if order.spec.symbol.startswith(asset))
        return any(may_be_exit(order.spec, quantity) for quantity in named)

    async def _judge_and_send(self, order: PendingOrder, basis: Basis) -> Reply:
        """Fetch the facts, judge, and send what was allowed; with outdated facts, up to FACT_ROUNDS times."""
        uncompared = await why_not_compared(self._context, order.scope)
        rounds = 0
        while True:
            rounds += 1
            facts = replace(await self._fetch_facts(order, basis), uncompared=uncompared)
            # A cancelled call or a closed STDIN does not interrupt what is between the reservation and the outcome.
            step = await run_to_completion(self._decide_and_send(order, facts, basis, is_last=rounds >= FACT_ROUNDS))
            if isinstance(step, Answered):
                return step.reply
            basis = step.basis

    async def _fetch_facts(self, order: PendingOrder, basis: Basis) -> Facts:
        """The facts of the order; the open orders that change what it can sell back are refreshed meanwhile."""
        exchange = order.connection.exchange
        facts, _ = await asyncio.gather(
            gather_facts(
                order.spec,
                order.policy,
                exchange,
                self._context.environment,
                order.in_force.problems,
                None if order.proposal is None else confirmed_by(order.proposal),
                basis,
                may_exit=order.may_exit,
                lister=self._context.lister(order.scope),
            ),
            refresh_open_orders(self._context, exchange, order.spec, basis.snapshot),
        )
        return facts

    async def _decide_and_send(
        self, order: PendingOrder, facts: Facts, basis: Basis, *, is_last: bool
    ) -> Answered | FactsOutdated:
        # The slot in the exchange's limits first: an order that has no room there reserves nothing and burns no token.
        async with order.connection.exchange.order_slot() as slot:
            step = await self._context.journal.run(lambda: self._decider.decide(order, facts, basis, is_last=is_last))
            if not isinstance(step, ReadyToSend):
                return step
            return Answered(await self._sender.send(replace(step.reserved, slot=slot)))
