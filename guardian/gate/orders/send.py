"""Sends a reserved order once, and records the result.

Whatever happens, the order then has a known state or is `unknown`; it is never sent again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from guardian.domain.codes import Code, Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.orders import OrderReport, fees_of
from guardian.domain.report_match import contradiction
from guardian.errors import (
    CredentialsError,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRejected,
    NotSent,
    OutcomeUnknown,
    RequestRefused,
)
from guardian.exchange.error_codes import NEW_ORDER_REJECTED
from guardian.gate.base.auto_halt import halt_on_rejects
from guardian.gate.base.calls import safe_traceback
from guardian.gate.base.context import GateContext
from guardian.gate.base.order_views import known_moment, note_on, view_of_report
from guardian.gate.base.outcomes import OutcomeWriter
from guardian.gate.base.replies import OrderPlaced, Reply, ReplyError, done, refused, rejection
from guardian.gate.orders.stages import Reserved
from guardian.gate.recovery.order_reports import record_contradiction
from guardian.store.database import Transaction

_log: Final = logging.getLogger("guardian.gate")

RETRY_PAUSES_S: Final = (0.25, 0.75, 1.5)
"""Seconds before each query of an order whose reply was lost; the background task polls it after these."""

QUERY_TIMEOUT_S: Final = 8.0
"""Maximum seconds for all of these queries and pauses together; then the call is answered with what is known."""

DUPLICATE_ORDER_TEXT: Final = "duplicate order"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """The result of sending an order: its state and the reply to the call."""

    state: OrderState
    reply: Reply
    report: OrderReport | None = None
    contradictions: tuple[tuple[OrderReport, str], ...] = ()
    """Reports that contradict the order, each with the reason; nothing of them is believed."""


class Sender:
    """Sends reserved orders and records the results."""

    def __init__(self, context: GateContext, outcomes: OutcomeWriter) -> None:
        self._context = context
        self._outcomes = outcomes

    async def send(self, reserved: Reserved) -> Reply:
        """Send the order, query it if the reply was lost, and record the outcome. Never raises GuardianError."""
        result = await self._send_once(reserved)
        if result.state is OrderState.UNKNOWN:
            result = await self._query_until_known(reserved, result)
            await self._context.connector.mark_disconnected()
        await self._outcomes.write_with_order(
            reserved.call,
            reserved.scope,
            result.reply,
            fields={"client_order_id": reserved.client_order_id, "state": result.state.value},
            symbol=reserved.order.symbol,
            update=lambda tx: _update_order(tx, reserved, result),
            meanwhile=None if reserved.call.on_sent is None else partial(reserved.call.on_sent, result.reply),
        )
        return result.reply

    async def _send_once(self, reserved: Reserved) -> SendResult:
        try:
            report = await reserved.exchange.place_order(
                reserved.order,
                client_order_id=reserved.client_order_id,
                timestamp_ms=reserved.sent_ms,
                slot=reserved.slot,
            )
            return _reported(reserved, report)
        except ExchangeRejected as error:
            # The refusal may contradict the kept list: the next order is judged on a new one.
            self._context.open_order_lists.forget(reserved.scope, reserved.order.symbol)
            return _rejected(reserved, error)
        except ExchangeRateLimited as error:
            reply = refused(Code.EXCHANGE_RATE_LIMIT, error.message, retry_after_s=error.retry_after_s)
            return SendResult(state=OrderState.NOT_PLACED, reply=reply)
        except (NotSent, RequestRefused, CredentialsError) as error:
            await self._context.connector.mark_disconnected()
            return SendResult(state=OrderState.NOT_PLACED, reply=not_sent(error))
        except OutcomeUnknown as error:
            return _unknown(reserved, error.message)
        except Exception as error:  # noqa: BLE001 - a fault after the send began must not hide that the order may exist
            result = _unknown(reserved, "guardian failed while the order was on its way")
            return replace(result, reply=replace(result.reply, detail=safe_traceback(error)))

    async def _query_until_known(self, reserved: Reserved, result: SendResult) -> SendResult:
        """Query the order by its client order id a few times: often only the reply was lost. Never raises."""
        monotonic, name = self._context.clock.monotonic, reserved.client_order_id
        ends = monotonic() + QUERY_TIMEOUT_S
        for pause in RETRY_PAUSES_S:
            if monotonic() + pause >= ends:
                break
            await self._context.clock.pause(pause)
            try:
                # Real time, whatever clock the remaining time was measured by: this waits for the network.
                async with asyncio.timeout(max(0.0, ends - monotonic())):
                    report = await reserved.exchange.order(reserved.order.symbol, client_order_id=name)
                found = None if report is None else _reported(reserved, report)
            except TimeoutError:
                break
            except (ExchangeError, CredentialsError):
                continue
            except Exception as error:  # noqa: BLE001 - a failed query says nothing about the order
                _log.warning("the query of an order failed: %s", safe_traceback(error))
                continue
            if found is not None:
                result = replace(found, contradictions=(*result.contradictions, *found.contradictions))
            if result.state is not OrderState.UNKNOWN:
                break
        return result


def _update_order(tx: Transaction, reserved: Reserved, result: SendResult) -> None:
    """Store the order's new state, and halt trading where the result says that something is wrong."""
    for report, why in result.contradictions:
        row = tx.orders.get(reserved.client_order_id)
        assert row is not None, "an order that was sent was reserved"
        record_contradiction(tx, row, report, why)
    tx.orders.move(
        reserved.client_order_id,
        result.state,
        report=result.report,
        fees=None if result.report is None or not result.report.fills else fees_of(result.report.fills),
    )
    if result.state is OrderState.REJECTED:
        halt_on_rejects(tx, reserved.scope, reserved.call.call_id)


def not_sent(error: ExchangeError | CredentialsError) -> Reply:
    """The reply for an order that never left this machine."""
    return refused(Code.ORDER_NOT_SENT, f"the order was not sent: {error.message}", hint=error.hint)


def _rejected(reserved: Reserved, error: ExchangeRejected) -> SendResult:
    # The client order id is derived from this intent: a duplicate means that this order exists.
    if error.code == NEW_ORDER_REJECTED and DUPLICATE_ORDER_TEXT in error.text.lower():
        return _unknown(reserved, "the exchange has an order with this id already")
    return SendResult(state=OrderState.REJECTED, reply=rejection(error))


def _unknown(reserved: Reserved, why: str) -> SendResult:
    error = ReplyError(
        code=Code.ORDER_UNKNOWN,
        message=f"the order may exist: {why}. It counts in full, is never sent again, and guardian keeps polling it",
        hint="do not place the order again; query it with get_orders and this client order id",
        client_order_id=reserved.client_order_id,
    )
    return SendResult(state=OrderState.UNKNOWN, reply=Reply(outcome=Outcome.UNKNOWN, error=error))


def _reported(reserved: Reserved, report: OrderReport) -> SendResult:
    why = contradiction(reserved.sent, report)
    if why is not None:
        result = _unknown(reserved, f"the exchange contradicts what was sent ({why}), and trading is halted")
        return replace(result, contradictions=((report, why),))
    if report.state is OrderState.UNKNOWN:
        return replace(_unknown(reserved, "the exchange gave it a status that guardian does not know"), report=report)
    if report.state is OrderState.REJECTED:
        error = ReplyError(
            code=Code.EXCHANGE_REJECTED,
            message="the exchange accepted the order and then rejected it, without a reason; nothing was filled",
            client_order_id=reserved.client_order_id,
        )
        return SendResult(state=report.state, reply=Reply(outcome=Outcome.REJECTED, error=error), report=report)
    view = replace(
        view_of_report(report),
        order_type=reserved.order.spec.order_type.value,
        placed_by="guardian",
        time=known_moment(reserved.sent_ms),
    )
    placed = OrderPlaced(order=view, already_placed=False, note=note_on(view))
    return SendResult(state=report.state, reply=done(placed), report=report)
