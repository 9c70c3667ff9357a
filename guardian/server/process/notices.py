"""What a person should know of a call that was answered: one line each, which clients show as the server's log.

A line has the order and what is to be typed next. It has no token, no key, no account and no text of the exchange's.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from guardian.domain.codes import Code, Outcome
from guardian.domain.money import plain
from guardian.domain.requests import CancelOrder, CreateOrder, GetBalance
from guardian.gate.base.replies import OrderCancelled, OrderPlaced, OrderProposed, OrderView, ProposalWithdrawn, Reply
from guardian.gate.orders.proposal_views import money_line
from guardian.server.process.stderr_log import NOTICES
from guardian.system.typed_command import as_typed

_log: Final = logging.getLogger(NOTICES)
_ORDER_TOOLS: Final = frozenset({CreateOrder.tool, CancelOrder.tool})
_WITH_KEYS: Final = _ORDER_TOOLS | {GetBalance.tool}
_LASTING: Final = {
    Code.KEYRING_UNAVAILABLE: "the keyring",
    Code.CREDENTIALS_MISSING: "the keys",
    Code.LOG_UNAVAILABLE: "the log",
    Code.LOG_LOST: "the log",
}
"""What stays as it is from call to call until a person does something: it is said once."""


def notice(text: str, kind: str) -> None:
    """Says a line about something; `kind` names what a flood of such lines is about. Never waits and never raises."""
    _log.info("%s", as_typed(text), extra={"kind": kind})


@dataclass(slots=True)
class CallNotices:
    """The lines about calls, with what was said already."""

    _said: set[str] = field(default_factory=set)

    def answered(self, tool: str, reply: Reply, call_id: str | None) -> None:
        """Says the line about this reply, where there is one."""
        lasting = None if reply.error is None else _LASTING.get(reply.error.code)
        if lasting is not None:
            if lasting not in self._said and reply.error is not None:
                notice(f"{lasting}: {reply.error.message}{_hint(reply)}", "what is missing")
            self._said.add(lasting)
            return
        if reply.outcome is Outcome.DONE:
            # What works again and fails later is said again; of the keys a price, for one, says nothing.
            self._said.discard("the log")
            if tool in _WITH_KEYS:
                self._said.clear()
        if tool in _ORDER_TOOLS or reply.outcome is Outcome.FAILED:
            line = line_of(tool, reply, call_id)
            if line is not None:
                notice(*line)


def line_of(tool: str, reply: Reply, call_id: str | None) -> tuple[str, str] | None:
    """Returns the line about the reply to an order or a cancel, and its kind; None where there is nothing to say."""
    data, error = reply.data, reply.error
    if isinstance(data, OrderProposed):
        return _proposed(data)
    if isinstance(data, OrderPlaced):
        said = None if data.already_placed else (f"order {data.order.state}: {order_text(data.order)}", "orders")
        return said if reply.outcome is not Outcome.UNKNOWN else _unknown(data.order)
    if isinstance(data, OrderCancelled):
        return f"order {data.order.state}: {order_text(data.order)}", "orders"
    if isinstance(data, ProposalWithdrawn):
        return f"proposal {data.proposal_id} withdrawn by the assistant", "proposals"
    if error is None:
        return None
    what = "order" if tool == CreateOrder.tool else "cancel"
    show = f"`guardian audit show {call_id or 'last'}`"
    return {
        Outcome.FAILED: (f"{tool} failed by a fault of guardian's; {show}", "faults"),
        Outcome.UNKNOWN: (f"{what} with an unknown outcome: {error.message}", "orders"),
        Outcome.REJECTED: (f"{what} rejected by the exchange: {error.message}", "orders"),
        Outcome.DENIED: (f"{what} denied: {error.message} ({error.code.name}; {show})", "denials"),
    }.get(reply.outcome)


def order_text(order: OrderView) -> str:
    """Returns `BUY 0.001 BTCUSDT at 60600 (g1-...), 0.001 executed at 60590`."""
    price = "" if order.price is None else f" at {plain(order.price)}"
    executed = ""
    if order.executed_quantity > 0:
        average = "" if order.average_price is None else f" at {plain(order.average_price)}"
        executed = f", {plain(order.executed_quantity)} executed{average}"
    return f"{order.side} {plain(order.quantity)} {order.symbol}{price} ({order.client_order_id}){executed}"


def _proposed(proposal: OrderProposed) -> tuple[str, str] | None:
    if proposal.state != "waiting":
        return None
    order = proposal.order
    what = f"{order.side} {plain(order.quantity)} {order.symbol} at {plain(order.price)}, {money_line(order)}"
    waits = f"it waits {proposal.left_s // 60} min for `guardian approve {proposal.proposal_id}`"
    return f"order proposed: {what}; {waits}", "proposals"


def _unknown(order: OrderView) -> tuple[str, str]:
    return f"order with an unknown outcome: {order_text(order)}; the exchange is asked until it is known", "orders"


def _hint(reply: Reply) -> str:
    hint = None if reply.error is None else reply.error.hint
    return "" if hint is None else f"; {hint}"
