"""`cancel_order`: never refused for lack of a budget, a policy file or a log, since it only reduces risk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from guardian.connector import Connection
from guardian.domain.codes import Code, Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX, OrderReport
from guardian.domain.report_match import contradiction
from guardian.domain.requests import CancelOrder
from guardian.domain.trading import Environment
from guardian.errors import (
    CredentialsError,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRejected,
    OutcomeUnknown,
    StoreError,
)
from guardian.exchange.exchange import Exchange
from guardian.gate.base.calls import CallInfo, safe_traceback
from guardian.gate.base.context import GateContext
from guardian.gate.base.journal import CANCEL_PATIENCE_S
from guardian.gate.base.order_views import note_on, view_of_report
from guardian.gate.base.replies import OrderCancelled, Reply, ReplyError, denied, done, refused, rejected_because
from guardian.gate.orders.send import QUERY_TIMEOUT_S
from guardian.gate.orders.shielded import run_to_completion
from guardian.gate.recovery.order_reports import apply_report, query_order, row_of
from guardian.policy.verdict import Denial
from guardian.store.database import Transaction
from guardian.store.schema.records import OrderRow, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The order to cancel: its ids, and its row in the store."""

    symbol: str
    order_id: int | None
    client_order_id: str | None
    row: OrderRow | None
    has_store: bool
    """False where the store did not answer in time: then it is not used again."""
    began_ms: int = 0
    """Window time before the exchange was queried; 0 where the store did not answer."""

    def is_meant(self, report: OrderReport) -> bool:
        """Whether a report is about this order; of an order of guardian's it must not contradict what was sent."""
        if self.row is not None:
            return contradiction(self.row.sent, report, asked_by_order_id=self.order_id is not None) is None
        if report.flaw is not None or report.symbol != self.symbol:
            return False
        return self.order_id == report.order_id or self.client_order_id == report.client_order_id


class OrderCanceller:
    """Cancels guardian's own orders, and others where the policy allows it."""

    def __init__(self, context: GateContext) -> None:
        self._context = context

    async def cancel(self, call: CallInfo, request: CancelOrder, *, cancel_foreign: bool) -> Reply:
        """One `cancel_order`, in the environment that the order was sent to.

        Raises:
            CredentialsError: the keys of that environment are missing.
            ExchangeError: the query of an order by its `order_id` alone failed.
            PolicyInvalid: neither the store nor the policy file names that environment.
        """
        target = await self._looked_up(call, request)
        elsewhere = self._elsewhere(target)
        if elsewhere is not None:
            there = self._context.for_environment(elsewhere)
            return await OrderCanceller(there).cancel(call, request, cancel_foreign=False)
        connection = await self._context.connector.connect(needs_keys=True)
        scope = self._context.scope_of(connection)
        if target.row is None:
            target = await self._looked_up_here(connection, scope, target, cancel_foreign=cancel_foreign)
        row = target.row
        if row is not None:
            if row.account != connection.account:
                return _of_another_account(row)
            # Order ids restart when a testnet is wiped; the client order id never names a foreign order.
            target = replace(target, order_id=None, client_order_id=row.client_order_id)
        elif not cancel_foreign and not await _has_prefix(connection.exchange, request):
            return _not_guardians()
        # A cancelled call does not interrupt it: what was sent is followed by what is known of the order then.
        return await run_to_completion(self._send(connection, scope, target))

    async def _looked_up(self, call: CallInfo, request: CancelOrder) -> Target:
        """The order that is meant, with its row in the store as far as that is known without a connection."""
        target = Target(
            symbol=request.symbol,
            order_id=request.order_id,
            client_order_id=request.client_order_id,
            row=None,
            # Where the call row could not be written, the store is not waited for a second time.
            has_store=call.logged,
        )
        # The same order id may exist in several environments: it is looked up in all of them only while none is chosen.
        if target.client_order_id is not None or not self._context.is_chosen:
            return await self._with_row(target, lambda tx: _row_in_any_environment(tx, target))
        return target

    def _elsewhere(self, target: Target) -> Environment | None:
        """The environment to cancel in where it is not this one: the one that the order was sent to.

        While no valid policy has named one, it is the one that the policy's file names, whatever its mistakes. Raises
        PolicyInvalid: the file names none.
        """
        if target.row is not None:
            environment = Environment(target.row.environment)
            is_here = self._context.is_chosen and environment is self._context.environment
            return None if is_here else environment
        return None if self._context.is_chosen else self._context.named_environment()

    async def _looked_up_here(
        self, connection: Connection, scope: Scope, target: Target, *, cancel_foreign: bool
    ) -> Target:
        """The target with its row in the store, found by its order id or as its owner amended it at the exchange.

        Raises ExchangeError: the query that the latter takes failed.
        """
        order_id = target.order_id
        if order_id is not None and target.client_order_id is None:
            target = await self._with_row(target, lambda tx: tx.orders.by_exchange_id(scope, target.symbol, order_id))
        if target.row is not None or not target.has_store or cancel_foreign:
            return target
        name = target.client_order_id
        if name is None or name.startswith(CLIENT_ORDER_ID_PREFIX):
            return target
        report = await connection.exchange.order(target.symbol, client_order_id=name)
        if report is None or report.client_order_id != name:
            return target
        row, began_ms = await self._context.journal.transact(
            lambda tx: (row_of(tx, scope, report), tx.now_ms), patience_s=CANCEL_PATIENCE_S
        )
        return replace(target, row=row, began_ms=began_ms)

    async def _with_row(self, target: Target, find: Callable[[Transaction], OrderRow | None]) -> Target:
        """The target with the row that `find` returns, if the store answers in time; else it is not used again."""
        if not target.has_store:
            return target
        try:
            row, began_ms = await self._context.journal.transact(
                lambda tx: (find(tx), tx.now_ms), patience_s=CANCEL_PATIENCE_S
            )
        except StoreError:
            return replace(target, has_store=False)
        return replace(target, row=row, began_ms=began_ms)

    async def _send(self, connection: Connection, scope: Scope, target: Target) -> Reply:
        """Send one DELETE; where it was refused or its reply lost, the order is queried once. Updates the store."""
        try:
            report = await self._delete(connection, target)
        except ExchangeRejected as error:
            amended = await self._as_amended(connection, target)
            if amended is not None:
                return await self._send(connection, scope, amended)
            return await self._after_refusal(connection, scope, target, Outcome.REJECTED, rejected_because(error))
        except ExchangeRateLimited as error:
            return refused(Code.EXCHANGE_RATE_LIMIT, error.message, retry_after_s=error.retry_after_s)
        except OutcomeUnknown as error:
            unknown = _unknown(target, error.message)
            return await self._after_refusal(connection, scope, target, Outcome.UNKNOWN, unknown)
        except (ExchangeError, CredentialsError) as error:
            await self._context.connector.mark_disconnected()
            return refused(Code.ORDER_NOT_SENT, f"the cancel was not sent: {error.message}", hint=error.hint)
        except Exception as error:  # noqa: BLE001 - a fault behind the sending must not hide that it may have been done
            unknown = _unknown(target, "guardian failed while the cancel was on its way")
            reply = await self._after_refusal(connection, scope, target, Outcome.UNKNOWN, unknown)
            return replace(reply, detail=safe_traceback(error))
        await self._record(scope, target, report)
        if not target.is_meant(report):
            unknown = _unknown(target, "the exchange's answer contradicts the order")
            return await self._after_refusal(connection, scope, target, Outcome.UNKNOWN, unknown)
        return self._cancelled(target, report)

    async def _delete(self, connection: Connection, target: Target) -> OrderReport:
        return await connection.exchange.cancel_order(
            target.symbol,
            order_id=target.order_id,
            client_order_id=target.client_order_id,
            timestamp_ms=self._context.clock.now_ms(),
        )

    async def _as_amended(self, connection: Connection, target: Target) -> Target | None:
        """The same order by its order id, where its owner amended it at the exchange and it is open; else None.

        The exchange then knows it under another client order id, and has refused to cancel it by guardian's.
        """
        if target.row is None or target.row.order_id is None or target.order_id is not None:
            return None
        try:
            # Real time, as for the network that is waited for.
            async with asyncio.timeout(QUERY_TIMEOUT_S):
                report = await query_order(connection.exchange, target.row.sent)
        except (ExchangeError, CredentialsError, TimeoutError):
            return None
        if report is None or report.client_order_id == target.client_order_id or not target.is_meant(report):
            return None
        return replace(target, order_id=report.order_id, client_order_id=None)

    async def _after_refusal(
        self, connection: Connection, scope: Scope, target: Target, outcome: Outcome, error: ReplyError
    ) -> Reply:
        """The reply for a refused or unanswered cancel: the order is queried, and its state is included."""
        reply = Reply(outcome=outcome, error=error)
        try:
            # Real time, as for the network that is waited for.
            async with asyncio.timeout(QUERY_TIMEOUT_S):
                report = await self._query(connection, target)
        except (ExchangeError, CredentialsError, TimeoutError):
            return reply
        if report is None:
            return reply
        await self._record(scope, target, report)
        if not target.is_meant(report):
            return reply
        if report.state is OrderState.CANCELLED and outcome is Outcome.UNKNOWN:
            return self._cancelled(target, report)
        view = view_of_report(report, target.row)
        message = f"{error.message}; the order now: {note_on(view)}"
        return Reply(outcome=outcome, error=replace(error, message=message, client_order_id=view.client_order_id))

    async def _query(self, connection: Connection, target: Target) -> OrderReport | None:
        if target.row is not None:
            return await query_order(connection.exchange, target.row.sent)
        return await connection.exchange.order(
            target.symbol, order_id=target.order_id, client_order_id=target.client_order_id
        )

    async def _record(self, scope: Scope, target: Target, report: OrderReport) -> None:
        """Update the store from the report; where the store fails, the next poll of the order updates it."""
        if not target.has_store:
            return
        with suppress(StoreError):
            await self._context.journal.transact(
                lambda tx: _apply(tx, scope, target, report), patience_s=CANCEL_PATIENCE_S
            )

    def _cancelled(self, target: Target, report: OrderReport) -> Reply:
        view = view_of_report(report, target.row)
        return done(OrderCancelled(order=view, note=note_on(view)))


def _row_in_any_environment(tx: Transaction, target: Target) -> OrderRow | None:
    """The order with one of the ids; by its order id only where a single environment has it."""
    if target.client_order_id is not None:
        return tx.orders.get(target.client_order_id)
    return None if target.order_id is None else tx.orders.only_one_with_exchange_id(target.symbol, target.order_id)


async def _has_prefix(exchange: Exchange, request: CancelOrder) -> bool:
    """Whether the client order id has guardian's prefix; for an `order_id` alone the exchange is queried for it."""
    client_order_id = request.client_order_id
    if client_order_id is None:
        report = await exchange.order(request.symbol, order_id=request.order_id)
        is_asked = report is not None and (report.symbol, report.order_id) == (request.symbol, request.order_id)
        client_order_id = report.client_order_id if report is not None and is_asked else ""
    return client_order_id.startswith(CLIENT_ORDER_ID_PREFIX)


def _apply(tx: Transaction, scope: Scope, target: Target, report: OrderReport) -> None:
    """Update the order that the report is about, if it is guardian's."""
    row = row_of(tx, scope, report) if target.row is None else target.row
    if row is not None:
        apply_report(tx, row, report, began_ms=target.began_ms, asked_by_order_id=target.order_id is not None)


def _of_another_account(row: OrderRow) -> Reply:
    where = f"of another account of `{row.environment}` than the one that is reached now"
    message = f"the order is {where}; nothing was sent, and it may be open"
    hint = "store a key of that account, or name with `--policy` a policy of its exchange; or cancel it at the exchange"
    return refused(Code.REQUEST_REFUSED, message, hint=hint)


def _not_guardians() -> Reply:
    message = "guardian did not place this order, or there is no such order"
    hint = "the owner can cancel it at the exchange, or set `[tools] cancel_foreign = true`"
    return denied((Denial(code=Code.ORDER_NOT_GUARDIANS, message=message, hint=hint),))


def _unknown(target: Target, why: str) -> ReplyError:
    return ReplyError(
        code=Code.ORDER_UNKNOWN,
        message=f"the cancel may have been done: {why}",
        hint="look at the order with get_orders; cancelling it again does no harm",
        client_order_id=target.client_order_id if target.row is None else target.row.client_order_id,
    )
