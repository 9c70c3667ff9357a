"""The gate: the one way from a call to the exchange.

open_call   writes the `call` row, before anything else
handle      answers the request; an order goes through orders/create.py, decide.py and send.py
ask_client  and answer_of_client: an order that the client puts to the person, where the policy says so
close_call  writes the `outcome` row, unless it was written together with the order that was sent
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from guardian.domain.codes import Code, Outcome
from guardian.domain.requests import TOOLS, CancelAll, CancelOrder, CreateOrder, Request, WithdrawProposal
from guardian.domain.trading import Environment, TradingState
from guardian.errors import (
    CredentialsError,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRejected,
    ExchangeUnavailable,
    InvalidArguments,
    KeyringUnavailable,
    NotSent,
    OutcomeUnknown,
    PolicyInvalid,
    RequestRefused,
    StoreError,
    StoreLost,
)
from guardian.gate.base.calls import CallInfo, CallMeta, safe_traceback, symbol_of, without_secrets
from guardian.gate.base.context import GateContext
from guardian.gate.base.journal import CANCEL_PATIENCE_S
from guardian.gate.base.outcomes import OutcomeWriter
from guardian.gate.base.policy_file import PolicyInForce
from guardian.gate.base.replies import MandateView, OrderProposed, Reply, ReplyError, denied, refused, rejection
from guardian.gate.cancels.cancel import OrderCanceller
from guardian.gate.cancels.cancel_all import AllOrdersCanceller
from guardian.gate.cancels.withdraw import ProposalWithdrawer
from guardian.gate.client_questions import ApprovedInClient, ClientAnswer, ClientQuestion, ClientQuestions
from guardian.gate.orders.create import OrderPlacer
from guardian.gate.orders.send import Sender
from guardian.gate.owner.policy_history import JudgingPolicy, PolicyHistory
from guardian.gate.owner.session_mandate import RESTARTED, end_mandates, mandate_view
from guardian.gate.reads.overview import Overview
from guardian.gate.reads.reads import Reader
from guardian.gate.reads.status_views import NoPolicyView, PolicyView, RecentCall, StatusView
from guardian.policy.engine import judge_tool
from guardian.store.database import Transaction
from guardian.store.schema.records import OpenedCall, Phase, Record

_IMPATIENCE_S: Final = 0.1
"""How long the log is waited for where it did not take a row just before."""


class Gate:
    """Opens, answers and closes every call of every tool."""

    def __init__(self, context: GateContext, history: PolicyHistory | None = None) -> None:
        self.chosen = asyncio.Event()
        """Set once the environment is known."""
        self._outcomes = OutcomeWriter(context.journal)
        self._history = history
        """Writes which policy is in force; None where nothing but single calls is looked at."""
        self._mandate: MandateView | None = None
        """What is left of a session mandate, as the newest call found it."""
        self._answer_in(context)

    def _answer_in(self, context: GateContext) -> None:
        """Make the parts that answer calls, for the environment of this context."""
        self.context = context
        if context.is_chosen:
            self.chosen.set()
        self._placer = OrderPlacer(context, Sender(context, self._outcomes))
        self._canceller = OrderCanceller(context)
        self._all_canceller = AllOrdersCanceller(context)
        self._withdrawer = ProposalWithdrawer(context)
        self._questions = ClientQuestions(context)
        self._reader = Reader(context)

    def _choose(self) -> None:
        """Set the environment from the first valid policy, where there was none when the gate was made."""
        if self.chosen.is_set():
            return
        with suppress(PolicyInvalid):
            self._answer_in(self.context.for_environment(self.context.policy_file.current().policy.environment))

    @property
    def environment(self) -> Environment:
        """The environment in which this gate creates orders."""
        return self.context.environment

    async def open_call(
        self,
        tool: str,
        arguments: Mapping[str, object],
        *,
        client: str | None = None,
        by_owner: bool = False,
        part_of: CallInfo | None = None,
        token: str | None = None,
    ) -> CallInfo:
        """Write the `call` row, also for unknown tools and invalid arguments.

        `by_owner` marks a call that the owner makes on the command line: it is not counted in the assistant's call
        budget. `client` is the name that the client gives itself, for the log alone. `part_of` is the call that this
        one is made for; where the log did not take that, it is hardly waited for again. `token` is the digest of the
        confirmation token of an order, which is looked up in the same transaction.

        Raises:
            StoreError: the row cannot be written, and the tool is not `cancel_order`; the call must not be handled.
        """
        self._choose()
        context = self.context
        started = context.clock.monotonic()
        call_id = context.random_bytes(16).hex()
        snapshot = self._snapshot(self.context.policy_file.current)
        digest = _digest(snapshot)
        body: dict[str, object] = {"arguments": without_secrets(arguments), "client": client, "policy": digest}
        if part_of is not None:
            body["part_of"] = part_of.call_id
        record = self._call_row(call_id, tool, arguments, body, by_owner=by_owner)
        opened: OpenedCall | None = None
        is_cancel = tool == CancelOrder.tool
        patience_s = CANCEL_PATIENCE_S if is_cancel else None
        if part_of is not None and not part_of.logged:
            patience_s = _IMPATIENCE_S

        def write(tx: Transaction) -> tuple[OpenedCall, TradingState]:
            context.policy_file.look(tx, adopts=True)
            opened, trading = tx.audit.open_call(record), context.journal.trading(tx)[0]
            if context.server_start.must_end_mandates:
                end_mandates(tx, RESTARTED)
            self._mandate = mandate_view(tx, context.environment)
            if token is not None:
                self._placer.lookups.look_up(tx, call_id, token)
            return opened, trading

        try:
            transact = context.journal.transact if is_cancel else self._outcomes.transact
            opened, trading = await transact(write, patience_s=patience_s)
            context.server_start.must_end_mandates = False
            snapshot = self._snapshot_after_look(snapshot)
        except StoreError:
            if not is_cancel:
                raise
            # A cancel only reduces risk: it continues, even if this second record fails too.
            emergency = {"kind": "call", "call_id": call_id, **body}
            await context.journal.run(lambda: context.journal.note_emergency(emergency), is_first=True)
            trading = TradingState.HALTED
        return CallInfo(
            call_id=call_id,
            tool=tool,
            symbol=record.symbol,
            started=started,
            calls_last_minute=0 if opened is None else opened.calls_last_minute,
            trading=trading,
            policy_digest=_digest(snapshot),
            client=client,
            logged=opened is not None,
            by_owner=by_owner,
            snapshot=snapshot,
        )

    def _call_row(
        self, call_id: str, tool: str, arguments: Mapping[str, object], body: Mapping[str, object], *, by_owner: bool
    ) -> Record:
        return Record(
            phase=Phase.CALL,
            call_id=call_id,
            tool=tool,
            symbol=symbol_of(arguments),
            outcome=None,
            environment=self.context.environment.value if self.context.is_chosen else None,
            account=None,
            key=f"owner:{call_id}" if by_owner else None,
            body=body,
        )

    @staticmethod
    def _snapshot(read: Callable[[], PolicyInForce]) -> PolicyInForce | PolicyInvalid:
        try:
            return read()
        except PolicyInvalid as error:
            return error

    def _snapshot_after_look(self, read: PolicyInForce | PolicyInvalid) -> PolicyInForce | PolicyInvalid:
        """What the store said since about the file that was read for this call."""
        return read if isinstance(read, PolicyInvalid) else self._snapshot(self.context.policy_file.last_read)

    def _in_force(self, call: CallInfo) -> PolicyInForce:
        """The one snapshot that judges the whole call. Raises PolicyInvalid."""
        snapshot = self.context.policy_file.current() if call.snapshot is None else call.snapshot
        if isinstance(snapshot, PolicyInvalid):
            raise PolicyInvalid(snapshot.mistakes, hint=snapshot.hint)
        return snapshot

    async def handle(self, call: CallInfo, request: Request) -> Reply:
        """Answer one request. Every expected failure is a reply; a bug of guardian's is a `failed` reply."""
        try:
            return await self._handle(call, request)
        except InvalidArguments as error:
            return refused(Code.ARGUMENTS_INVALID, error.message, hint=error.hint)
        except PolicyInvalid as error:
            return refused(Code.POLICY_INVALID, f"there is no usable policy: {error.message}", hint=error.hint)
        except StoreError as error:
            return refused(store_code(error), error.message, hint=error.hint)
        except KeyringUnavailable as error:
            return refused(Code.KEYRING_UNAVAILABLE, error.message, hint=error.hint)
        except CredentialsError as error:
            return refused(Code.CREDENTIALS_MISSING, error.message, hint=error.hint)
        except ExchangeError as error:
            if isinstance(error, ExchangeUnavailable | NotSent):
                await self.context.connector.mark_disconnected()
            return _exchange_failed(error)
        except Exception as error:  # noqa: BLE001 - opaque to the assistant, whole in the log
            return fault(safe_traceback(error))

    async def _handle(self, call: CallInfo, request: Request) -> Reply:
        if isinstance(request, WithdrawProposal):
            return await self._withdrawer.withdraw(call, request)
        if isinstance(request, CancelAll):
            return await self._all_canceller.cancel(
                call,
                request,
                lambda one: self.cancel_one(one, client=call.client, by_owner=call.by_owner, part_of=call),
            )
        if isinstance(request, CancelOrder):
            return await self._canceller.cancel(call, request, cancel_foreign=await self._cancels_foreign(call))
        in_force = self._in_force(call)
        await self._log_policy(in_force, call)
        if isinstance(request, CreateOrder):
            return await self._placer.create(call, request, in_force)
        verdict = judge_tool(request, in_force.policy, call.calls_last_minute)
        if verdict.denials:
            over = verdict.denied_by(Code.CALLS_EXCEED_MAX) and len(verdict.denials) == 1
            if over:
                first = verdict.denials[0]
                return refused(Code.CALL_BUDGET_SPENT, first.message, hint=first.hint, retry_after_s=60)
            return denied(verdict.denials)
        return await self._reader.read(request, in_force.policy)

    async def cancel_one(
        self, request: CancelOrder, *, client: str | None, by_owner: bool = False, part_of: CallInfo | None = None
    ) -> Reply:
        """Cancel an order as a call of its own, with its rows in the log; never raises what `handle` answers."""
        named = {"symbol": request.symbol, "client_order_id": request.client_order_id}
        call = await self.open_call(request.tool, named, client=client, by_owner=by_owner, part_of=part_of)
        reply = await self.handle(call, request)
        await self.close_call(call, reply)
        return reply

    async def _cancels_foreign(self, call: CallInfo) -> bool:
        """Whether the policy allows cancelling orders that guardian did not place; its own need no policy."""
        try:
            in_force = self._in_force(call)
            policy = in_force.policy
            if not policy.tools.cancel_foreign or CancelOrder.tool not in policy.tools.allowed:
                return False
            await self._log_policy(in_force, call)
        except (PolicyInvalid, StoreError):
            return False
        return policy.environment is self.environment

    async def _log_policy(self, in_force: PolicyInForce, call: CallInfo) -> None:
        """Has the log say which policy judges this call, where that has changed. Raises StoreError."""
        if self._history is not None:
            judging = JudgingPolicy(policy=in_force.policy, source=in_force.source, client=call.client)
            await self._history.ensure_logged(judging)

    async def ask_client(self, call: CallInfo, reply: Reply) -> ClientQuestion | None:
        """The question to the person in front of the client, where this reply needs one and the policy allows it."""
        if not isinstance(reply.data, OrderProposed):
            return None
        try:
            return await self._questions.begin(call, reply.data)
        except StoreError:
            return None

    async def answer_of_client(
        self, call: CallInfo, request: CreateOrder, question: str, answer: ClientAnswer
    ) -> Reply | None:
        """Take the answer to a question about this order: approved, it is judged again and sent.

        None for a question that was not put about this order, or is answered: the request is then handled as a new one.
        """
        try:
            taken = await self._questions.take(call, question, answer, request.order)
        except StoreError as error:
            return refused(store_code(error), error.message, hint=error.hint)
        if not isinstance(taken, ApprovedInClient):
            return taken
        # The person took their time: the current policy judges, and not the one from when the call began.
        reply = await self.handle(replace(call, snapshot=None), CreateOrder(confirmation_token=taken.token))
        if reply.error is None or reply.outcome not in {Outcome.UNAVAILABLE, Outcome.RATE_LIMITED}:
            return reply
        # Not judged, so the approval holds, and nobody has its token.
        hint = f"the person has approved it and can place it with `guardian approve {taken.proposal_id} --submit`"
        return replace(reply, error=replace(reply.error, hint=hint))

    async def close_call(self, call: CallInfo, reply: Reply) -> None:
        """Write the `outcome` row, unless it was written with the order that was sent. Never raises StoreError.

        That of a read is due then: it is written soon, and at the latest before the next call is opened; see `settle`.
        Where the row of a write cannot be written, trading is halted.
        """
        await self._outcomes.close(call, reply, environment=self.environment.value)
        if self._mandate is not None and call.tool == CreateOrder.tool:
            with suppress(StoreError):
                self._mandate = await self.context.journal.transact(lambda tx: mandate_view(tx, self.environment))

    async def settle(self) -> None:
        """Wait until every outcome row that is due is on the disk, or was dropped with a warning.

        Whoever reads the log beside the calls, or leaves, waits for it first. It is not given up where the waiter is.
        """
        await self._outcomes.settle()

    async def status(self) -> StatusView:
        """The status summary. Raises StoreError."""
        await self.settle()
        self._choose()
        return await Overview(self.context).status()

    async def policy_view(self) -> PolicyView | NoPolicyView:
        """What the policy allows, with the headroom left, or what is wrong with it. Raises StoreError."""
        self._choose()
        return await Overview(self.context).policy()

    async def recent(self, limit: int) -> tuple[RecentCall, ...]:
        """The newest calls. Raises StoreError."""
        await self.settle()
        return await Overview(self.context).recent(limit)

    def allowed_tools(self) -> frozenset[str]:
        """The tools that the policy in force allows and `cancel_order`; all tools where there is no valid policy.

        Without a policy each call is answered with its mistakes, which a hidden tool could not return.
        """
        try:
            return self.context.policy_file.current().policy.tools.allowed | {CancelOrder.tool}
        except PolicyInvalid:
            return frozenset(TOOLS)

    def meta(self, call: CallInfo) -> CallMeta:
        """The data about the call that every reply has."""
        latency = self.context.clock.monotonic() - call.started
        return CallMeta(
            call_id=call.call_id,
            timestamp_ms=self.context.clock.now_ms(),
            environment=self.environment.value if self.context.is_chosen else None,
            trading=call.trading.value,
            policy=None if call.policy_digest is None else call.policy_digest[:12],
            latency_ms=int(latency * 1000),
            mandate=self._mandate,
        )


def _digest(snapshot: PolicyInForce | PolicyInvalid) -> str | None:
    return None if isinstance(snapshot, PolicyInvalid) else snapshot.policy.digest


def store_code(error: StoreError) -> Code:
    """The code of a call that was refused because the log failed."""
    return Code.LOG_LOST if isinstance(error, StoreLost) else Code.LOG_UNAVAILABLE


def fault(detail: str) -> Reply:
    """The reply for a bug of guardian's: opaque to the assistant, whole in the log."""
    return refused(
        Code.INTERNAL_ERROR,
        "guardian failed; the whole of it is in the log",
        hint="`guardian audit show` with this call id shows the owner more",
        detail=detail,
    )


def _exchange_failed(error: ExchangeError) -> Reply:
    """The reply for a read that the exchange did not answer."""
    if isinstance(error, ExchangeRejected):
        return rejection(error)
    if isinstance(error, ExchangeRateLimited):
        return refused(Code.EXCHANGE_RATE_LIMIT, error.message, retry_after_s=error.retry_after_s)
    if isinstance(error, RequestRefused):
        return refused(Code.REQUEST_REFUSED, error.message, hint=error.hint)
    if isinstance(error, OutcomeUnknown):
        return Reply(outcome=Outcome.UNKNOWN, error=ReplyError(code=Code.ORDER_UNKNOWN, message=error.message))
    return refused(Code.EXCHANGE_UNREACHABLE, error.message, hint=error.hint)
