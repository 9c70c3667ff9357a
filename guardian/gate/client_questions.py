"""Orders that are put to the person by the assistant's client (`channel = "elicit"`), and what came of it.

The client could answer by itself, so an answer proves no more than a token in the chat: it is taken only where
`proof = "terminal"` is demanded, and never on `live`. A question is a row of the log, bound to its proposal, and its
answer is another with a key of its own: no question is answered twice, whatever a client repeats or makes up.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from guardian.domain.codes import Outcome
from guardian.domain.market import BookTop
from guardian.domain.orders import OrderSpec
from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.domain.secrets import Secret
from guardian.domain.trading import Environment
from guardian.errors import PolicyInvalid, ProofRefused, StoreConflict
from guardian.gate.base.calls import CallInfo
from guardian.gate.base.context import GateContext
from guardian.gate.base.replies import MarketNow, OrderProposed, Reply, with_situation
from guardian.gate.orders.proposal_views import view_of_proposal
from guardian.gate.orders.proposals import order_key, waiting_orders
from guardian.gate.orders.redeem import reply_for_sent_order
from guardian.gate.owner.demand import demanded_proof
from guardian.gate.owner.order_approval import approve_order, order_statement
from guardian.gate.situation.situations import situation_of_store
from guardian.policy.model import Channel, ConfirmationRules, Policy
from guardian.store.database import Transaction
from guardian.store.schema.records import Proposal, ProposalState, Record

QUESTION_BYTES: Final = 16
READING_S: Final = 1.0
"""A yes that comes sooner after its question was not given by someone who read it."""
MAX_OPEN_QUESTIONS: Final = 100
"""Questions that this process remembers; the oldest is forgotten, and its answer is then not taken."""
DECLINED_REASON: Final = "declined in the client"


class ClientAnswer(StrEnum):
    """The outcome of a question in the client."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    """Closed without an answer, or accepted without the yes that the form asks for."""
    TIMED_OUT = "timed_out"
    TOO_SOON = "too_soon"
    """Accepted within READING_S: not taken."""
    FAILED = "failed"
    """The client could not put the question, or answered something else."""


_WORDS: Final = {
    ClientAnswer.ACCEPTED: "the person accepted in the client, which approves nothing any more; ",
    ClientAnswer.DECLINED: "",
    ClientAnswer.CANCELLED: "the person closed the question in the client without a yes or a no; ",
    ClientAnswer.TIMED_OUT: "nobody answered the question in the client in time; ",
    ClientAnswer.TOO_SOON: "the client accepted within a second of the question, which nobody reads so fast: that was "
    "not taken; ",
    ClientAnswer.FAILED: "the client could not put the question to the person; ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientQuestion:
    """A question to the person in front of the client. `lines` are what they are shown."""

    id: str
    proposal_id: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedInClient:
    """A proposal that a person approved in the client, and the token that redeems it."""

    proposal_id: str
    token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    proposal: Proposal
    market: BookTop | None
    since_s: float
    """On the monotonic clock."""


class ClientQuestions:
    """The questions of one process, and their answers."""

    def __init__(self, context: GateContext) -> None:
        self._context = context
        self._asked: OrderedDict[str, _Asked] = OrderedDict()

    async def begin(self, call: CallInfo, proposed: OrderProposed) -> ClientQuestion | None:
        """Write the question down; None where the policy or the proposal lets no client be asked. Raises StoreError."""
        name = self._context.random_bytes(QUESTION_BYTES).hex()
        rules = _rules(self._policy())
        proposal = await self._context.journal.transact(
            lambda tx: self._begin(tx, call, rules, proposed.proposal_id, name)
        )
        if proposal is None:
            return None
        market, since_s = _book(proposed.market_now), self._context.clock.monotonic()
        self._asked[name] = _Asked(proposal=proposal, market=market, since_s=since_s)
        while len(self._asked) > MAX_OPEN_QUESTIONS:
            self._asked.popitem(last=False)
        return ClientQuestion(id=name, proposal_id=proposal.id, lines=proposed.summary)

    def _begin(
        self, tx: Transaction, call: CallInfo, rules: ConfirmationRules | None, proposal_id: str, name: str
    ) -> Proposal | None:
        proposal = tx.proposals.get(proposal_id)
        if proposal is None or proposal.state is not ProposalState.WAITING or not self._may_ask(tx, rules):
            return None
        _note(tx, call, proposal, {"kind": "client_asked", "question": name}, key=f"client_question/{name}")
        return proposal

    def _policy(self) -> Policy | None:
        """The policy in force, None without one. Not within a transaction: it may remember it."""
        try:
            return self._context.policy_file.current().policy
        except PolicyInvalid:
            return None

    def _may_ask(self, tx: Transaction, rules: ConfirmationRules | None) -> bool:
        """Whether an answer from a client is worth anything under these rules."""
        if rules is None or rules.channel is not Channel.ELICIT or self._context.environment is Environment.LIVE:
            return False
        return demanded_proof(tx, rules.proof) is Proof.TERMINAL

    async def take(
        self, call: CallInfo, question: str, answer: ClientAnswer, order: OrderSpec | None
    ) -> ApprovedInClient | Reply | None:
        """Take the answer to a question, once: the token of the approved order, or the reply where there is no token.

        None for a question that this process did not put about this very order, or that was answered before: it is as
        if none was put. Raises StoreError.
        """
        asked = self._asked.get(question)
        if asked is None or order is None or order_key(order) != asked.proposal.order_key:
            return None
        del self._asked[question]
        if answer is ClientAnswer.ACCEPTED and self._context.clock.monotonic() - asked.since_s < READING_S:
            answer = ClientAnswer.TOO_SOON
        await self._context.journal.transact(lambda tx: self._write_down(tx, call, question, asked, answer))
        if answer is ClientAnswer.ACCEPTED:
            token = await self._context.journal.run(lambda: self._approve(asked))
            if token is not None:
                return ApprovedInClient(proposal_id=asked.proposal.id, token=Secret(token))
        policy = self._policy()
        return await self._context.journal.transact(lambda tx: self._reply(tx, asked, answer, policy))

    def _write_down(self, tx: Transaction, call: CallInfo, question: str, asked: _Asked, answer: ClientAnswer) -> None:
        body = {"kind": "client_answered", "question": question, "answer": answer.value}
        _note(tx, call, asked.proposal, body, key=f"client_answer/{question}")
        found = tx.proposals.get(asked.proposal.id)
        if answer is ClientAnswer.DECLINED and found is not None and found.is_outstanding(tx.now_ms):
            tx.proposals.reject(found.id, DECLINED_REASON)

    def _approve(self, asked: _Asked) -> str | None:
        """The token of the approval; None where this answer approves nothing any more."""
        journal, rules = self._context.journal, _rules(self._policy())
        with journal.transaction() as tx:
            if rules is None or not self._may_ask(tx, rules):
                return None
        try:
            return approve_order(
                journal,
                asked.proposal.id,
                order_statement(asked.proposal, asked.market),
                ProofGiven(kind=Proof.TERMINAL),
                policy_proof=rules.proof,
                random_bytes=self._context.random_bytes,
                shown=asked.proposal,
                channel=Channel.ELICIT.value,
            )
        except (ProofRefused, StoreConflict):
            return None

    def _reply(self, tx: Transaction, asked: _Asked, answer: ClientAnswer, policy: Policy | None) -> Reply:
        """The state of the proposal after an answer that placed no order; nothing is judged or sent for it."""
        proposal = tx.proposals.get(asked.proposal.id) or asked.proposal
        row = None if proposal.client_order_id is None else tx.orders.get(proposal.client_order_id)
        if row is not None:
            return reply_for_sent_order(tx, row)
        view = view_of_proposal(proposal, tx.now_ms, Channel.ELICIT, None, market=asked.market)
        view = replace(view, client_answer=answer.value, next_step=_WORDS[answer] + view.next_step)
        reply, scope = Reply(outcome=Outcome.CONFIRMATION_REQUIRED, data=view), proposal.scope
        if policy is None:
            return reply
        waiting = waiting_orders(tx, scope)
        return with_situation(reply, situation_of_store(tx, self._context.journal, scope, policy, waiting))


def _rules(policy: Policy | None) -> ConfirmationRules | None:
    return None if policy is None else policy.confirmation


def _book(now: MarketNow | None) -> BookTop | None:
    """The book as the reply has it."""
    if now is None:
        return None
    return BookTop(bid=now.bid, ask=now.ask, fetched_ms=int(datetime.fromisoformat(now.asked).timestamp() * 1000))


def _note(tx: Transaction, call: CallInfo, proposal: Proposal, body: Mapping[str, str], *, key: str) -> None:
    scope = proposal.scope
    fields = {**body, "proposal": proposal.id, "symbol": proposal.symbol, "environment": scope.environment}
    record = Record.event(scope, fields, call_id=call.call_id, symbol=proposal.symbol, key=key)
    tx.audit.append(record)
