"""The status summary and the policy view as they are shown to the assistant and the owner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from guardian.domain.milliseconds import duration_text
from guardian.domain.money import ZERO, minus
from guardian.gate.base.order_views import iso
from guardian.gate.base.policy_file import WaitingPolicy
from guardian.gate.base.replies import MandateView, OrderProposed, OrderView
from guardian.policy.model import Limits, Policy
from guardian.store.schema.records import StatusUsage

if TYPE_CHECKING:
    from guardian.gate.reads.selling_back import SellBack


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One limit over time: what it allows, what is used, what is left."""

    limit: str
    window: str | None
    maximum: Decimal
    used: Decimal | None
    """None where orders count that were judged in another currency and have no worth in this one."""
    left: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolView:
    """What the policy allows for one symbol."""

    symbol: str
    max_notional: Decimal
    max_quantity: Decimal
    max_position: Decimal
    sides: tuple[str, ...]
    order_types: tuple[str, ...]
    time_in_force: tuple[str, ...]
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPolicyView:
    """The policy file, where it is looser than the approved policy and so not in force."""

    digest: str
    looser: tuple[str, ...]
    """A phrase for each key that is looser."""
    takes_effect: str | None
    """None where the owner has not approved it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """What is allowed, with the headroom that is left. Notionals are in `currency`."""

    environment: str
    digest: str
    currency: str
    tools: tuple[str, ...]
    confirmation_channel: str
    confirmation_required_above: Decimal
    symbols: tuple[SymbolView, ...]
    budgets: tuple[Budget, ...]
    sell_back: tuple[SellBack, ...] | None
    """What guardian bought and can sell back without a budget; None where the exchange did not answer."""
    waiting: WaitingPolicyView | None
    unapproved: str | None
    """Why no order is created until the owner approves the file; None where the policy in force is approved."""
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPolicyView:
    """What is wrong with the policy, where there is no valid one."""

    environment: str | None
    digest: None
    orders: str
    tools: tuple[str, ...]
    """What works without a policy, for guardian's own orders."""
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnresolvedOrder(OrderView):
    """An order that may exist, and where it was sent: a policy that names another environment does not hide it."""

    environment: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """The status. What stops orders comes first, then the orders that may exist at the exchange."""

    orders: str
    """`not stopped`, or `stopped, because ...` with everything that stops every order but an exit.

    Where only orders of some symbols are stopped: `stopped on BTCUSDT, because ...`.
    """
    unresolved: tuple[UnresolvedOrder, ...]
    environment: str | None
    """None while no good policy has named one."""
    account: str | None
    keys: str
    """`present`, or why there are none."""
    keys_from: str | None = None
    """The keyring or vault that they are kept in; None on paper, and where there are none."""
    keys_unreadable: bool = False
    """Whether the keyring or vault did not say if there are any."""
    trading: str
    trading_reason: str | None
    trading_since: str | None
    """None while nobody has touched it, and while it is the emergency file that halts."""
    trading_by: str | None
    """`owner`, or `guardian` for an automatic halt."""
    trading_means: str | None
    """What still works and how the halt ends; None while trading is active."""
    emergency_records: int
    open_orders: tuple[OrderView, ...]
    reconciled: str | None
    """When all symbols were last compared with the exchange; None if never."""
    proof: str
    """What the owner gives to prove that they agree: `terminal`, `pin` or `passkey`."""
    proof_problem: str | None
    """What is to be set up first, where that is demanded and not there."""
    owner_changes: tuple[str, ...]
    """Changes of passkeys and PIN that nobody proved and that wait."""
    mandate: MandateView | None
    """What is left of the session mandate; None where nothing is armed."""
    mandate_ended: str | None
    """Why the newest mandate ended, where it has."""
    proposals: tuple[OrderProposed, ...]
    orders_since_person: int | None
    """None where there is no policy to count by."""
    unconfirmed_since_person: Decimal | None
    """None where some of it was judged in another currency; then a person is asked about every order."""
    budgets: tuple[Budget, ...]
    unsold: Mapping[str, Decimal]
    """What guardian bought and has neither sold nor offered, by asset."""
    sell_back: tuple[SellBack, ...] | None
    """What of it can be sold back without a budget; None where the exchange was not asked, or did not answer."""
    policy_source: str
    policy_digest: str | None
    """Of the policy in force."""
    policy_waiting: WaitingPolicyView | None
    policy_problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentCall:
    """One call or event of the log. `outcome` is `pending` while a call has none, and null for events."""

    seq: int
    time: str
    call_id: str | None
    tool: str | None
    symbol: str | None
    outcome: str | None
    detail: str | None
    """The code of an error, the state of an order, or what an event is about, with its reason where it has one."""


def waiting_view(waiting: WaitingPolicy | None) -> WaitingPolicyView | None:
    """What waits for the owner's yes, or for its time."""
    if waiting is None:
        return None
    takes_effect = None if waiting.effective_ms is None else iso(waiting.effective_ms)
    return WaitingPolicyView(digest=waiting.digest, looser=waiting.looser, takes_effect=takes_effect)


def symbol_views(policy: Policy) -> tuple[SymbolView, ...]:
    """What the policy allows, symbol by symbol."""
    return tuple(
        SymbolView(
            symbol=symbol,
            max_notional=limits.max_notional,
            max_quantity=limits.max_quantity,
            max_position=limits.max_position,
            sides=tuple(sorted(limits.sides)),
            order_types=tuple(sorted(limits.order_types)),
            time_in_force=tuple(sorted(limits.time_in_force)),
            reason=limits.reason,
        )
        for symbol, limits in sorted(policy.symbols.items())
    )


def budgets(limits: Limits, usage: StatusUsage) -> tuple[Budget, ...]:
    """Every budget with what is used and left of it."""
    known = not usage.uncounted
    rows = [
        _budget(
            "rolling_notional", duration_text(w.window_ms), w.maximum, usage.entered[w.window_ms] if known else None
        )
        for w in limits.rolling_notional
    ]
    rows += [
        _budget("max_orders", duration_text(w.window_ms), Decimal(w.maximum), Decimal(usage.ordered[w.window_ms]))
        for w in limits.max_orders
    ]
    rows.append(_budget("max_open_notional", None, limits.max_open_notional, usage.open_notional if known else None))
    rows.append(_budget("max_open_orders", None, Decimal(limits.max_open_orders), Decimal(usage.open_orders)))
    rows.append(
        _budget("halt_after_orders", None, Decimal(limits.halt_after_orders), Decimal(usage.orders_since_person))
    )
    return tuple(rows)


def _budget(limit: str, window: str | None, maximum: Decimal, used: Decimal | None) -> Budget:
    left = None if used is None else max(minus(maximum, used), ZERO)
    return Budget(limit=limit, window=window, maximum=maximum, used=used, left=left)
