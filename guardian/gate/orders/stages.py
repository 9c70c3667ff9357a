"""What an order is at each stage of `create_order`, and what each step returns.

`PendingOrder` is requested and not judged; `CostedOrder` was not denied; `Reserved` is on disk and counts, and is sent
once. A step returns `Answered` where the call has its reply, `FactsOutdated` where the facts are to be fetched again,
and `ReadyToSend` where the order is reserved.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from guardian.domain.orders import OrderSpec, ResolvedOrder
from guardian.domain.report_match import SentOrder
from guardian.gate.base.calls import CallInfo
from guardian.gate.base.policy_file import PolicyInForce
from guardian.gate.base.replies import Reply
from guardian.policy.model import Policy
from guardian.policy.verdict import Verdict
from guardian.store.schema.records import Proposal, Scope

if TYPE_CHECKING:
    from guardian.connector import Connection
    from guardian.exchange.exchange import Exchange
    from guardian.exchange.limits.rate_limits import Slot
    from guardian.gate.base.facts import Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingOrder:
    """An order on its way through the gate, with the one snapshot of the policy that it is judged by."""

    call: CallInfo
    spec: OrderSpec
    connection: Connection
    scope: Scope
    in_force: PolicyInForce
    proposal: Proposal | None = None
    """The proposal whose token is redeemed."""
    may_exit: bool = False
    """Whether the order can be an exit; looked up only where that decides whether it is judged at all."""

    @property
    def policy(self) -> Policy:
        """The policy of this call."""
        return self.in_force.policy

    @property
    def calls(self) -> int:
        """Number of calls within the last minute, this one included."""
        return self.call.calls_last_minute

    @property
    def max_calls(self) -> int:
        """The call budget of a minute."""
        return self.policy.limits.max_calls_per_minute

    @property
    def is_over_call_budget(self) -> bool:
        """Whether the call is denied for the call budget; an order that may be an exit never is."""
        return self.calls > self.max_calls and not self.may_exit


@dataclass(frozen=True, slots=True, kw_only=True)
class CostedOrder:
    """The order to send, and the most that it counts for, in the accounting currency and in the quote asset."""

    order: ResolvedOrder
    notional: Decimal
    quote_notional: Decimal
    is_exit: bool
    mandate_id: str | None = None
    """The session mandate that it is sent under, if it is."""


def costed_order(verdict: Verdict) -> CostedOrder:
    """The order of a verdict that did not deny.

    Raises:
        RuntimeError: it has no order or no cost. The engine lets no such verdict out; nothing is reserved on one.
    """
    order, notional, quote_notional = verdict.order, verdict.notional, verdict.quote_notional
    if order is None or notional is None or quote_notional is None:
        raise RuntimeError("an order that was not denied has no price")
    return CostedOrder(
        order=order,
        notional=notional,
        quote_notional=quote_notional,
        is_exit=verdict.is_exit,
        mandate_id=verdict.mandate_id,
    )


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
    """The slot in the exchange's rate limits that is taken for it."""

    @property
    def sent(self) -> SentOrder:
        """The order as it is sent, to compare reports with."""
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


@dataclass(frozen=True, slots=True)
class Answered:
    """The call has its reply; nothing more is to be done."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class FactsOutdated:
    """The facts are to be fetched again, on this basis."""

    basis: Basis


@dataclass(frozen=True, slots=True)
class ReadyToSend:
    """The order is reserved; `Sender.send` is next."""

    reserved: Reserved
