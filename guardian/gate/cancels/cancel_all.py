"""`cancel_order` with `all = true`: guardian's own open orders, cancelled one by one, and what came of each.

It needs no policy, trading state, budget or log, as a single cancel does not. Orders that guardian did not place are
left alone, whatever the policy says. Proposals that wait are named and not taken back: they are no orders yet, and a
person may be about to approve them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

import anyio.lowlevel

from guardian.domain.codes import Outcome
from guardian.domain.order_states import FINAL_STATES, UNRESOLVED_STATES, VOID_STATES
from guardian.domain.requests import CancelAll, CancelOrder
from guardian.errors import StoreError
from guardian.gate.base.calls import CallInfo
from guardian.gate.base.context import GateContext
from guardian.gate.base.journal import CANCEL_PATIENCE_S
from guardian.gate.base.replies import (
    CancelResult,
    OrderCancelled,
    OrdersCancelled,
    Reply,
    ReplyError,
    WaitingOrder,
    done,
)
from guardian.gate.cancels.own_orders import OwnOrder, OwnOrders, own_open_orders
from guardian.gate.orders.proposal_views import waiting_order
from guardian.gate.orders.shielded import run_to_completion
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow

ALL_PATIENCE_S: Final = 15.0
"""After so long no further cancel is begun: clients and a server that is being stopped wait for little longer."""
ENDED: Final = ("cancelled", "filled", "expired", "not_placed")
"""The results after which an order is not open any more."""

CancelOne = Callable[[CancelOrder], Coroutine[Any, Any, Reply]]
"""Cancels one order as a call of its own, with its rows in the log."""


class AllOrdersCanceller:
    """Cancels all of guardian's open orders."""

    def __init__(self, context: GateContext) -> None:
        self._context = context

    async def cancel(self, call: CallInfo, request: CancelAll, cancel_one: CancelOne) -> Reply:
        """One `cancel_order` with `all`. A call that its client takes back begins no further cancel.

        Raises as `own_open_orders`.
        """
        found = await own_open_orders(self._context, request.symbol, has_store=call.logged)
        ends = self._context.clock.monotonic() + ALL_PATIENCE_S
        results: list[CancelResult] = []
        errors: list[ReplyError] = []
        stopped: str | None = None
        for order in found.orders:
            await anyio.lowlevel.checkpoint()
            if stopped is None and self._context.clock.monotonic() >= ends:
                stopped = f"not tried: the others took {ALL_PATIENCE_S:.0f} s; call again for the rest"
            if stopped is not None:
                results.append(self._view(order, "not_tried", stopped))
                continue
            reply = await run_to_completion(cancel_one(_cancel_of(order)))
            results.append(await self._result(order, reply, has_store=call.logged and found.unread is None))
            if reply.error is not None and results[-1].result not in ENDED:
                errors.append(reply.error)
                if reply.outcome is Outcome.RATE_LIMITED:
                    when = "" if reply.error.retry_after_s is None else f" in {reply.error.retry_after_s} s"
                    stopped = f"not tried: the rate limits are used up; call again{when}"
        failed = _failed_for_one_reason(results, errors)
        if failed is not None:
            return failed
        waiting = await self._waiting(request.symbol) if call.logged else None
        return done(
            OrdersCancelled(
                note=_note(request, found, results, waiting),
                still_open=sum(result.result not in ENDED for result in results),
                results=tuple(results),
                waiting=waiting,
            )
        )

    async def _result(self, order: OwnOrder, reply: Reply, *, has_store: bool) -> CancelResult:
        """What came of one cancel: an order that had ended before has its state in the store."""
        if isinstance(reply.data, OrderCancelled):
            view = self._view(order, "cancelled", None)
            return replace(view, executed_quantity=reply.data.order.executed_quantity)
        message = None if reply.error is None else reply.error.message
        if reply.outcome is Outcome.RATE_LIMITED:
            return self._view(order, "not_tried", message)
        row = await self._row(order) if has_store else None
        if row is not None and row.state in FINAL_STATES:
            state = "not_placed" if row.state in VOID_STATES else row.state.value
            return replace(self._view(order, state, None), executed_quantity=row.executed_quantity)
        is_unknown = row is not None and row.state in UNRESOLVED_STATES
        return self._view(order, "unknown" if is_unknown else reply.outcome.value, message)

    async def _row(self, order: OwnOrder) -> OrderRow | None:
        try:
            return await self._context.journal.transact(
                lambda tx: tx.orders.get(order.client_order_id), patience_s=CANCEL_PATIENCE_S
            )
        except StoreError:
            return None

    def _view(self, order: OwnOrder, result: str, message: str | None) -> CancelResult:
        is_here = self._context.is_chosen and order.environment == self._context.environment.value
        return CancelResult(
            result=result,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            side=order.side,
            quantity=order.quantity,
            executed_quantity=None,
            environment=None if is_here else order.environment,
            message=message,
        )

    async def _waiting(self, symbol: str | None) -> tuple[WaitingOrder, ...] | None:
        """The proposals of this environment that wait, on one symbol or all; None where the store did not answer."""

        def read(tx: Transaction) -> tuple[WaitingOrder, ...]:
            here = self._context.environment.value
            return tuple(
                waiting_order(proposal, tx.now_ms)
                for proposal in tx.proposals.waiting()
                if proposal.scope.environment == here and symbol in {None, proposal.symbol}
            )

        try:
            return await self._context.journal.transact(read, patience_s=CANCEL_PATIENCE_S)
        except StoreError:
            return None


def _cancel_of(order: OwnOrder) -> CancelOrder:
    return CancelOrder(symbol=order.symbol, client_order_id=order.client_order_id)


def _failed_for_one_reason(results: list[CancelResult], errors: list[ReplyError]) -> Reply | None:
    """The reply where no order has ended and all cancels failed by one code: that is the reply to the whole call."""
    if not errors or any(result.result in ENDED for result in results) or len({error.code for error in errors}) > 1:
        return None
    first = errors[0]
    if len(results) == 1:
        return Reply(outcome=first.code.outcome, error=first)
    message = f"none of guardian's {len(results)} open orders is known to be cancelled; of the first: {first.message}"
    return Reply(outcome=first.code.outcome, error=replace(first, message=message, client_order_id=None))


def _note(
    request: CancelAll, found: OwnOrders, results: list[CancelResult], waiting: tuple[WaitingOrder, ...] | None
) -> str:
    """The whole in one or a few sentences."""
    where = "" if request.symbol is None else f" on {request.symbol}"
    if not results:
        text = f"guardian has no open orders{where}"
    else:
        kinds = dict.fromkeys(result.result for result in results)
        counts = {kind: sum(result.result == kind for result in results) for kind in kinds}
        count = "1 open order" if len(results) == 1 else f"{len(results)} open orders"
        text = f"guardian had {count}{where}: {', '.join(f'{n} {_words(kind)}' for kind, n in counts.items())}"
    if any(result.result not in ENDED for result in results):
        text += '. NOT all are cancelled; get_orders with status "open" shows what is left'
    if found.unread is not None:
        text += (
            f". Guardian's own list could not be read ({found.unread}): these are the open orders with its mark at the "
            "exchange, and there may be more in other environments"
        )
    if waiting:
        ids = ", ".join(one.proposal_id for one in waiting)
        are = "1 proposal still waits and is" if len(waiting) == 1 else f"{len(waiting)} proposals still wait and are"
        text += f". {are} not taken back: cancel_order with `proposal_id` alone withdraws one ({ids})"
    return text


def _words(result: str) -> str:
    return {
        "filled": "filled before it could be cancelled",
        "expired": "expired before",
        "not_placed": "never placed",
        "unknown": "may be cancelled or open (unknown)",
        "rejected": "not cancelled, by the exchange's refusal",
        "not_tried": "not tried",
    }.get(result, result)
