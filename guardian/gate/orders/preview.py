"""Judges a proposal as if its token were used now, with nothing written or burnt."""

from __future__ import annotations

from dataclasses import dataclass, replace

from guardian.domain.market import BookTop
from guardian.gate.base.context import GateContext
from guardian.gate.base.facts import Basis, basis_of, gather_facts, usage_now
from guardian.gate.live.key_check import ensure_checked
from guardian.gate.live.owner_facts import with_owner_facts
from guardian.gate.orders.cap_use import CapUse, cap_uses
from guardian.gate.orders.proposal_views import BudgetUse, budget_use
from guardian.gate.orders.proposals import confirmed_by, spec_from
from guardian.gate.recovery.reconcile import why_not_compared
from guardian.gate.recovery.refresh import refresh_open_orders
from guardian.policy.engine import judge_order
from guardian.policy.facts import Facts
from guardian.policy.model import Policy
from guardian.policy.verdict import Denial
from guardian.store.database import Transaction
from guardian.store.schema.records import Proposal, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The judgement of a proposal at this moment. `denials` is empty where the order would be sent."""

    now_ms: int
    """Window time."""
    denials: tuple[Denial, ...]
    market: BookTop | None
    """The order's own book, as it was just fetched."""
    budget: BudgetUse | None
    caps: tuple[CapUse, ...] | None
    """None where the order would be denied, or the usage is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """Why a proposal cannot be judged here, and what the person can do."""

    why: str
    hint: str


class Previewer:
    """Judges proposals as the gate would if they were to be sent."""

    def __init__(self, context: GateContext) -> None:
        self._context = context

    def mismatch(self, proposal: Proposal) -> Mismatch | None:
        """Why this process cannot judge the proposal, for a person to read; None where it can.

        Raises PolicyInvalid: there is no policy at all.
        """
        in_force = self._context.policy_file.current()
        source, here, there = in_force.source, self._context.environment.value, proposal.scope.environment
        elsewhere = (
            "name the file with `--policy` if the policy was moved, or let the assistant request the order again"
        )
        if in_force.problems:
            why = f"the policy `{source}` cannot be used: {'; '.join(in_force.problems)}"
            return Mismatch(why=why, hint=f"mend it, `guardian policy check` lists every mistake; {elsewhere}")
        if there != here:
            return Mismatch(why=f"the order was proposed on `{there}`, and `{source}` is for `{here}`", hint=elsewhere)
        if in_force.policy.digest == proposal.policy_digest:
            return None
        if source == proposal.policy_source:
            return Mismatch(
                why=f"the policy `{source}` was edited since this order was proposed",
                hint="nothing was sent: let the assistant request the order again, under the policy as it is now",
            )
        why = f"the order was proposed under `{proposal.policy_source}`, and `{source}` says something else"
        return Mismatch(why=why, hint="leave `--policy` out: the file that it was proposed under is then used")

    async def preview(self, proposal: Proposal) -> Preview | Mismatch:
        """The judgement now, or why it cannot be made: the stored key is of another account.

        Raises CredentialsError, ExchangeError, StoreError and PolicyInvalid.
        """
        context = self._context
        in_force = context.policy_file.current()
        connection = await context.connector.connect(needs_keys=True)
        scope = Scope(environment=context.environment.value, account=connection.account)
        if scope != proposal.scope:
            return Mismatch(
                why="the order was proposed for another account than the stored key is of",
                hint="`guardian keys list` shows the key; let the assistant request the order again to trade with it",
            )
        spec = spec_from(proposal.spec)
        before = await context.journal.transact(lambda tx: basis_of(tx, scope))
        await refresh_open_orders(context, connection.exchange, spec, before.snapshot)
        basis = await context.journal.transact(lambda tx: basis_of(tx, scope))
        facts = await gather_facts(
            spec,
            in_force.policy,
            connection.exchange,
            context.environment,
            basis,
            problems=in_force.problems,
            confirmed=confirmed_by(proposal),
            may_exit=True,
            lister=context.lister(scope),
        )
        facts = replace(facts, uncompared=await why_not_compared(context, scope))
        await ensure_checked(context, connection, in_force.policy)
        facts = await context.journal.transact(lambda tx: self._now(tx, proposal, facts, basis, in_force.policy))
        facts = await context.journal.transact(
            lambda tx: with_owner_facts(tx, context, connection, in_force.policy, facts)
        )
        verdict = judge_order(spec, facts, in_force.policy)
        return Preview(
            now_ms=facts.now_ms,
            denials=verdict.denials,
            market=facts.books.get(spec.symbol),
            budget=budget_use(facts, verdict, in_force.policy),
            caps=cap_uses(facts, verdict, in_force.policy),
        )

    def _now(self, tx: Transaction, proposal: Proposal, facts: Facts, basis: Basis, policy: Policy) -> Facts:
        """The fetched facts with the usage and the times of this transaction."""
        spec = spec_from(proposal.spec)
        usage = usage_now(tx, self._context.journal, proposal.scope, spec, policy, facts, basis)
        # The call budget is not a property of the order.
        usage = replace(usage, calls_last_minute=0)
        return replace(facts, usage=usage, now_ms=tx.now_ms, clock_ms=self._context.clock.now_ms())
