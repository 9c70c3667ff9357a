"""Sending a reserved order, once, and writing down what became of it.

Whatever happens here, the order is either known or `unknown`; it is never sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from guardian.domain.codes import Code, Outcome
from guardian.domain.order_states import OrderState
from guardian.domain.orders import OrderReport, ResolvedOrder, fees_of
from guardian.domain.report_match import SentOrder, contradiction
from guardian.errors import (
    CredentialsError,
    ExchangeError,
    ExchangeRateLimited,
    ExchangeRejected,
    NotSent,
    OutcomeUnknown,
    RequestRefused,
)
from guardian.exchange.exchange import Exchange
from guardian.exchange.limits.rate_limits import Slot
from guardian.gate.base.auto_halt import halt_on_rejects
from guardian.gate.base.calls import CallInfo, reply_body
from guardian.gate.base.context import GateContext
from guardian.gate.base.fault_report import safe_traceback
from guardian.gate.base.order_views import known_moment, note_on, view_of_report
from guardian.gate.base.replies import OrderPlaced, Reply, ReplyError, done, refused
from guardian.gate.recovery.order_reports import record_contradiction
from guardian.store.schema.records import Phase, Record, Scope

_log: Final = logging.getLogger("guardian.gate")

RETRY_PAUSES_S: Final = (0.25, 0.75, 1.5)
"""Pauses before asking for an order whose reply was lost; the background goes on asking after these."""

QUERY_TIMEOUT_S: Final = 8.0
"""For all of them together, pauses included: what is known by then is answered."""

DUPLICATE_ORDER_CODE: Final = -2010
DUPLICATE_ORDER_TEXT: Final = "duplicate order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """An order that is on disk and counted, and may be sent once."""

    call: CallInfo
    scope: Scope
    exchange: Exchange
    order: ResolvedOrder
    base_asset: str
    quote_asset: str
    client_order_id: str
    sent_ms: int
    slot: Slot | None = None
    """The place in the exchange's limits that was taken for it."""

    @property
    def sent(self) -> SentOrder:
        """The order as it is sent, to hold a report against."""
        return SentOrder(
            symbol=self.order.symbol,
            base_asset=self.base_asset,
            quote_asset=self.quote_asset,
            client_order_id=self.client_order_id,
            side=self.order.side.value,
            wire_type=self.order.wire_type.value,
            quantity=self.order.quantity,
            price=self.order.price,
            stop_price=self.order.stop_price,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a reserved order."""

    state: OrderState
    reply: Reply
    report: OrderReport | None = None
    impossible: tuple[tuple[OrderReport, str], ...] = ()
    """Reports that contradict the order, and why; nothing of them is believed."""


class Sender:
    """Sends reserved orders and records what became of them."""

    def __init__(self, context: GateContext) -> None:
        self._context = context
        self.recorded: set[str] = set()
        """Calls whose outcome row was written here, so that it is not written again when the call is closed."""

    async def send(self, reserved: Reserved) -> Reply:
        """Send it, ask for it if the reply was lost, and write the outcome row. Never raises for what can happen."""
        sent = await self._try(reserved)
        if sent.state is OrderState.UNKNOWN:
            sent = await self._ask_soon(reserved, sent)
            await self._context.connector.mark_disconnected()
        await self._context.journal.run(lambda: self._record(reserved, sent))
        return sent.reply

    async def _try(self, reserved: Reserved) -> Sent:
        try:
            report = await reserved.exchange.place_order(
                reserved.order,
                client_order_id=reserved.client_order_id,
                timestamp_ms=reserved.sent_ms,
                slot=reserved.slot,
            )
            return _reported(reserved, report)
        except ExchangeRejected as error:
            # The refusal may contradict the kept list: the next order is judged on a list of now.
            self._context.open_order_lists.forget(reserved.scope, reserved.order.symbol)
            return _rejected(reserved, error)
        except ExchangeRateLimited as error:
            reply = refused(Code.EXCHANGE_RATE_LIMIT, error.message, retry_after_s=error.retry_after_s)
            return Sent(state=OrderState.NOT_PLACED, reply=reply)
        except (NotSent, RequestRefused, CredentialsError) as error:
            await self._context.connector.mark_disconnected()
            return Sent(state=OrderState.NOT_PLACED, reply=not_sent(error))
        except OutcomeUnknown as error:
            return _unknown(reserved, error.message)
        except Exception as error:  # noqa: BLE001 - a fault after the send began must not hide that the order may exist
            sent = _unknown(reserved, "guardian failed while the order was on its way")
            return replace(sent, reply=replace(sent.reply, detail=safe_traceback(error)))

    async def _ask_soon(self, reserved: Reserved, sent: Sent) -> Sent:
        """A lost reply is often only that: ask by client order id a few times before answering `unknown`."""
        monotonic, name = self._context.monotonic, reserved.client_order_id
        ends = monotonic() + QUERY_TIMEOUT_S
        for pause in RETRY_PAUSES_S:
            if monotonic() + pause >= ends:
                break
            await self._context.pause(pause)
            try:
                # Real time for what is left, whatever clock that was read from: what is waited for is the network.
                async with asyncio.timeout(max(0.0, ends - monotonic())):
                    report = await reserved.exchange.order(reserved.order.symbol, client_order_id=name)
                found = None if report is None else _reported(reserved, report)
            except TimeoutError:
                break
            except (ExchangeError, CredentialsError):
                continue
            except Exception as error:  # noqa: BLE001 - as above: that asking failed says nothing about the order
                _log.warning("asking for an order failed: %s", safe_traceback(error))
                continue
            if found is not None:
                sent = replace(found, impossible=(*sent.impossible, *found.impossible))
            if sent.state is not OrderState.UNKNOWN:
                break
        return sent

    def _record(self, reserved: Reserved, sent: Sent) -> None:
        """The outcome row and the order's new state, in one transaction; failing that, the emergency file."""
        journal = self._context.journal
        body: dict[str, object] = {"client_order_id": reserved.client_order_id, "state": sent.state.value}
        try:
            with journal.transaction() as tx:
                tx.audit.append(outcome_record(reserved.call, reserved.scope, sent.reply, body))
                for report, why in sent.impossible:
                    row = tx.orders.get(reserved.client_order_id)
                    assert row is not None, "an order that was sent was reserved"
                    record_contradiction(tx, row, report, why)
                tx.orders.move(
                    reserved.client_order_id,
                    sent.state,
                    report=sent.report,
                    fees=None if sent.report is None or not sent.report.fills else fees_of(sent.report.fills),
                )
                if sent.state is OrderState.REJECTED:
                    halt_on_rejects(tx, reserved.scope, reserved.call.call_id)
        except Exception as error:  # noqa: BLE001 - whatever the reason: an order was sent and its outcome is not on disk
            # Trading stops here, in every process, until the row has found its way into the log.
            call, outcome = reserved.call, sent.reply.outcome.value
            fields = {"kind": "outcome", "call_id": call.call_id, "symbol": reserved.order.symbol, "outcome": outcome}
            journal.note_emergency({**fields, **body, "why": safe_traceback(error)})
            return
        self.recorded.add(reserved.call.call_id)
        journal.anchor()


def outcome_record(call: CallInfo, scope: Scope | None, reply: Reply, extra: Mapping[str, object]) -> Record:
    """The outcome row of a call."""
    return Record(
        phase=Phase.OUTCOME,
        call_id=call.call_id,
        tool=call.tool,
        symbol=call.symbol,
        outcome=reply.outcome.value,
        environment=None if scope is None else scope.environment,
        account=None if scope is None else scope.account,
        body={**reply_body(reply), **{name: str(value) for name, value in extra.items()}},
    )


def not_sent(error: ExchangeError | CredentialsError) -> Reply:
    """It never left this machine."""
    return refused(Code.ORDER_NOT_SENT, f"the order was not sent: {error.message}", hint=error.hint)


def rejection(error: ExchangeRejected) -> Reply:
    """The exchange said no; its words stand in a field of their own."""
    return Reply(outcome=Outcome.REJECTED, error=rejected_because(error))


def rejected_because(error: ExchangeRejected) -> ReplyError:
    """Why the exchange said no."""
    return ReplyError(
        code=Code.EXCHANGE_REJECTED,
        message=error.message,
        hint=error.hint,
        exchange_code=error.code,
        exchange_text=error.text,
    )


def _rejected(reserved: Reserved, error: ExchangeRejected) -> Sent:
    # The id is made of this very intent: that it exists already means that this order is there.
    if error.code == DUPLICATE_ORDER_CODE and DUPLICATE_ORDER_TEXT in error.text.lower():
        return _unknown(reserved, "the exchange has an order with this id already")
    return Sent(state=OrderState.REJECTED, reply=rejection(error))


def _unknown(reserved: Reserved, why: str) -> Sent:
    error = ReplyError(
        code=Code.ORDER_UNKNOWN,
        message=f"the order may exist: {why}. It counts in full, is never sent again, and guardian keeps asking for it",
        hint="do not ask for the order again; look with get_orders and this client order id",
        client_order_id=reserved.client_order_id,
    )
    return Sent(state=OrderState.UNKNOWN, reply=Reply(outcome=Outcome.UNKNOWN, error=error))


def _reported(reserved: Reserved, report: OrderReport) -> Sent:
    why = contradiction(reserved.sent, report)
    if why is not None:
        sent = _unknown(reserved, f"the exchange contradicts what was sent ({why}), and trading is halted")
        return replace(sent, impossible=((report, why),))
    if report.state is OrderState.UNKNOWN:
        return replace(_unknown(reserved, "the exchange gave it a status that guardian does not know"), report=report)
    if report.state is OrderState.REJECTED:
        error = ReplyError(
            code=Code.EXCHANGE_REJECTED,
            message="the exchange took the order in and then rejected it, without a reason; nothing was filled",
            client_order_id=reserved.client_order_id,
        )
        return Sent(state=report.state, reply=Reply(outcome=Outcome.REJECTED, error=error), report=report)
    view = replace(
        view_of_report(report),
        order_type=reserved.order.spec.order_type.value,
        placed_by="guardian",
        time=known_moment(reserved.sent_ms),
    )
    placed = OrderPlaced(order=view, already_placed=False, note=note_on(view))
    return Sent(state=report.state, reply=done(placed), report=report)
