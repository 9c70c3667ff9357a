"""`create_order`: facts, verdict, confirmation, reservation, and only then the order.

The reservation is one transaction. Everything that could change between the verdict and the order is read in it again:
trading state, windows, the proposal. What is sent is the object that was judged there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from guardian.connector import Connection
from guardian.domain.codes import Code, Outcome
from guardian.domain.instruments import Instrument
from guardian.domain.order_states import VOID_STATES
from guardian.domain.orders import OrderSpec
from guardian.domain.requests import CreateOrder
from guardian.domain.trading import TradingState
from guardian.errors import ArgumentMistake, InvalidArguments
from guardian.gate.base.auto_halt import SKEWS_IN_A_ROW, halt, halt_on_burst, is_far
from guardian.gate.base.calls import CallInfo, plain_record, token_digest
from guardian.gate.base.context import GateContext
from guardian.gate.base.facts import Basis, assets_of, basis_of, gather_facts, usage_now
from guardian.gate.base.policy_file import PolicyInForce
from guardian.gate.base.replies import Reply, denied
from guardian.gate.orders.costed import CostedOrder, costed
from guardian.gate.orders.judged import judgement_record
from guardian.gate.orders.placed_before import reply_for_sent_order
from guardian.gate.orders.proposal_views import budget_use, view_of_proposal
from guardian.gate.orders.proposals import (
    answer_for_token,
    confirmed_by,
    expected_fields,
    order_key,
    propose,
    spec_from,
)
from guardian.gate.orders.send import Reserved, Sender
from guardian.gate.orders.shielded import run_to_completion
from guardian.gate.recovery.reconcile import why_not_compared
from guardian.gate.recovery.refresh import refresh_open_orders
from guardian.policy.case import may_be_exit
from guardian.policy.engine import judge_order, judge_tool
from guardian.policy.facts import Confirmed, Facts
from guardian.policy.loss import loss_needs
from guardian.policy.model import Policy
from guardian.policy.prices import is_fresh
from guardian.policy.rules.budget import calls_denial
from guardian.policy.verdict import Decision, Denial, Verdict
from guardian.store.database import Transaction
from guardian.store.log.encoding import client_order_id
from guardian.store.schema.records import NewOrder, OrderRow, Phase, Proposal, Record, Scope

HALT_REASON: Final = "as many orders as `limits.halt_after_orders` were sent without a person acting"
LOSS_REASON: Final = "more was lost within 24h than `limits.max_daily_loss`"
FACT_ROUNDS: Final = 3
"""How often facts are fetched at most: again where they aged in a queue, or another call began to trade a symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An order on its way through the gate, with the one snapshot of the policy that it is judged by."""

    call: CallInfo
    spec: OrderSpec
    connection: Connection
    scope: Scope
    in_force: PolicyInForce
    proposal: Proposal | None = None
    may_exit: bool = False
    """Whether the order can be an exit; looked up only where that decides whether it is judged at all."""

    @property
    def policy(self) -> Policy:
        """The policy of this call."""
        return self.in_force.policy


class OrderPlacer:
    """Places orders, or says why not."""

    def __init__(self, context: GateContext, sender: Sender) -> None:
        self._context = context
        self._sender = sender
        self._skewed = 0
        """How many orders in a row were denied for the clock."""

    async def create(self, call: CallInfo, request: CreateOrder) -> Reply:
        """One `create_order`. Raises CredentialsError and StoreError before anything was judged."""
        context = self._context
        in_force = context.policy_file.current()
        # Before any fact is asked for: denied calls must not use up what the exchange lets through. No token is burnt.
        first = judge_tool(request, in_force.policy, 0)
        if first.denials:
            return denied(first.denials)
        connection = await context.connector.connect(needs_keys=True)
        scope = Scope(environment=context.environment.value, account=connection.account)
        if request.confirmation_token is not None:
            token = token_digest(request.confirmation_token.reveal())
            return await self._redeem(call, request, token, connection, scope, in_force)
        if request.order is None:
            raise InvalidArguments((ArgumentMistake("symbol", "an order or a confirmation token is needed"),))
        asked = Asked(call=call, spec=request.order, connection=connection, scope=scope, in_force=in_force)
        admitted = await self._admit(asked)
        if isinstance(admitted, Reply):
            return admitted
        begun = await context.journal.run(lambda: self._begin(admitted))
        return begun if isinstance(begun, Reply) else await self._decide(admitted, None, begun)

    async def _admit(self, asked: Asked) -> Asked | Reply:
        """The order with `may_exit` where the store alone can tell that it matters, or the denial over the budget.

        A flood of orders over the budget of calls, or on symbols that the policy does not list, asks nothing of the
        exchange; what may be an exit is judged in full.
        """
        calls, most = asked.call.calls_last_minute, asked.policy.limits.max_calls_per_minute
        if calls <= most and asked.spec.symbol in asked.policy.symbols:
            return asked
        may_exit = await self._context.journal.run(lambda: self._may_exit(asked))
        if calls > most and not may_exit:
            return denied((calls_denial(calls, most),))
        return replace(asked, may_exit=may_exit)

    def _may_exit(self, asked: Asked) -> bool:
        with self._context.journal.transaction() as tx:
            held = tx.usage.sellable(asked.scope, with_open_buys=True)
        # Which assets a symbol trades is for the exchange to say, and it is asked only where its name allows for it.
        named = (rest for asset, rest in held.items() if asked.spec.symbol.startswith(asset))
        return any(may_be_exit(asked.spec, rest) for rest in named)

    def _begin(self, asked: Asked) -> Reply | Basis:
        """What its facts depend on, or the answer for an order whose proposal was sent a moment ago.

        `guardian approve --submit` for instance sends one while the assistant still waits for it.
        """
        with self._context.journal.transaction() as tx:
            proposal = tx.proposals.newest_for(asked.scope, order_key(asked.spec))
            row = None if proposal is None else _order_of(tx, proposal)
            # One that never came to be is no duplicate: the same order may be asked for again.
            if row is None or row.state in VOID_STATES:
                return basis_of(tx, asked.scope)
            is_recent = tx.now_ms - row.reserved_ms < asked.policy.limits.duplicate_window_ms
            return reply_for_sent_order(row) if is_recent else basis_of(tx, asked.scope)

    async def _redeem(
        self,
        call: CallInfo,
        request: CreateOrder,
        token: str,
        connection: Connection,
        scope: Scope,
        in_force: PolicyInForce,
    ) -> Reply:
        """The order that is stored with a token, judged again as a whole."""
        stated = dict(request.stated)
        found = await self._context.journal.run(lambda: self._look_up(token, scope, stated))
        if isinstance(found, Reply):
            return found
        proposal, basis = found
        spec = spec_from(proposal.spec)
        asked = Asked(call=call, spec=spec, connection=connection, scope=scope, in_force=in_force, proposal=proposal)
        admitted = await self._admit(asked)
        if isinstance(admitted, Reply):
            return admitted
        return await self._decide(admitted, confirmed_by(proposal), basis)

    def _look_up(self, token: str, scope: Scope, stated: Mapping[str, str]) -> tuple[Proposal, Basis] | Reply:
        with self._context.journal.transaction() as tx:
            proposal = tx.proposals.by_token(token)
            answer = None if proposal is None else self._usable(tx, proposal, scope, stated)
            basis = basis_of(tx, scope)
        if proposal is None:
            message = "no proposal has this confirmation token"
            hint = (
                "look with get_orders whether the order is there: a newer token may have placed it. Only if it is not, "
                "ask for it without a token; a person then approves it"
            )
            return denied((Denial(code=Code.CONFIRMATION_UNKNOWN, message=message, hint=hint),))
        return answer or (proposal, basis)

    def _usable(self, tx: Transaction, proposal: Proposal, scope: Scope, stated: Mapping[str, str]) -> Reply | None:
        """None where the proposal can be redeemed now; otherwise the answer."""
        mismatch = expected_fields(proposal, stated)
        refusal = answer_for_token(proposal, scope, tx.now_ms, mismatch)
        if refusal is not None:
            return denied((refusal,))
        row = _order_of(tx, proposal)
        return None if row is None else reply_for_sent_order(row)

    async def _decide(self, asked: Asked, confirmed: Confirmed | None, basis: Basis) -> Reply:
        """Fetch the facts, then judge and reserve in one transaction, then send."""
        context = self._context
        uncompared = await why_not_compared(context, asked.scope)
        rounds = 0
        while True:
            rounds += 1
            facts, _ = await asyncio.gather(
                gather_facts(
                    asked.spec,
                    asked.policy,
                    asked.connection.exchange,
                    context.environment,
                    asked.in_force.problems,
                    confirmed,
                    basis,
                    may_exit=asked.may_exit,
                    lister=context.lister(asked.scope),
                ),
                refresh_open_orders(context, asked.connection.exchange, asked.spec, basis.snapshot),
            )
            facts = replace(facts, uncompared=uncompared)
            # From the reservation to the outcome nothing is torn apart by a cancelled call or a closed STDIN.
            ruled = await run_to_completion(self._rule_and_send(asked, facts, basis, is_last=rounds >= FACT_ROUNDS))
            if isinstance(ruled, Reply):
                return ruled
            basis = ruled

    async def _rule_and_send(self, asked: Asked, facts: Facts, basis: Basis, *, is_last: bool) -> Reply | Basis:
        # The slot in the exchange's limits first: an order that has no room there reserves nothing and burns no token.
        async with asked.connection.exchange.order_slot() as slot:
            ruled = await self._context.journal.run(lambda: self._rule(asked, facts, basis, is_last=is_last))
            reply = await self._sender.send(replace(ruled, slot=slot)) if isinstance(ruled, Reserved) else ruled
        return reply  # noqa: RET504 - to a type checker the slot may end without a return

    def _rule(self, asked: Asked, facts: Facts, basis: Basis, *, is_last: bool) -> Reply | Reserved | Basis:
        """The verdict on fresh windows and what follows from it, in one transaction.

        Where the facts are not what is needed now, what they are to be fetched for instead; not in the last round.
        """
        with self._context.journal.transaction() as tx:
            usage = usage_now(tx, self._context.journal, asked.scope, asked.spec, asked.policy, facts, basis)
            # The assistant's calls of this minute are nothing to a call of the owner's.
            usage = replace(usage, calls_last_minute=0) if asked.call.by_owner else usage
            facts = replace(facts, usage=usage, now_ms=tx.now_ms, clock_ms=self._context.now_ms())
            if asked.proposal is not None:
                # Another call may have used, and a person may have rejected it, while the facts were fetched.
                answer = self._usable(tx, tx.proposals.get(asked.proposal.id) or asked.proposal, asked.scope, {})
                if answer is not None:
                    return answer
            is_covered = basis.loss.covers(loss_needs(usage.traded)) and are_fresh(facts, asked.policy)
            if not is_last and (not is_covered or basis.is_behind(asked.spec, assets_of(facts, asked.spec), usage)):
                return basis_of(tx, asked.scope)
            verdict = judge_order(asked.spec, facts, asked.policy)
            judged = judgement_record(facts, verdict, asked.policy)
            self._watch_clock(tx, asked, facts, verdict)
            if verdict.decision is Decision.DENY:
                return self._deny(tx, asked, verdict, judged)
            if verdict.decision is Decision.CONFIRM:
                return self._propose(tx, asked, facts, verdict, judged)
            reserved, call_id = self._reserve(tx, asked, facts, verdict, judged), asked.call.call_id
            if usage.orders_since_person + 1 >= asked.policy.limits.halt_after_orders:
                halt(tx, asked.scope, "halt_after_orders", HALT_REASON, call_id=call_id, state=TradingState.REDUCING)
            halt_on_burst(tx, asked.scope, asked.policy.limits.max_orders, call_id)
            return reserved

    def _watch_clock(self, tx: Transaction, asked: Asked, facts: Facts, verdict: Verdict) -> None:
        """Halt where orders are denied for the clock again and again, or it is far off."""
        skew_ms = facts.clock_skew_ms
        if skew_ms is None:
            return
        self._skewed = self._skewed + 1 if verdict.denied_by(Code.CLOCK_SKEWED) else 0
        if self._skewed and (self._skewed >= SKEWS_IN_A_ROW or is_far(skew_ms)):
            self._skewed = 0
            reason = f"this machine's clock is {skew_ms} ms from the exchange's"
            halt(tx, asked.scope, "clock", reason, call_id=asked.call.call_id)

    def _deny(self, tx: Transaction, asked: Asked, verdict: Verdict, judged: Mapping[str, object]) -> Reply:
        if asked.proposal is not None:
            tx.proposals.burn(asked.proposal.id, verdict.denials[0].code.name)
        if verdict.denied_by(Code.NOTIONAL_EXCEEDS_MAX):
            tx.slicing.mark(asked.scope, asked.spec.symbol, asked.spec.side)
        if verdict.denied_by(Code.DAILY_LOSS_EXCEEDS_MAX):
            halt(tx, asked.scope, "daily_loss", LOSS_REASON, call_id=asked.call.call_id, state=TradingState.REDUCING)
        return replace(denied(verdict.denials), judged=judged)

    def _propose(
        self, tx: Transaction, asked: Asked, facts: Facts, verdict: Verdict, judged: Mapping[str, object]
    ) -> Reply:
        made = propose(tx, asked.scope, asked.in_force, facts, verdict, self._context.random_bytes)
        if isinstance(made, Denial):
            return replace(denied((made,)), judged=judged)
        proposal, token = made
        view = view_of_proposal(
            proposal,
            tx.now_ms,
            asked.policy.confirmation.channel,
            token,
            market=facts.books.get(proposal.symbol),
            budget=budget_use(facts, verdict, asked.policy),
        )
        return Reply(outcome=Outcome.CONFIRMATION_REQUIRED, data=view, judged=judged)

    def _reserve(
        self, tx: Transaction, asked: Asked, facts: Facts, verdict: Verdict, judged: Mapping[str, object]
    ) -> Reserved:
        """Write the intent and the reservation; with the commit the order counts, and may be sent."""
        costs = costed(verdict)
        order, instrument = costs.order, facts.instruments[asked.spec.symbol]
        sent_ms = self._context.now_ms()
        body = {
            "order": order.as_dict(),
            "asked": asked.spec.as_dict(),
            "timestamp": str(sent_ms),
            "policy": asked.policy.digest,
            "proposal": None if asked.proposal is None else asked.proposal.id,
            "judged": judged,
        }
        entry = tx.audit.append(
            Record(
                phase=Phase.INTENT,
                call_id=asked.call.call_id,
                tool=CreateOrder.tool,
                symbol=asked.spec.symbol,
                environment=asked.scope.environment,
                account=asked.scope.account,
                body=plain_record(body),
            )
        )
        name = client_order_id(bytes.fromhex(entry.digest))
        tx.orders.reserve(new_order(asked, costs, instrument, name, sent_ms=sent_ms, reserved_ms=tx.now_ms))
        if asked.proposal is not None:
            tx.proposals.redeem(asked.proposal.id, name)
        return Reserved(
            call=asked.call,
            scope=asked.scope,
            exchange=asked.connection.exchange,
            order=order,
            base_asset=instrument.base_asset,
            quote_asset=instrument.quote_asset,
            client_order_id=name,
            sent_ms=sent_ms,
        )


def new_order(
    asked: Asked,
    costs: CostedOrder,
    instrument: Instrument,
    name: str,
    *,
    sent_ms: int,
    reserved_ms: int,
) -> NewOrder:
    """The row of a reservation; `name` is its client order id."""
    spec, order = asked.spec, costs.order
    return NewOrder(
        client_order_id=name,
        environment=asked.scope.environment,
        account=asked.scope.account,
        call_id=asked.call.call_id,
        proposal_id=None if asked.proposal is None else asked.proposal.id,
        symbol=spec.symbol,
        base_asset=instrument.base_asset,
        quote_asset=instrument.quote_asset,
        side=spec.side.value,
        order_type=spec.order_type.value,
        wire_type=order.wire_type.value,
        time_in_force=None if order.time_in_force is None else order.time_in_force.value,
        price=order.price,
        stop_price=order.stop_price,
        quantity=order.quantity,
        quote_quantity=spec.quote_quantity,
        fingerprint=spec.fingerprint,
        notional=costs.notional,
        quote_notional=costs.quote_notional,
        currency=asked.policy.accounting.currency,
        is_exit=costs.is_exit,
        confirmed=asked.proposal is not None and asked.proposal.approved_ms is not None,
        reserved_ms=reserved_ms,
        sent_ms=sent_ms,
    )


def _order_of(tx: Transaction, proposal: Proposal) -> OrderRow | None:
    """The order that a proposal became, if it became one."""
    return None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)


def are_fresh(facts: Facts, policy: Policy) -> bool:
    """Whether no price that was fetched is too old to be judged by."""
    return all(is_fresh(book, facts, policy) for book in facts.books.values())
