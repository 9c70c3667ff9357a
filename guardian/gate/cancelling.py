"""`cancel_order`: never refused for lack of a budget, a policy file or a log. It takes risk away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from guardian.domain.codes import Code, Outcome
from guardian.domain.orders import OrderReport, OrderState
from guardian.domain.requests import CancelOrder
from guardian.domain.trading import CLIENT_ORDER_ID_PREFIX
from guardian.errors import (
    CredentialsError,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRejected,
    OutcomeUnknown,
    StoreError,
)
from guardian.gate.calls import CallInfo
from guardian.gate.connection import Connection
from guardian.gate.events import note_found
from guardian.gate.faults import told
from guardian.gate.journal import CANCEL_PATIENCE_S
from guardian.gate.parts import Parts
from guardian.gate.replies import OrderCancelled, Reply, ReplyError, denied, done, refused
from guardian.gate.sending import QUESTIONS_S, rejected_because
from guardian.gate.unbroken import unbroken
from guardian.gate.views import note_on, view_of_report
from guardian.policy.verdict import Denial
from guardian.store.records import OrderRow, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The order to cancel: by its ids, and what the store knows of it."""

    symbol: str
    order_id: int | None
    client_order_id: str | None
    row: OrderRow | None
    has_store: bool
    """False where the store did not answer in time: then it is not asked again."""


class OrderCanceller:
    """Cancels guardian's own orders; others only where the policy says so."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def cancel(self, call: CallInfo, request: CancelOrder, *, cancel_foreign: bool) -> Reply:
        """One `cancel_order`. Raises CredentialsError, and ExchangeError from the read of an `order_id` alone."""
        connection = await self._parts.connector.connect(needs_keys=True)
        scope = Scope(environment=self._parts.environment.value, account=connection.account)
        # Where the call could not be written the store is not waited for a second time.
        row, has_store = None, call.logged
        if has_store:
            row, has_store = await self._parts.journal.run(lambda: self._known(scope, request), is_first=True)
        target = Target(
            symbol=request.symbol,
            order_id=request.order_id,
            client_order_id=request.client_order_id,
            row=row,
            has_store=has_store,
        )
        if row is not None:
            # Order ids start anew where a testnet is wiped: by its own id no order of somebody else's is cancelled.
            target = replace(target, order_id=None, client_order_id=row.client_order_id)
        if row is None and not cancel_foreign and not await self._is_ours(connection, request):
            message = "guardian did not place this order, or there is no such order"
            hint = "the owner can cancel it at the exchange, or set `[tools] cancel_foreign = true`"
            return denied((Denial(code=Code.ORDER_NOT_GUARDIANS, message=message, hint=hint),))
        return await unbroken(self._send(connection, scope, target))

    def _known(self, scope: Scope, request: CancelOrder) -> tuple[OrderRow | None, bool]:
        """What the store knows, and whether it could be read in time, for a cancel does not wait for the store."""
        try:
            with self._parts.journal.transaction(patience_s=CANCEL_PATIENCE_S) as tx:
                if request.client_order_id is not None:
                    row = tx.order(request.client_order_id)
                elif request.order_id is not None:
                    row = tx.order_by_exchange_id(scope, request.symbol, request.order_id)
                else:
                    row = None
        except StoreError:
            return None, False
        return (row if row is not None and row.environment == scope.environment else None), True

    async def _is_ours(self, connection: Connection, request: CancelOrder) -> bool:
        """Failing the store: guardian's own mark on the id, for which an `order_id` alone costs one read."""
        client_order_id = request.client_order_id
        if client_order_id is None:
            report = await connection.exchange.order(request.symbol, order_id=request.order_id)
            client_order_id = "" if report is None else report.client_order_id
        return client_order_id.startswith(CLIENT_ORDER_ID_PREFIX)

    async def _send(self, connection: Connection, scope: Scope, target: Target) -> Reply:
        try:
            report = await connection.exchange.cancel_order(
                target.symbol,
                order_id=target.order_id,
                client_order_id=target.client_order_id,
                timestamp_ms=self._parts.now_ms(),
            )
        except ExchangeRejected as error:
            return await self._after_refusal(connection, scope, target, Outcome.REJECTED, rejected_because(error))
        except ExchangeRateLimited as error:
            return refused(Code.EXCHANGE_RATE_LIMIT, error.message, retry_after_s=error.retry_after_s)
        except OutcomeUnknown as error:
            unknown = _unknown(target, error.message)
            return await self._after_refusal(connection, scope, target, Outcome.UNKNOWN, unknown)
        except (ExchangeError, CredentialsError) as error:
            await self._parts.connector.lost()
            return refused(Code.ORDER_NOT_SENT, f"the cancel was not sent: {error.message}", hint=error.hint)
        except Exception as error:  # noqa: BLE001 - a fault behind the sending must not hide that it may have been done
            unknown = _unknown(target, "guardian failed while the cancel was on its way")
            reply = await self._after_refusal(connection, scope, target, Outcome.UNKNOWN, unknown)
            return replace(reply, detail=told(error))
        await self._learn(scope, target, report)
        return self._cancelled(target, report)

    async def _after_refusal(
        self, connection: Connection, scope: Scope, target: Target, outcome: Outcome, error: ReplyError
    ) -> Reply:
        """The exchange would not, or its reply was lost: ask how the order stands, and say that."""
        reply = Reply(outcome=outcome, error=error)
        try:
            # Real time, as for the network that is waited for.
            async with asyncio.timeout(QUESTIONS_S):
                report = await connection.exchange.order(
                    target.symbol, order_id=target.order_id, client_order_id=target.client_order_id
                )
        except (ExchangeError, CredentialsError, TimeoutError):
            return reply
        if report is None:
            return reply
        await self._learn(scope, target, report)
        if report.state is OrderState.CANCELLED and outcome is Outcome.UNKNOWN:
            return self._cancelled(target, report)
        note = note_on(view_of_report(report, target.row))
        message = f"{error.message}; the order now: {note}"
        return Reply(outcome=outcome, error=replace(error, message=message, client_order_id=report.client_order_id))

    async def _learn(self, scope: Scope, target: Target, report: OrderReport) -> None:
        if target.has_store:
            await self._parts.journal.run(lambda: self._note(scope, target, report), is_first=True)

    def _note(self, scope: Scope, target: Target, report: OrderReport) -> None:
        """Bring the store up to what the exchange says; a store that fails now learns it when it asks again."""
        try:
            with self._parts.journal.transaction(patience_s=CANCEL_PATIENCE_S) as tx:
                row = tx.order(report.client_order_id) if target.row is None else target.row
                if row is not None and row.environment == scope.environment:
                    note_found(tx, scope, row, report.state, report)
        except StoreError:
            return

    def _cancelled(self, target: Target, report: OrderReport) -> Reply:
        view = view_of_report(report, target.row)
        return done(OrderCancelled(order=view, note=note_on(view)))


def _unknown(target: Target, why: str) -> ReplyError:
    return ReplyError(
        code=Code.ORDER_UNKNOWN,
        message=f"the cancel may have been done: {why}",
        hint="look at the order with get_orders; cancelling it again does no harm",
        client_order_id=target.client_order_id if target.row is None else target.row.client_order_id,
    )
