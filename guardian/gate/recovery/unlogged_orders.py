"""Orders with guardian's prefix at the exchange that the log lacks: they halt trading, and count from then on.

An older copy of the home was restored, or another home uses the account. Each order is added to the store with a log
row as its origin, dated to when the exchange created it, so that every window and count includes it. What it bought or
sold enters the ledger when the owner resumes: until then nobody has confirmed that it is guardian's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from guardian.domain.instruments import Instrument
from guardian.domain.money import ZERO, plain, round_up, times
from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX, OrderReport, OrderSide, OrderSpec, OrderType
from guardian.domain.report_match import SentOrder, contradiction
from guardian.errors import ExchangeError, ExchangeUnavailable, PolicyInvalid
from guardian.gate.base.auto_halt import halt
from guardian.gate.base.context import GateContext
from guardian.gate.base.facts import basis_of, gather_facts
from guardian.gate.base.order_events import append_event_once
from guardian.gate.recovery.order_reports import row_of
from guardian.policy.case import build_case
from guardian.policy.model import Policy
from guardian.store.database import Transaction
from guardian.store.schema.records import NewOrder, Scope, found_key

if TYPE_CHECKING:
    from guardian.exchange.exchange import Exchange

LOG_WAS_BEHIND: Final = "the log lacked orders of guardian's, and this one may have been among them"
_SENT_TYPES: Final = frozenset(kind.value for kind in OrderType)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuedOrder:
    """An order that the log lacks, with the most that it counts for: `notional` is in `currency`."""

    report: OrderReport
    instrument: Instrument
    spec: OrderSpec
    quote_notional: Decimal
    notional: Decimal
    currency: str


async def value_unlogged(
    context: GateContext, exchange: Exchange, scope: Scope, reports: Sequence[OrderReport]
) -> tuple[ValuedOrder, ...]:
    """Those of a symbol's reports that have guardian's prefix and no row in the log, and what each counts for.

    Raises ExchangeError: the symbol's trading rules or a valid amount are missing, so that it is unknown.
    """
    prefixed = tuple(report for report in reports if report.client_order_id.startswith(CLIENT_ORDER_ID_PREFIX))
    unlogged = await context.journal.transact(lambda tx: _unlogged(tx, scope, prefixed)) if prefixed else ()
    if not unlogged:
        return ()
    instruments = await exchange.instruments((unlogged[0].symbol,))
    return tuple([await _value(context, exchange, scope, report, instruments) for report in unlogged])


def _unlogged(tx: Transaction, scope: Scope, reports: Sequence[OrderReport]) -> tuple[OrderReport, ...]:
    return tuple(
        report
        for report in reports
        if tx.orders.get(report.client_order_id) is None and row_of(tx, scope, report) is None
    )


async def _value(
    context: GateContext, exchange: Exchange, scope: Scope, report: OrderReport, instruments: Mapping[str, Instrument]
) -> ValuedOrder:
    """The order with what it counts for at its own price, converted as a new order would be, else in its quote asset.

    Usage in another currency than the policy's is converted where it is counted; where that fails, orders are denied.
    """
    instrument = instruments.get(report.symbol)
    what = f"{report.symbol} is not listed" if instrument is None else _inconsistency(report, instrument)
    if instrument is None or what is not None:
        raise ExchangeUnavailable(f"what an order of guardian's that the log lacks counts for is unknown: {what}")
    price = max(report.price, report.stop_price or report.price)
    quote_notional = round_up(max(times(price, report.quantity), report.executed_quote_quantity or ZERO))
    spec = OrderSpec(
        symbol=report.symbol,
        side=OrderSide(report.side),
        order_type=OrderType(report.order_type) if report.order_type in _SENT_TYPES else OrderType.LIMIT,
        quantity=report.quantity,
        price=report.price,
        stop_price=report.stop_price,
    )
    notional, currency = quote_notional, instrument.quote_asset
    try:
        policy = context.policy_file.current().policy
    except PolicyInvalid:
        policy = None
    if policy is not None and policy.accounting.currency != currency:
        converted = await _converted(context, exchange, scope, spec, policy)
        if converted is not None:
            notional, currency = converted, policy.accounting.currency
    return ValuedOrder(
        report=report,
        instrument=instrument,
        spec=spec,
        quote_notional=quote_notional,
        notional=notional,
        currency=currency,
    )


def _inconsistency(report: OrderReport, instrument: Instrument) -> str | None:
    """Why nothing can be made of a report, held against the order that it describes itself; None where it can.

    It is all that is known of the order: entered by false terms, the order would contradict every later report.
    """
    if report.side not in {"BUY", "SELL"}:
        return report.flaw or "its side is not known"
    described = SentOrder(
        symbol=report.symbol,
        base_asset=instrument.base_asset,
        quote_asset=instrument.quote_asset,
        client_order_id=report.client_order_id,
        side=report.side,
        wire_type=report.order_type,
        quantity=report.quantity,
        price=report.price if report.price > 0 else None,
        stop_price=report.stop_price,
    )
    return contradiction(described, report)


async def _converted(
    context: GateContext, exchange: Exchange, scope: Scope, spec: OrderSpec, policy: Policy
) -> Decimal | None:
    """What the order counts for in the accounting currency now; None where no usable price is available."""
    basis = await context.journal.transact(lambda tx: basis_of(tx, scope))
    try:
        facts = await gather_facts(
            spec, policy, exchange, context.environment, basis, problems=(), confirmed=None, may_exit=True
        )
    except ExchangeError:
        return None
    facts = replace(facts, now_ms=context.clock.now_ms(), clock_ms=context.clock.now_ms())
    counted = build_case(replace(spec, order_type=OrderType.LIMIT, stop_price=None), facts, policy).counted
    return None if counted is None else counted.notional


def enter_unlogged(tx: Transaction, scope: Scope, orders: Sequence[ValuedOrder]) -> None:
    """Add orders that the log lacks, each with a log row, and halt trading. Raises StoreError.

    Every proposal ends as well: any of these orders may have used its token, and a token is used once.
    """
    entered = [order for order in orders if tx.orders.get(order.report.client_order_id) is None]
    for order in entered:
        report = order.report
        body = {
            "kind": "order_not_in_log",
            "client_order_id": report.client_order_id,
            "report": report,
            "notional": order.notional,
            "currency": order.currency,
        }
        append_event_once(tx, scope, found_key(scope.environment, report.client_order_id), report.symbol, body)
        tx.orders.enter_found(_new_order(tx, scope, order), report)
    if entered:
        first = entered[0].report
        count = "an order" if len(entered) == 1 else f"{len(entered)} orders"
        reason = (
            f"the exchange has {count} of guardian's that this log lacks ({first.symbol} {first.client_order_id}, "
            f"{first.side} {plain(first.quantity)}): an older copy of the home was put back, its log was lost, or "
            "another home uses this account"
        )
        halt(tx, scope, "not_in_log", reason)
        for proposal in tx.proposals.outstanding(scope):
            tx.proposals.burn(proposal.id, LOG_WAS_BEHIND)


def _new_order(tx: Transaction, scope: Scope, order: ValuedOrder) -> NewOrder:
    report = order.report
    created_ms = min(tx.clock_ms if report.created_ms is None else report.created_ms, tx.now_ms)
    return NewOrder(
        client_order_id=report.client_order_id,
        environment=scope.environment,
        account=scope.account,
        call_id=None,
        symbol=report.symbol,
        base_asset=order.instrument.base_asset,
        quote_asset=order.instrument.quote_asset,
        side=report.side,
        order_type=report.order_type,
        wire_type=report.order_type,
        time_in_force=report.time_in_force,
        price=report.price if report.price > 0 else None,
        stop_price=report.stop_price,
        quantity=report.quantity,
        fingerprint=order.spec.fingerprint,
        notional=order.notional,
        quote_notional=order.quote_notional,
        currency=order.currency,
        reserved_ms=created_ms,
        sent_ms=created_ms,
    )
