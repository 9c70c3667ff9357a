"""Decides about an order in one transaction: fetch newer facts, deny it, propose it to a person, or reserve it.

Everything that could change between the judgement and the order is read here again: the trading state, the windows and
the proposal. The order that is sent is the object that was judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from guardian.domain.codes import Code, Outcome
from guardian.domain.instruments import Instrument
from guardian.domain.money import plain
from guardian.domain.requests import CreateOrder
from guardian.domain.trading import TradingState
from guardian.gate.base.auto_halt import SKEWS_IN_A_ROW, halt, halt_on_burst, is_far
from guardian.gate.base.calls import plain_record
from guardian.gate.base.context import GateContext
from guardian.gate.base.facts import Basis, assets_of, basis_of, usage_now
from guardian.gate.base.replies import Reply, Situation, denied, with_situation
from guardian.gate.live.owner_facts import with_owner_facts
from guardian.gate.orders.proposal_views import budget_use, view_of_proposal
from guardian.gate.orders.proposals import channel_of, propose, waiting_orders
from guardian.gate.orders.redeem import reply_instead_of_redeeming
from guardian.gate.orders.stages import (
    Answered,
    CostedOrder,
    FactsOutdated,
    PendingOrder,
    ReadyToSend,
    Reserved,
    costed_order,
)
from guardian.gate.owner.demand import demanded_proof
from guardian.gate.owner.order_approval import unproven_denial
from guardian.gate.owner.session_mandate import mandate_facts
from guardian.gate.situation.situations import situation_of_order
from guardian.policy.engine import judge_order
from guardian.policy.facts import Facts
from guardian.policy.loss import loss_needs
from guardian.policy.model import Policy
from guardian.policy.prices import is_fresh
from guardian.policy.verdict import Decision, Denial, Verdict
from guardian.store.database import Transaction
from guardian.store.log.encoding import client_order_id
from guardian.store.schema.records import NewOrder, Phase, Record

HALT_REASON: Final = "as many orders as `limits.halt_after_orders` were sent without a person acting"
LOSS_REASON: Final = "more was lost within 24h than `limits.max_daily_loss`"


class OrderDecider:
    """Judges orders and writes down what follows from the verdict."""

    def __init__(self, context: GateContext) -> None:
        self._context = context
        self._skewed = 0
        """Number of consecutive orders that were denied for the clock."""

    def decide(
        self, tx: Transaction, order: PendingOrder, facts: Facts, basis: Basis, *, is_last: bool
    ) -> Answered | FactsOutdated | ReadyToSend:
        """Judge an order on these facts and on fresh windows; with `is_last` the facts are never outdated.

        Raises StoreError, and then nothing was written.
        """
        usage = usage_now(tx, self._context.journal, order.scope, order.spec, order.policy, facts, basis)
        # The owner's own call does not count against the assistant's budget of calls.
        usage = replace(usage, calls_last_minute=0) if order.call.by_owner else usage
        facts = replace(
            facts,
            usage=usage,
            mandate=mandate_facts(tx, order.scope, order.policy),
            now_ms=tx.now_ms,
            clock_ms=self._context.clock.now_ms(),
        )
        facts = with_owner_facts(tx, self._context, order.connection, order.policy, facts)
        if order.proposal is not None:
            # Another call may have used it, or a person rejected it, while the facts were fetched.
            proposal = tx.proposals.get(order.proposal.id) or order.proposal
            reply = reply_instead_of_redeeming(tx, proposal, order.scope, {})
            if reply is not None:
                return Answered(reply)
            unproven = unproven_denial(tx, proposal, demanded_proof(tx, order.policy.confirmation.proof))
            if unproven is not None:
                return Answered(denied((unproven,)))
        is_covered = basis.loss.covers(loss_needs(usage.traded)) and _are_fresh(facts, order.policy)
        is_outdated = not is_covered or basis.is_behind(order.spec, assets_of(facts, order.spec), usage)
        if is_outdated and not is_last:
            return FactsOutdated(basis_of(tx, order.scope))
        verdict = judge_order(order.spec, facts, order.policy)
        judgement = judgement_record(facts, verdict, order.policy)
        self._halt_on_skew(tx, order, facts, verdict)
        if verdict.decision is not Decision.ALLOW:
            is_denied = verdict.decision is Decision.DENY
            reply = self._deny(tx, order, verdict) if is_denied else self._propose(tx, order, facts, verdict)
            situation = self._situation(tx, order, facts)
            return Answered(replace(with_situation(reply, situation), judged=judgement))
        instrument, sent_ms = facts.instruments[order.spec.symbol], self._context.clock.now_ms()
        reserved = _reserve(tx, order, costed_order(verdict), instrument, judgement, sent_ms=sent_ms)
        self._halt_on_count(tx, order, usage.orders_since_person + 1)
        return ReadyToSend(reserved)

    def _halt_on_skew(self, tx: Transaction, order: PendingOrder, facts: Facts, verdict: Verdict) -> None:
        """Halt where the clock is far off, or where consecutive orders are denied for it."""
        skew_ms = facts.clock_skew_ms
        if skew_ms is None:
            return
        self._skewed = self._skewed + 1 if verdict.denied_by(Code.CLOCK_SKEWED) else 0
        if self._skewed and (self._skewed >= SKEWS_IN_A_ROW or is_far(skew_ms)):
            self._skewed = 0
            reason = f"this machine's clock is {skew_ms} ms from the exchange's"
            halt(tx, order.scope, "clock", reason, call_id=order.call.call_id)

    def _situation(self, tx: Transaction, order: PendingOrder, facts: Facts) -> Situation:
        """What guardian knows beside the reply, after what that has changed."""
        waiting = waiting_orders(tx, order.scope)
        return situation_of_order(tx, self._context.journal, order.scope, order.spec, facts, order.policy, waiting)

    def _deny(self, tx: Transaction, order: PendingOrder, verdict: Verdict) -> Reply:
        if order.proposal is not None:
            tx.proposals.burn(order.proposal.id, verdict.denials[0].code.name)
        if verdict.denied_by(Code.NOTIONAL_EXCEEDS_MAX):
            tx.slicing.mark(order.scope, order.spec.symbol, order.spec.side)
        if verdict.denied_by(Code.DAILY_LOSS_EXCEEDS_MAX):
            halt(tx, order.scope, "daily_loss", LOSS_REASON, call_id=order.call.call_id, state=TradingState.REDUCING)
        return denied(verdict.denials)

    def _propose(self, tx: Transaction, order: PendingOrder, facts: Facts, verdict: Verdict) -> Reply:
        made = propose(tx, order.scope, order.in_force, facts, verdict, self._context.random_bytes)
        if isinstance(made, Denial):
            return denied((made,))
        proposal, token = made
        view = view_of_proposal(
            proposal,
            tx.now_ms,
            channel_of(tx, order.policy),
            token,
            market=facts.books.get(proposal.symbol),
            budget=budget_use(facts, verdict, order.policy),
        )
        return Reply(outcome=Outcome.CONFIRMATION_REQUIRED, data=view)

    def _halt_on_count(self, tx: Transaction, order: PendingOrder, orders_since_person: int) -> None:
        """Let only exits through after this order where too many were sent without a person, or in a burst."""
        limits, call_id = order.policy.limits, order.call.call_id
        if orders_since_person >= limits.halt_after_orders:
            halt(tx, order.scope, "halt_after_orders", HALT_REASON, call_id=call_id, state=TradingState.REDUCING)
        halt_on_burst(tx, order.scope, limits.max_orders, call_id)


def _are_fresh(facts: Facts, policy: Policy) -> bool:
    """Whether no fetched price is too old to judge by."""
    return all(is_fresh(book, facts, policy) for book in facts.books.values())


def _reserve(
    tx: Transaction,
    order: PendingOrder,
    costs: CostedOrder,
    instrument: Instrument,
    judgement: Mapping[str, object],
    *,
    sent_ms: int,
) -> Reserved:
    """Write the intent and the reservation; with the commit the order counts, and may be sent once.

    `sent_ms` is the wall clock in ms since the epoch, the timestamp that the order is sent with. Raises StoreError.
    """
    proposal_id = None if order.proposal is None else order.proposal.id
    body = {
        "order": costs.order.as_dict(),
        "asked": order.spec.as_dict(),
        "timestamp": str(sent_ms),
        "policy": order.policy.digest,
        "proposal": proposal_id,
        "mandate": costs.mandate_id,
        "judged": judgement,
    }
    entry = tx.audit.append(
        Record(
            phase=Phase.INTENT,
            call_id=order.call.call_id,
            tool=CreateOrder.tool,
            symbol=order.spec.symbol,
            environment=order.scope.environment,
            account=order.scope.account,
            body=plain_record(body),
        )
    )
    name = client_order_id(bytes.fromhex(entry.digest))
    tx.orders.reserve(_new_order(order, costs, instrument, name, sent_ms=sent_ms, reserved_ms=tx.now_ms))
    if proposal_id is not None:
        tx.proposals.redeem(proposal_id, name)
    return Reserved(
        call=order.call,
        scope=order.scope,
        exchange=order.connection.exchange,
        order=costs.order,
        base_asset=instrument.base_asset,
        quote_asset=instrument.quote_asset,
        client_order_id=name,
        sent_ms=sent_ms,
    )


def _new_order(
    order: PendingOrder,
    costs: CostedOrder,
    instrument: Instrument,
    name: str,
    *,
    sent_ms: int,
    reserved_ms: int,
) -> NewOrder:
    """The row of a reservation; `name` is its client order id, `reserved_ms` is window time."""
    spec, resolved = order.spec, costs.order
    return NewOrder(
        client_order_id=name,
        environment=order.scope.environment,
        account=order.scope.account,
        call_id=order.call.call_id,
        proposal_id=None if order.proposal is None else order.proposal.id,
        symbol=spec.symbol,
        base_asset=instrument.base_asset,
        quote_asset=instrument.quote_asset,
        side=spec.side.value,
        order_type=spec.order_type.value,
        wire_type=resolved.wire_type.value,
        time_in_force=None if resolved.time_in_force is None else resolved.time_in_force.value,
        price=resolved.price,
        stop_price=resolved.stop_price,
        quantity=resolved.quantity,
        quote_quantity=spec.quote_quantity,
        fingerprint=spec.fingerprint,
        notional=costs.notional,
        quote_notional=costs.quote_notional,
        currency=order.policy.accounting.currency,
        is_exit=costs.is_exit,
        confirmed=order.proposal is not None and order.proposal.approved_ms is not None,
        mandate_id=costs.mandate_id,
        reserved_ms=reserved_ms,
        sent_ms=sent_ms,
    )


def judgement_record(facts: Facts, verdict: Verdict, policy: Policy) -> dict[str, object]:
    """The facts and the verdict of an order, for the log: enough to repeat the judgement."""
    return {
        "policy": policy.digest,
        "decision": verdict.decision,
        "denials": tuple(denial.code for denial in verdict.denials),
        "order": None if verdict.order is None else verdict.order.as_dict(),
        "notional": verdict.notional,
        "quote_notional": verdict.quote_notional,
        "is_exit": verdict.is_exit,
        "mandate": verdict.mandate_id,
        "now_ms": str(facts.now_ms),
        "clock_ms": str(facts.clock_ms),
        "clock_skew_ms": None if facts.clock_skew_ms is None else str(facts.clock_skew_ms),
        "books": {
            symbol: {"bid": book.bid, "ask": book.ask, "fetched_ms": str(book.fetched_ms)}
            for symbol, book in facts.books.items()
        },
        "averages": {
            symbol: {"price": average.price, "traded_ms": str(average.traded_ms)}
            for symbol, average in facts.averages.items()
        },
        "listed_orders": None
        if facts.listed_orders is None
        else {"count": str(facts.listed_orders.count), "stops": str(facts.listed_orders.stops)},
        "day_opens": dict(facts.day_opens),
        "usage": facts.usage,
        "missing": {fact.value: why for fact, why in facts.missing.items()}
        | {f"{fact.value} of {symbol}": why for (fact, symbol), why in facts.missing_of.items()},
        "problems": facts.policy_problems,
        "unapproved": facts.unapproved,
        "live": facts.live,
        "free": None if facts.free is None else {a: plain(v) for a, v in facts.free.items() if v > 0},
    }
