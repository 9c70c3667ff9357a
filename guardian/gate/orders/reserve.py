"""Reserves an order: its intent row and its order row are on disk, and it counts, before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from guardian.connector import Connection
from guardian.domain.instruments import Instrument
from guardian.domain.orders import OrderSpec
from guardian.domain.requests import CreateOrder
from guardian.gate.base.calls import CallInfo, plain_record
from guardian.gate.base.policy_file import PolicyInForce
from guardian.gate.orders.costed import CostedOrder
from guardian.gate.orders.send import Reserved
from guardian.policy.model import Policy
from guardian.store.database import Transaction
from guardian.store.log.encoding import client_order_id
from guardian.store.schema.records import NewOrder, Phase, Proposal, Record, Scope


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


def reserve(
    tx: Transaction,
    order: PendingOrder,
    costs: CostedOrder,
    instrument: Instrument,
    judgement: Mapping[str, object],
    *,
    sent_ms: int,
) -> Reserved:
    """Write the intent and the reservation; with the commit the order counts, and may be sent once.

    `sent_ms` is the wall clock in ms since the epoch, the timestamp that the order is sent with. Raises StoreError.
    """
    proposal_id = None if order.proposal is None else order.proposal.id
    body = {
        "order": costs.order.as_dict(),
        "asked": order.spec.as_dict(),
        "timestamp": str(sent_ms),
        "policy": order.policy.digest,
        "proposal": proposal_id,
        "judged": judgement,
    }
    entry = tx.audit.append(
        Record(
            phase=Phase.INTENT,
            call_id=order.call.call_id,
            tool=CreateOrder.tool,
            symbol=order.spec.symbol,
            environment=order.scope.environment,
            account=order.scope.account,
            body=plain_record(body),
        )
    )
    name = client_order_id(bytes.fromhex(entry.digest))
    tx.orders.reserve(new_order(order, costs, instrument, name, sent_ms=sent_ms, reserved_ms=tx.now_ms))
    if proposal_id is not None:
        tx.proposals.redeem(proposal_id, name)
    return Reserved(
        call=order.call,
        scope=order.scope,
        exchange=order.connection.exchange,
        order=costs.order,
        base_asset=instrument.base_asset,
        quote_asset=instrument.quote_asset,
        client_order_id=name,
        sent_ms=sent_ms,
    )


def new_order(
    order: PendingOrder,
    costs: CostedOrder,
    instrument: Instrument,
    name: str,
    *,
    sent_ms: int,
    reserved_ms: int,
) -> NewOrder:
    """The row of a reservation; `name` is its client order id, `reserved_ms` is window time."""
    spec, resolved = order.spec, costs.order
    return NewOrder(
        client_order_id=name,
        environment=order.scope.environment,
        account=order.scope.account,
        call_id=order.call.call_id,
        proposal_id=None if order.proposal is None else order.proposal.id,
        symbol=spec.symbol,
        base_asset=instrument.base_asset,
        quote_asset=instrument.quote_asset,
        side=spec.side.value,
        order_type=spec.order_type.value,
        wire_type=resolved.wire_type.value,
        time_in_force=None if resolved.time_in_force is None else resolved.time_in_force.value,
        price=resolved.price,
        stop_price=resolved.stop_price,
        quantity=resolved.quantity,
        quote_quantity=spec.quote_quantity,
        fingerprint=spec.fingerprint,
        notional=costs.notional,
        quote_notional=costs.quote_notional,
        currency=order.policy.accounting.currency,
        is_exit=costs.is_exit,
        confirmed=order.proposal is not None and order.proposal.approved_ms is not None,
        reserved_ms=reserved_ms,
        sent_ms=sent_ms,
    )
