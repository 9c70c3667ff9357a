"""Session mandates: a person agrees once to a budget, symbols and a time, and is asked about none of the orders in it.

A mandate ends by its time or budget, when a server is started again, when trading changes state, when the policy
becomes looser, and by `guardian disarm`. Every rule of the policy holds besides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from guardian.domain.money import ZERO, minus, plain
from guardian.domain.owner.proof import ProofGiven
from guardian.domain.owner.statement import Statement, StatementKind
from guardian.domain.trading import Environment, TradingState
from guardian.errors import PolicyInvalid, ProofRefused
from guardian.gate.base.journal import Journal
from guardian.gate.base.replies import MandateView
from guardian.gate.owner.demand import demanded_proof
from guardian.gate.owner.order_approval import why_not_proven
from guardian.policy.facts import MandateFacts
from guardian.policy.loading.load import load_policy
from guardian.policy.model import Policy
from guardian.store.database import Transaction
from guardian.store.owner.owner_records import Mandate, NewMandate
from guardian.store.schema.records import Record, Scope

ARMED: Final = "armed"
MANDATE_ENDED: Final = "mandate_ended"
RESTARTED: Final = "a server was started again"
DISARMED: Final = "disarmed by the owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateTerms:
    """What a person is asked to allow."""

    scope: Scope
    currency: str
    budget: Decimal
    max_order: Decimal | None
    symbols: frozenset[str]
    lasts_ms: int
    policy_digest: str


def mandate_statement(terms: MandateTerms) -> Statement:
    """Returns what a person agrees to when they arm."""
    return Statement(
        kind=StatementKind.MANDATE,
        fields={
            "decision": "arm",
            "environment": terms.scope.environment,
            "account": terms.scope.account,
            "policy": terms.policy_digest,
            "currency": terms.currency,
            "budget": plain(terms.budget),
            "max_order": None if terms.max_order is None else plain(terms.max_order),
            "symbols": sorted(terms.symbols),
            "lasts_ms": str(terms.lasts_ms),
        },
    )


def arm(
    journal: Journal,
    terms: MandateTerms,
    policy: Policy,
    proof: ProofGiven,
    *,
    random_bytes: Callable[[int], bytes],
) -> Mandate:
    """Puts a mandate in force, in place of one before it; a person acted by this.

    Raises:
        ProofRefused: trading is not active, the policy changed since it was shown, or the proof is not the one that is
            demanded; the log has a row.
        StoreError: nothing was recorded.
    """
    statement = mandate_statement(terms)
    made: Mandate | None = None
    with journal.transaction() as tx:
        why = _why_not(tx, journal, terms, policy, proof, statement)
        if why is None:
            body = {"kind": ARMED, "by": "owner", "statement": statement.as_dict(), "proof": proof.as_record()}
            entry = tx.audit.append(Record.event(terms.scope, body))
            tx.acts.record(terms.scope, ARMED)
            made = tx.mandates.add(
                NewMandate(
                    scope=terms.scope,
                    currency=terms.currency,
                    budget=terms.budget,
                    max_order=terms.max_order,
                    symbols=terms.symbols,
                    policy_digest=policy.digest,
                    policy_text=policy.text,
                    approval_seq=entry.seq,
                    created_ms=tx.now_ms,
                    expires_ms=tx.now_ms + terms.lasts_ms,
                ),
                random_bytes=random_bytes,
            )
        else:
            tx.audit.append(
                Record.event(terms.scope, {"kind": "proof_refused", "reason": why, "statement": statement.as_dict()})
            )
    if made is None:
        raise ProofRefused(why or "the mandate was not stored", hint="nothing was armed")
    return made


def _why_not(
    tx: Transaction, journal: Journal, terms: MandateTerms, policy: Policy, proof: ProofGiven, statement: Statement
) -> str | None:
    state, reason = journal.trading(tx)
    if state is not TradingState.ACTIVE:
        return f"trading is {state.value}: {reason or 'no reason was given'}"
    if policy.digest != terms.policy_digest:
        return "the policy was edited since it was shown"
    demanded = demanded_proof(tx, policy.confirmation.proof)
    if not proof.kind.meets(demanded):
        return f"a {demanded.value} is demanded, and a {proof.kind.value} was given"
    return why_not_proven(proof, statement)


def disarm(journal: Journal) -> int:
    """Ends every mandate of this home; returns how many were in force. Raises StoreError."""
    with journal.transaction() as tx:
        return end_mandates(tx, DISARMED)


def end_mandates(tx: Transaction, reason: str, *, scope: Scope | None = None) -> int:
    """Ends the mandate of a scope, or of all, with a row for it; returns how many were in force."""
    ended = tx.mandates.end(reason, scope=scope)
    if ended:
        tx.audit.append(Record.event(scope, {"kind": MANDATE_ENDED, "reason": reason}))
    return ended


def mandate_facts(tx: Transaction, scope: Scope, policy: Policy) -> MandateFacts | None:
    """Returns what is in force for a scope under the policy in force; ends a mandate that this policy is looser than.

    Raises StoreError.
    """
    found = tx.mandates.active(scope)
    if found is None or not _holds_under(tx, found, policy):
        return None
    return MandateFacts(
        id=found.id,
        symbols=found.symbols,
        currency=found.currency,
        left=_left(tx, found),
        max_order=found.max_order,
        expires_ms=found.expires_ms,
    )


def mandate_view(tx: Transaction, environment: Environment) -> MandateView | None:
    """Returns what is left of the newest mandate in an environment; None where nothing is in force."""
    active = [
        one
        for one in tx.mandates.open_ones()
        if one.scope.environment == environment.value and tx.now_ms < one.expires_ms
    ]
    if not active:
        return None
    found = active[-1]
    return MandateView(
        environment=found.scope.environment,
        symbols=tuple(sorted(found.symbols)),
        currency=found.currency,
        budget=found.budget,
        left=_left(tx, found),
        max_order=found.max_order,
        left_s=(found.expires_ms - tx.now_ms) // 1000,
    )


def ended_mandate(tx: Transaction, scope: Scope) -> str | None:
    """Returns why the newest mandate of a scope is not in force any more; None where it is, or never was one."""
    newest = tx.mandates.newest(scope)
    if newest is None:
        return None
    if newest.ended_ms is not None:
        return newest.ended_reason
    return "its time is over" if tx.now_ms >= newest.expires_ms else None


def _left(tx: Transaction, mandate: Mandate) -> Decimal | None:
    used = tx.mandates.used(mandate)
    return None if used is None else max(minus(mandate.budget, used), ZERO)


def _holds_under(tx: Transaction, mandate: Mandate, policy: Policy) -> bool:
    """Whether the policy in force is nowhere looser than the one that the mandate was given under."""
    if mandate.policy_digest == policy.digest:
        return True
    # Here and not at the top: policies are hardly ever compared.
    from guardian.policy.looser import compare_policies

    try:
        changes = compare_policies(load_policy(mandate.policy_text), policy)
        looser = ", ".join(change.key for change in changes.looser)
    except PolicyInvalid:
        looser = "what it was given under cannot be read"
    if looser:
        end_mandates(tx, f"the policy became looser: {looser}", scope=mandate.scope)
        return False
    tx.mandates.keep_under(mandate, policy.digest, policy.text)
    return True
