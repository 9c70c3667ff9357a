"""How the page gets an owner's yes to an order: what is shown and signed, and what comes of the answer.

A question is answered once. Whatever else comes proves nothing, and is a row of the log as a wrong signature is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from guardian.bootstrap import Guardian
from guardian.console.owner_acts import CLIENT
from guardian.console.unfinished import Unfinished
from guardian.console.waiting import waiting_proposal
from guardian.domain.codes import Outcome
from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.domain.requests import CreateOrder
from guardian.domain.secrets import Secret
from guardian.errors import OwnerNotPresent, PolicyInvalid, ProofRefused
from guardian.gate.base.replies import OrderPlaced, Reply
from guardian.gate.orders.preview import Mismatch, Previewer
from guardian.gate.orders.proposal_views import summary
from guardian.gate.owner.agreement import Agreement, Question
from guardian.gate.owner.change_views import change_lines
from guardian.gate.owner.changes import waiting_changes
from guardian.gate.owner.demand import demanded_proof
from guardian.gate.owner.order_approval import approve_order, order_statement
from guardian.policy.verdict import Denial
from guardian.store.database import Transaction
from guardian.store.schema.records import Proposal
from guardian.system.local_times import clock_time, local_time

QUESTION_LIFETIME_S: Final = 75.0
"""The page takes the question away after 60 s; an answer may then be on its way."""
_MOST_QUESTIONS: Final = 16
_HANDLE_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerState:
    """What proves an owner's yes now, and what of it is about to change."""

    proof: str
    """`terminal`, `pin` or `passkey`."""
    passkeys: tuple[str, ...]
    pin: bool
    pending: tuple[str, ...]
    """A warning for each change that nobody proved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuestion:
    """What the owner is asked on the page, once."""

    handle: str
    """Names this question; the answer comes with it."""
    proof: str
    summary: tuple[str, ...]
    """What is agreed to, in the words of `guardian approve`."""
    options: Mapping[str, Any] | None
    """The argument of `navigator.credentials.get`, as JSON data; None for a PIN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalResult:
    """What came of a yes."""

    done: bool
    message: str
    hint: str | None = None
    token: str | None = None
    """The one-time token for the assistant, where the order was not placed."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that waits for its answer."""

    proposal: Proposal
    question: Question
    proof: Proof
    until_s: float


class Approvals:
    """Asks for the owner's yes to orders that wait, and takes it. `origin` is the page's own."""

    def __init__(
        self,
        opened: Guardian,
        agreement: Agreement,
        unfinished: Unfinished,
        *,
        origin: str,
        seconds: Callable[[], float],
    ) -> None:
        self._opened = opened
        self._agreement = agreement
        self._origin = origin
        self._seconds = seconds
        self._asked: dict[str, _Asked] = {}
        self._unfinished = unfinished

    async def owner(self) -> OwnerState:
        """What proves a yes now. Raises StoreError."""
        policy_proof = await self._opened.journal.run(self._policy_proof)

        def read(tx: Transaction) -> OwnerState:
            return OwnerState(
                proof=demanded_proof(tx, policy_proof).value,
                passkeys=tuple(passkey.name for passkey in tx.approvers.passkeys()),
                pin=tx.approvers.status().pin_since_ms is not None,
                pending=change_lines(waiting_changes(tx), tx.now_ms, local_time),
            )

        return await self._opened.journal.transact(read)

    async def begin(self, proposal_id: str) -> PageQuestion:
        """The question about a proposal, on facts that are fetched for it.

        Raises:
            ProofRefused: what is demanded is not set up.
            OwnerNotPresent: it is approved in a terminal, or would be denied now.
            StoreConflict: it does not wait any more.
            GuardianError: as `Previewer.preview` raises.
        """
        proof = await self._proof_to_ask()
        proposal = await self._opened.journal.transact(lambda tx: waiting_proposal(tx, proposal_id))
        previewer = Previewer(self._opened.gate.context)
        preview = previewer.mismatch(proposal) or await previewer.preview(proposal)
        if isinstance(preview, Mismatch):
            raise OwnerNotPresent(preview.why, hint=preview.hint)
        if preview.denials:
            raise OwnerNotPresent(f"this order would be denied now: {_in_words(preview.denials)}")
        question = self._agreement.question(order_statement(proposal, preview.market))
        options = None
        if proof is Proof.PASSKEY:
            options = await self._opened.journal.run(lambda: self._agreement.options(question))
        handle = secrets.token_hex(_HANDLE_BYTES)
        self._asked[handle] = _Asked(proposal, question, proof, self._seconds() + QUESTION_LIFETIME_S)
        while len(self._asked) > _MOST_QUESTIONS:
            del self._asked[next(iter(self._asked))]
        lines = summary(proposal, preview.now_ms, market=preview.market, budget=preview.budget, clock=clock_time)
        return PageQuestion(handle=handle, proof=proof.value, summary=lines, options=options)

    async def finish(self, proposal_id: str, handle: str, answer: Mapping[str, Any], *, place: bool) -> ApprovalResult:
        """Verify the answer, approve, and place the order or return its token.

        What has begun is finished, also where the browser goes away or the page is closed.

        Raises:
            ProofRefused: the answer proves nothing; nothing was approved.
            StoreConflict: the proposal was answered elsewhere, or has expired.
            CredentialsError: the keyring with the PIN's hash did not answer.
        """
        return await self._unfinished.run(self._finish(proposal_id, handle, answer, place=place))

    async def _finish(self, proposal_id: str, handle: str, answer: Mapping[str, Any], *, place: bool) -> ApprovalResult:
        asked = self._asked.pop(handle, None)
        if asked is None or asked.proposal.id != proposal_id or self._seconds() >= asked.until_s:
            await self._refuse(proposal_id, answer)
            raise ProofRefused("this answers no question that was put", hint="nothing was approved; look again")
        given = await self._opened.journal.run(lambda: self._verified(asked, answer))
        mismatch = Previewer(self._opened.gate.context).mismatch(asked.proposal)
        if mismatch is not None:
            raise OwnerNotPresent(f"{mismatch.why}; nothing was approved", hint=mismatch.hint)
        token = await self._opened.journal.run(lambda: self._approve(asked, given))
        if place:
            return _result(await self._place(token))
        return ApprovalResult(done=True, message="approved: hand this token to the assistant", token=token)

    async def _proof_to_ask(self) -> Proof:
        policy_proof = await self._opened.journal.run(self._policy_proof)
        demanded = await self._opened.journal.run(lambda: self._agreement.demanded(policy_proof))
        if demanded is Proof.TERMINAL:
            raise OwnerNotPresent("a yes is given in a terminal here", hint="run `guardian approve` there")
        owner = await self.owner()
        return Proof.PASSKEY if demanded is Proof.PASSKEY or not owner.pin else Proof.PIN

    def _policy_proof(self) -> Proof:
        """What the policy demands; the home's floor holds besides. Reads its file."""
        try:
            return self._opened.policy_file.current().policy.confirmation.proof
        except PolicyInvalid:
            return Proof.TERMINAL

    def _verified(self, asked: _Asked, answer: Mapping[str, Any]) -> ProofGiven:
        if asked.proof is Proof.PASSKEY:
            return self._agreement.by_passkey(asked.question, answer, origin=self._origin)
        pin = answer.get("pin")
        return self._agreement.by_pin(asked.question.statement, Secret(pin if isinstance(pin, str) else ""))

    async def _refuse(self, proposal_id: str, answer: Mapping[str, Any]) -> None:
        """Have an answer without a question refused as one to a new question, which it cannot be: that is a row."""
        if "pin" in answer:
            return  # it is not looked at, so it is no try
        proposal = await self._opened.journal.transact(lambda tx: waiting_proposal(tx, proposal_id))
        new = self._agreement.question(order_statement(proposal, None))
        await self._opened.journal.run(lambda: self._agreement.by_passkey(new, answer, origin=self._origin))

    def _approve(self, asked: _Asked, given: ProofGiven) -> str:
        return approve_order(
            self._opened.journal,
            asked.proposal.id,
            asked.question.statement,
            given,
            policy_proof=self._policy_proof(),
            random_bytes=secrets.token_bytes,
            shown=asked.proposal,
        )

    async def _place(self, token: str) -> Reply:
        """Place the approved order through the gate, as one call like any other."""
        gate = self._opened.gate
        call = await gate.open_call(CreateOrder.tool, {"confirmation_token": token}, client=CLIENT, by_owner=True)
        reply = await gate.handle(call, CreateOrder(confirmation_token=Secret(token)))
        await gate.close_call(call, reply)
        return reply


def _result(reply: Reply) -> ApprovalResult:
    if isinstance(reply.data, OrderPlaced):
        return ApprovalResult(done=True, message=f"placed: {reply.data.note}")
    if reply.error is None:
        return ApprovalResult(done=False, message=reply.outcome.value)
    error = reply.error
    why = _in_words(error.denials) or error.message
    if reply.outcome is Outcome.UNKNOWN:
        return ApprovalResult(done=False, message=f"not known to be placed: {why}", hint=error.hint)
    theirs = "" if error.exchange_text is None else f"; the exchange's own words: {error.exchange_text!r}"
    return ApprovalResult(done=False, message=f"approved, and not placed: {why}{theirs}", hint=error.hint)


def _in_words(denials: tuple[Denial, ...]) -> str:
    return "; ".join(f"{one.code.name}: {one.message}" for one in denials)
