"""`create_order`: checks, facts, decision, and only then the order.

`OrderPlacer.create` has the steps in their order:

1. The policy must allow the tool.
2. The token, if there is one, must be redeemable: the order is the stored one, and is judged again as a whole.
3. The call budget must have room, unless the order can be an exit.
4. The same order must not just have been sent.
5. This process must have compared guardian's orders with the exchange's since it started.
6. The facts that the rules need are fetched from the exchange.
7. `decide` denies, proposes or reserves, in one transaction.
8. `send` sends a reserved order once and writes its outcome row.

Up to step 4 no fact is fetched, so that denied calls do not use up the exchange's rate limits, and no token is burnt.
Steps 2 to 4 are one transaction; where a token alone was given, they are a part of that of the call's row.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Final

from guardian.connector import Connection
from guardian.domain.requests import CreateOrder
from guardian.errors import ArgumentMistake, InvalidArguments, StoreError
from guardian.gate.base.calls import CallInfo, token_digest
from guardian.gate.base.context import GateContext
from guardian.gate.base.facts import Basis, basis_of, gather_facts
from guardian.gate.base.policy_file import PolicyInForce
from guardian.gate.base.replies import Reply, Situation, denied, needs_situation, with_situation
from guardian.gate.live.key_check import ensure_checked
from guardian.gate.orders.decide import OrderDecider
from guardian.gate.orders.proposals import confirmed_by, spec_from, waiting_orders
from guardian.gate.orders.redeem import proposal_to_redeem, reply_if_just_sent
from guardian.gate.orders.send import Sender
from guardian.gate.orders.shielded import run_to_completion
from guardian.gate.orders.stages import Answered, FactsOutdated, PendingOrder, ReadyToSend
from guardian.gate.orders.token_lookup import TokenLookups
from guardian.gate.recovery.reconcile import why_not_compared
from guardian.gate.recovery.refresh import refresh_open_orders
from guardian.gate.situation.situations import situation_of_store, situation_without_account
from guardian.policy.case import may_be_exit
from guardian.policy.engine import judge_tool
from guardian.policy.facts import Facts
from guardian.policy.rules.budget import calls_denial
from guardian.store.database import Transaction
from guardian.store.schema.records import Proposal, Scope

FACT_ROUNDS: Final = 3
"""Maximum number of times that facts are fetched: they may age in a queue, or another call may trade meanwhile."""


class OrderPlacer:
    """Places orders, or replies why not."""

    def __init__(self, context: GateContext, sender: Sender) -> None:
        self._context = context
        self._decider = OrderDecider(context)
        self._sender = sender
        self.lookups = TokenLookups()

    async def create(self, call: CallInfo, request: CreateOrder, in_force: PolicyInForce) -> Reply:
        """One `create_order`, judged by one snapshot of the policy.

        Raises CredentialsError and StoreError before anything was judged.
        """
        tool = judge_tool(request, in_force.policy, 0)
        if tool.denials:
            return await self._with_situation(denied(tool.denials), None, in_force)
        connection = await self._context.connector.connect(needs_keys=True)
        journal = self._context.journal
        if not journal.has_begun_seal:  # the keyring may know of rows that the log has lost, which halts trading
            await journal.run(journal.begin_seal)
        reply = await self._create(call, request, connection, in_force)
        return await self._with_situation(reply, self._context.scope_of(connection), in_force)

    async def _with_situation(self, reply: Reply, scope: Scope | None, in_force: PolicyInForce) -> Reply:
        """The reply with what the store alone knows, where it was answered before the order was judged.

        Without it where the store fails: the order is denied all the same.
        """
        if not needs_situation(reply):
            return reply
        with suppress(StoreError):
            situation = await self._context.journal.transact(lambda tx: self._situation(tx, scope, in_force))
            return with_situation(reply, situation)
        return reply

    def _situation(self, tx: Transaction, scope: Scope | None, in_force: PolicyInForce) -> Situation:
        journal = self._context.journal
        if scope is None:
            return situation_without_account(tx, journal)
        return situation_of_store(tx, journal, scope, in_force.policy, waiting_orders(tx, scope))

    async def _create(
        self, call: CallInfo, request: CreateOrder, connection: Connection, in_force: PolicyInForce
    ) -> Reply:
        begun = self._begun_with_call(call, request, connection, in_force)
        if begun is None:
            begun = await self._context.journal.transact(
                lambda tx: self._begin(tx, call, request, connection, in_force)
            )
        return begun.reply if isinstance(begun, Answered) else await self._judge_and_send(*begun)

    def _begun_with_call(
        self, call: CallInfo, request: CreateOrder, connection: Connection, in_force: PolicyInForce
    ) -> tuple[PendingOrder, Basis] | Answered | None:
        """What `_begin` would return, by what was looked up with the call's row; None where that does not settle it."""
        scope = self.lookups.scope = self._context.scope_of(connection)
        if request.confirmation_token is None:
            return None
        kept = self.lookups.take(call.call_id, token_digest(request.confirmation_token.reveal()), scope)
        if kept is None or request.stated:
            return None
        if isinstance(kept.found, Reply):
            return Answered(kept.found)
        order = _redeeming(kept.found, call, connection, scope, in_force)
        return (order, kept.basis) if _is_judged_anyway(order) else None

    def _begin(
        self, tx: Transaction, call: CallInfo, request: CreateOrder, connection: Connection, in_force: PolicyInForce
    ) -> tuple[PendingOrder, Basis] | Answered:
        """All that the store says before facts are fetched: the order with what its facts depend on, or the reply."""
        requested = self._requested(tx, call, request, connection, in_force)
        if isinstance(requested, Answered):
            return requested
        order = _with_may_exit(tx, requested)
        if order.is_over_call_budget:
            return Answered(denied((calls_denial(order.calls, order.max_calls),)))
        # `guardian approve --submit`, for instance, sends a proposal while the assistant still waits for it.
        reply = reply_if_just_sent(tx, order) if order.proposal is None else None
        return (order, basis_of(tx, order.scope)) if reply is None else Answered(reply)

    def _requested(
        self, tx: Transaction, call: CallInfo, request: CreateOrder, connection: Connection, in_force: PolicyInForce
    ) -> PendingOrder | Answered:
        """The order of the request, or of the proposal with its token; the reply where that cannot be redeemed."""
        scope = self._context.scope_of(connection)
        if request.confirmation_token is None:
            if request.order is None:
                raise InvalidArguments((ArgumentMistake("symbol", "an order or a confirmation token is needed"),))
            return PendingOrder(call=call, spec=request.order, connection=connection, scope=scope, in_force=in_force)
        token = token_digest(request.confirmation_token.reveal())
        found = proposal_to_redeem(tx, token, scope, dict(request.stated))
        if isinstance(found, Reply):
            return Answered(found)
        return _redeeming(found, call, connection, scope, in_force)

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
        """The facts of the order; meanwhile the open orders that change what it can sell back are refreshed,
        and on `live` the permissions of the key are read where that is due.
        """
        exchange = order.connection.exchange
        facts, *_ = await asyncio.gather(
            gather_facts(
                order.spec,
                order.policy,
                exchange,
                self._context.environment,
                basis,
                problems=order.in_force.problems,
                confirmed=None if order.proposal is None else confirmed_by(order.proposal),
                may_exit=order.may_exit,
                lister=self._context.lister(order.scope),
            ),
            refresh_open_orders(self._context, exchange, order.spec, basis.snapshot),
            ensure_checked(self._context, order.connection, order.policy),
        )
        return facts

    async def _decide_and_send(
        self, order: PendingOrder, facts: Facts, basis: Basis, *, is_last: bool
    ) -> Answered | FactsOutdated:
        """Decide in one transaction, and send the order if it reserved one."""
        # The slot in the exchange's limits first: an order that has no room there reserves nothing and burns no token.
        async with order.connection.exchange.order_slot() as slot:
            step = await self._context.journal.transact(
                lambda tx: self._decider.decide(tx, order, facts, basis, is_last=is_last)
            )
            if not isinstance(step, ReadyToSend):
                return step
            return Answered(await self._sender.send(replace(step.reserved, slot=slot)))


def _redeeming(
    proposal: Proposal, call: CallInfo, connection: Connection, scope: Scope, in_force: PolicyInForce
) -> PendingOrder:
    """The order of a proposal whose token is redeemed."""
    spec = spec_from(proposal.spec)
    return PendingOrder(call=call, spec=spec, connection=connection, scope=scope, in_force=in_force, proposal=proposal)


def _is_judged_anyway(order: PendingOrder) -> bool:
    """Whether it is judged whether or not it may be an exit: within the call budget, on a symbol of the policy."""
    return order.calls <= order.max_calls and order.spec.symbol in order.policy.symbols


def _with_may_exit(tx: Transaction, order: PendingOrder) -> PendingOrder:
    """The order with `may_exit`, which is looked up only over the call budget and for unlisted symbols.

    Calls over the budget, or on symbols that the policy does not list, thus cost no request unless the order may be
    an exit, which is judged in full.
    """
    if _is_judged_anyway(order):
        return order
    held = tx.usage.sellable(order.scope, with_open_buys=True)
    # Only the exchange knows which assets a symbol trades; its name rules out most of them without a request.
    named = (quantity for asset, quantity in held.items() if order.spec.symbol.startswith(asset))
    return replace(order, may_exit=any(may_be_exit(order.spec, quantity) for quantity in named))
