"""The status summary: the trading state, what the policy allows, and how much of it is left."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from guardian.domain.codes import CANCEL_ORDER, CREATE_ORDER
from guardian.domain.owner.proof import Proof
from guardian.domain.trading import Environment, TradingState
from guardian.errors import CredentialsError, ExchangeError, KeyringUnavailable, PolicyInvalid, StoreError
from guardian.gate.base.context import GateContext
from guardian.gate.base.order_views import iso, view_of_row
from guardian.gate.base.policy_file import PolicyInForce
from guardian.gate.live.key_check import key_problems
from guardian.gate.live.owner_facts import why_unarmed, why_unproven
from guardian.gate.orders.proposal_views import view_of_proposal
from guardian.gate.orders.proposals import channel_of
from guardian.gate.owner.change_views import change_lines
from guardian.gate.owner.changes import waiting_changes
from guardian.gate.owner.demand import demanded_proof, how_to_set_up
from guardian.gate.owner.session_mandate import ended_mandate, mandate_view
from guardian.gate.reads.status_views import (
    NoPolicyView,
    PolicyView,
    RecentCall,
    StatusView,
    UnresolvedOrder,
    budgets,
    symbol_views,
    waiting_view,
)
from guardian.gate.recovery.fees import known_fees
from guardian.policy.model import Channel, Policy
from guardian.store.database import Transaction
from guardian.store.disk_space import ORDERS_NEED, free_bytes, require_space
from guardian.store.schema.records import OrderRow, Scope, StatusUsage
from guardian.store.transaction.timestamps import reconciled_mark

if TYPE_CHECKING:
    from guardian.gate.reads.selling_back import SellBack
    from guardian.store.history.history_lines import HistoryLine

PRESENT: Final = "present"
WRITABLE_MARK: Final = "status/writable"
"""The timestamp that each status writes, to find out whether the log can be written."""
TRADING_MEANS: Final = {
    TradingState.REDUCING: (
        "only selling back what guardian bought passes; reads and cancels continue; the owner can run `guardian resume`"
    ),
    TradingState.HALTED: (
        "no order is created; reads and cancels continue; the owner can run `guardian resume`, "
        "or `guardian resume --reducing` for selling back alone"
    ),
}


@dataclass(frozen=True, slots=True)
class _FoundKeys:
    """What a look for the keys found."""

    keys: str
    """`present`, or why there are none."""
    account: str | None = None
    kept_in: str | None = None
    """The keyring or vault, for people; None where there are none, and on paper, which needs none."""
    are_unreadable: bool = False
    """Whether the keyring or vault did not say if there are any."""


class Overview:
    """Reads the status from the store and the policy, and from the exchange its clock and what can be sold back."""

    def __init__(self, context: GateContext) -> None:
        self._context = context

    async def account(self) -> tuple[str | None, str]:
        """The account and whether there are keys, or why there are none."""
        found = await self._keys()
        return found.account, found.keys

    async def _keys(self, *, asks_exchange: bool = True) -> _FoundKeys:
        """The keys, looked for once: where there are none, each look asks the keyring.

        An account that the store does not know is the exchange's to say, once for each key.
        """
        if not self._context.is_chosen:
            return _FoundKeys("not looked for: no policy says for which environment")
        try:
            if not asks_exchange:
                stored = await self._context.connector.stored_keys()
                if stored.account is not None:
                    return _FoundKeys(PRESENT, account=stored.account, kept_in=stored.keys_from)
            connection = await self._context.connector.connect(needs_keys=True)
        except KeyringUnavailable as error:
            return _FoundKeys(error.message, are_unreadable=True)
        except (CredentialsError, ExchangeError) as error:
            return _FoundKeys(error.message)
        return _FoundKeys(PRESENT, account=connection.account, kept_in=connection.keys_from)

    async def status(self, *, asks_exchange: bool = True) -> StatusView:
        """The summary; without `asks_exchange` by what the store knows alone, with no fault of the exchange's.

        Raises StoreError.
        """
        found = await self._keys(asks_exchange=asks_exchange)
        asks = asks_exchange and found.keys == PRESENT
        sell_back = await self._sell_back(found.keys) if asks else None
        clock_fault = await self._clock_fault() if asks else ()
        faults = (*await self._log_fault(), *self._disk_fault(), *clock_fault)
        in_force, problems = await self._looked()
        status = await self._context.journal.transact(
            lambda tx: self._status(tx, found.account, found.keys, in_force, problems, sell_back, faults)
        )
        return replace(status, keys_from=found.kept_in, keys_unreadable=found.are_unreadable)

    async def policy(self) -> PolicyView | NoPolicyView:
        """Raises StoreError."""
        account, keys = await self.account()
        sell_back = await self._sell_back(keys)
        in_force, problems = await self._looked()
        if in_force is None:
            return self._no_policy(problems)
        policy = in_force.policy
        scope = Scope(environment=self._context.environment.value, account=account or "none")
        usage = await self._context.journal.transact(
            lambda tx: tx.usage.status(scope, policy.limits, policy.accounting.currency)
        )
        return self._policy(in_force, problems, usage, sell_back)

    async def _sell_back(self, keys: str) -> tuple[SellBack, ...] | None:
        """What can be sold back; None where there are no keys to ask the exchange with, or it did not answer."""
        in_force, _ = await self._context.journal.run(self._in_force)
        if in_force is None or keys != PRESENT:
            return None
        # Here and not at the top: it judges orders at the exchange's prices, for which a home without keys has no use.
        from guardian.gate.reads.selling_back import sell_backs

        return await sell_backs(self._context, in_force)

    async def _looked(self) -> tuple[PolicyInForce | None, tuple[str, ...]]:
        """The same as `_in_force`, by the approvals that the store has now. Raises StoreError."""
        await self._context.journal.run(self._in_force)
        await self._context.journal.transact(lambda tx: self._context.policy_file.look(tx, adopts=False))
        return await self._context.journal.run(self._in_force)

    def _in_force(self) -> tuple[PolicyInForce | None, tuple[str, ...]]:
        """The policy in force and the problems of its file; None where no good one was ever seen. Reads the file."""
        try:
            found = self._context.policy_file.current()
        except PolicyInvalid as error:
            return None, tuple(str(mistake) for mistake in error.mistakes)
        return found, _problems(found.problems, found.policy, self._context.environment)

    async def recent(self, limit: int) -> tuple[RecentCall, ...]:
        """The newest calls and events, newest last. Raises StoreError."""
        return await self._context.journal.run(lambda: self._recent(limit))

    def _recent(self, limit: int) -> tuple[RecentCall, ...]:
        # Here and not at the top, as is all that the owner's `status` has no use for.
        from guardian.store.history.call_filter import CallFilter
        from guardian.store.history.history import open_history

        with open_history(self._context.journal.home) as log:
            listing = log.newest(CallFilter(limit=limit))
        return tuple(
            RecentCall(
                seq=line.row.seq,
                time=iso(line.row.ts_ms),
                call_id=line.row.call_id,
                tool=line.row.tool,
                symbol=line.row.symbol,
                outcome=line.outcome,
                detail=_detail(line),
            )
            for line in (*listing.unresolved, *listing.lines)
        )

    async def _clock_fault(self) -> tuple[str, ...]:
        """Why an order would be denied for the clock now; empty where it would not."""
        from guardian.policy.prices import CLOCK_LIMIT_MS

        try:
            connection = await self._context.connector.connect(needs_keys=True)
            skew_ms = await connection.exchange.clock_skew_ms()
        except (CredentialsError, ExchangeError) as error:
            return (f"the exchange's clock could not be asked: {error.message}",)
        if abs(skew_ms) <= CLOCK_LIMIT_MS:
            return ()
        return (f"this machine's clock is {skew_ms} ms from the exchange's",)

    def _disk_fault(self) -> tuple[str, ...]:
        """Why an order would be refused for want of room on the disk; empty where it would not."""
        try:
            require_space(free_bytes(self._context.journal.home), ORDERS_NEED, "no order is created")
        except StoreError as error:
            return (error.message,)
        return ()

    async def _log_fault(self) -> tuple[str, ...]:
        """Why the log cannot be written now, found by writing a timestamp to it; empty where it can."""
        try:
            await self._context.journal.transact(lambda tx: tx.timestamps.set(WRITABLE_MARK))
        except StoreError as error:
            return (f"the log cannot be written: {error.message}",)
        return ()

    def _status(
        self,
        tx: Transaction,
        account: str | None,
        keys: str,
        in_force: PolicyInForce | None,
        problems: tuple[str, ...],
        sell_back: tuple[SellBack, ...] | None,
        faults: tuple[str, ...],
    ) -> StatusView:
        policy = None if in_force is None else in_force.policy
        environment = self._context.environment.value if self._context.is_chosen else None
        scope = Scope(environment=environment or "none", account=account or "none")
        emergency = self._context.journal.emergency.pending()
        trading, reason = self._context.journal.trading(tx)
        stored = tx.trading.status()
        # The store has neither the time nor the author of a halt that comes from the emergency file.
        as_stored = stored.state is trading and stored.reason == reason
        usage = None if policy is None else tx.usage.status(scope, policy.limits, policy.accounting.currency)
        channel = Channel.TERMINAL if policy is None else channel_of(tx, policy)
        demanded = demanded_proof(tx, Proof.TERMINAL if policy is None else policy.confirmation.proof)
        stopped_by = (
            *stops(trading, reason, problems, policy, keys),
            *(() if in_force is None else self._owner_stops(tx, scope, in_force)),
            *faults,
        )
        blocked = tuple((row.symbol, row.client_order_id) for row in tx.orders.in_doubt(scope))
        reconciled_ms = tx.timestamps.get(reconciled_mark(scope))
        return StatusView(
            orders=in_words(stopped_by, blocked),
            # Whatever their account: an order that may exist is always shown.
            unresolved=tuple(_unresolved(row) for row in tx.orders.unresolved(None)),
            environment=environment,
            account=account,
            keys=keys,
            trading=trading.value,
            trading_reason=reason,
            trading_since=iso(stored.since_ms) if as_stored and stored.since_ms is not None else None,
            trading_by=stored.by if as_stored else None,
            trading_means=TRADING_MEANS.get(trading),
            emergency_records=len(emergency),
            open_orders=tuple(
                view_of_row(row, known_fees(tx, row, row.executed_quantity)) for row in tx.orders.live(scope)
            ),
            reconciled=None if reconciled_ms is None else iso(reconciled_ms),
            proof=demanded.value,
            proof_problem=how_to_set_up(tx, demanded),
            owner_changes=change_lines(waiting_changes(tx), tx.now_ms, iso),
            mandate=mandate_view(tx, self._context.environment),
            mandate_ended=ended_mandate(tx, scope),
            proposals=tuple(view_of_proposal(p, tx.now_ms, channel, None) for p in tx.proposals.outstanding(scope)),
            orders_since_person=None if usage is None else usage.orders_since_person,
            unconfirmed_since_person=_unconfirmed(usage),
            budgets=() if policy is None or usage is None else budgets(policy.limits, usage),
            unsold=tx.usage.sellable(scope),
            sell_back=sell_back,
            policy_source=str(self._context.policy_file.path),
            policy_digest=None if policy is None else policy.digest,
            policy_waiting=None if in_force is None else waiting_view(in_force.waiting),
            policy_problems=problems,
        )

    def _owner_stops(self, tx: Transaction, scope: Scope, in_force: PolicyInForce) -> tuple[str, ...]:
        """What the owner has to do before any order is created: approve the policy, and arm `live`."""
        policy, found = in_force.policy, []
        unapproved = self._context.policy_file.why_unapproved(tx, policy)
        if unapproved is not None:
            found.append(f"the policy is not approved: {unapproved}")
        if self._context.environment is Environment.LIVE:
            reasons = (
                why_unproven(tx, policy),
                why_unarmed(tx, scope, policy),
                self._context.key_checks.problem,
                *key_problems(self._context, policy),
            )
            found += [f"`live`: {reason}" for reason in reasons if reason is not None]
        return tuple(found)

    def _no_policy(self, problems: tuple[str, ...]) -> NoPolicyView:
        return NoPolicyView(
            environment=self._context.environment.value if self._context.is_chosen else None,
            digest=None,
            orders="stopped, because there is no usable policy",
            tools=(CANCEL_ORDER,),
            problems=problems,
        )

    def _policy(
        self,
        in_force: PolicyInForce,
        problems: tuple[str, ...],
        usage: StatusUsage,
        sell_back: tuple[SellBack, ...] | None,
    ) -> PolicyView:
        policy = in_force.policy
        return PolicyView(
            environment=self._context.environment.value,
            digest=policy.digest,
            currency=policy.accounting.currency,
            tools=tuple(sorted(policy.tools.allowed | {CANCEL_ORDER})),
            confirmation_channel=policy.confirmation.channel.value,
            confirmation_required_above=policy.confirmation.required_above,
            symbols=symbol_views(policy),
            budgets=budgets(policy.limits, usage),
            sell_back=sell_back,
            waiting=waiting_view(in_force.waiting),
            unapproved=in_force.unapproved,
            problems=problems,
        )


def stops(
    trading: TradingState, reason: str | None, problems: tuple[str, ...], policy: Policy | None, keys: str
) -> tuple[str, ...]:
    """Everything that stops every order but an exit, one phrase each; not what concerns one order alone."""
    found = [] if trading is TradingState.ACTIVE else [f"trading is {trading.value}: {reason or 'no reason was given'}"]
    if policy is None:
        found.append(f"there is no usable policy: {'; '.join(problems)}")
        return tuple(found)
    found += [f"the policy: {problem}" for problem in problems]
    if CREATE_ORDER not in policy.tools.allowed:
        found.append(f"the policy does not allow `{CREATE_ORDER}`")
    elif not policy.symbols:
        found.append("the policy lists no symbol")
    if keys != PRESENT:
        found.append(keys)
    return tuple(found)


def in_words(stopped_by: tuple[str, ...], blocked: tuple[tuple[str, str], ...]) -> str:
    """A sentence on what stops all orders, then those of one symbol: `blocked` has symbols and their unknown orders."""
    parts = [f"stopped, because {'; '.join(stopped_by)}"] if stopped_by else []
    parts += [f"stopped on {symbol}, because the fate of the order {name} is not known" for symbol, name in blocked]
    return "; ".join(parts) or "not stopped"


def _unconfirmed(usage: StatusUsage | None) -> Decimal | None:
    return usage.unconfirmed_since_person if usage is not None and usage.is_unconfirmed_known else None


def _detail(line: HistoryLine) -> str | None:
    return line.detail if line.reason is None else f"{line.detail}: {line.reason}"


def _unresolved(row: OrderRow) -> UnresolvedOrder:
    view = view_of_row(row)
    shared = {field.name: getattr(view, field.name) for field in fields(view)}
    return UnresolvedOrder(**shared, environment=row.environment, account=row.account)


def _problems(problems: tuple[str, ...], policy: Policy, environment: Environment) -> tuple[str, ...]:
    if policy.environment is environment:
        return problems
    changed = (
        f"the policy names `{policy.environment.value}`, which takes effect at the next start; no creates till then"
    )
    return (*problems, changed)
