"""Puts together what guardian knows: on the facts of a judged order, or from the store alone.

Everything is read in the transaction that is open anyway; nothing is asked of the exchange.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from guardian.domain.money import ZERO
from guardian.domain.orders import OrderSpec
from guardian.domain.trading import TradingState
from guardian.gate.base.journal import Journal
from guardian.gate.base.replies import HeldPosition, Situation, WaitingOrder
from guardian.gate.situation.headroom import CapLeft, caps_of_order, frees, full_windows, global_caps, in_words
from guardian.gate.situation.selling import sold_in_case, unsold
from guardian.policy.case import build_case
from guardian.policy.facts import Facts
from guardian.policy.model import Policy
from guardian.store.database import Transaction
from guardian.store.schema.records import Scope

ENDS: Final = "the owner runs `guardian resume`"


def situation_of_order(
    tx: Transaction,
    journal: Journal,
    scope: Scope,
    spec: OrderSpec,
    facts: Facts,
    policy: Policy,
    waiting: tuple[WaitingOrder, ...],
) -> Situation:
    """The situation of an order that was judged on these facts. Raises StoreError."""
    case = build_case(spec, facts, policy)
    caps = caps_of_order(case)
    needed = None if case.counted is None else case.counted.notional
    base = None if case.instrument is None else case.instrument.base_asset
    return Situation(
        trading=_trading(tx, journal),
        positions=tuple(
            sold_in_case(case, asset, held) if asset == base else unsold(asset, held)
            for asset, held in held_assets(tx, scope).items()
        ),
        currency=policy.accounting.currency,
        headroom=in_words(caps),
        frees=frees(tx, scope, full_windows(policy, caps, needed)),
        waiting=waiting,
    )


def situation_of_store(
    tx: Transaction,
    journal: Journal,
    scope: Scope,
    policy: Policy,
    waiting: tuple[WaitingOrder, ...],
    *,
    positions: Mapping[str, HeldPosition] | None = None,
    more_caps: Mapping[str, CapLeft] | None = None,
) -> Situation:
    """The situation as the store alone knows it, for what was not judged on facts of the exchange.

    `positions` are those of which more is known, by asset, and `more_caps` come before the global ones. Raises
    StoreError.
    """
    known = positions or {}
    usage = tx.usage.status(scope, policy.limits, policy.accounting.currency)
    # What was neither held nor traded has lost nothing; any other loss needs prices.
    loss = None if tx.ledger.traded(scope) else ZERO
    caps = {**(more_caps or {}), **global_caps(policy, usage, loss)}
    return Situation(
        trading=_trading(tx, journal),
        positions=tuple(known.get(asset) or unsold(asset, held) for asset, held in held_assets(tx, scope).items()),
        currency=policy.accounting.currency,
        headroom=in_words(caps),
        frees=frees(tx, scope, full_windows(policy, caps, None)),
        waiting=waiting,
    )


def situation_without_account(tx: Transaction, journal: Journal) -> Situation:
    """The situation where no account is known: the trading state alone."""
    trading = _trading(tx, journal)
    return Situation(trading=trading, positions=None, currency=None, headroom={}, frees={}, waiting=None)


def held_assets(tx: Transaction, scope: Scope) -> dict[str, Decimal]:
    """What guardian bought and has not sold, by asset, where that is above zero. Raises StoreError."""
    return {asset: held for asset, held in tx.ledger.positions(scope).items() if held > 0}


def _trading(tx: Transaction, journal: Journal) -> str:
    """The trading state as this transaction has it, a halt by the emergency file among it."""
    state, reason = journal.trading(tx)
    if state is TradingState.ACTIVE:
        return state.value
    return f"{state.value}: {reason or 'no reason was given'}; {ENDS}"
