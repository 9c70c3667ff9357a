"""Which policy is in force, where a looser one needs a person's yes: on `live`, and above the floor of a terminal.

The file is only what the owner writes down. What is in force is the newest approved policy whose time has come, or a
file that is nowhere looser than it. Three rows of the log make a policy an approved one:

    policy_approved    a person gave their yes to it, with the proof
    policy_tightened   it was nowhere looser than the approved one, and took its place at once
    policy_adopted     elsewhere than on `live`: it was in force when the floor was raised, and nothing was approved yet
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from guardian.domain.milliseconds import SECOND_MS
from guardian.domain.owner.proof import Proof, ProofGiven, proof_from
from guardian.domain.owner.statement import Statement, StatementKind, statement_from
from guardian.domain.trading import Environment
from guardian.errors import PolicyInvalid, ProofRefused, StoreConflict
from guardian.gate.base.journal import Journal
from guardian.gate.base.order_views import iso
from guardian.gate.base.policy_file import PolicyStanding, WaitingPolicy
from guardian.gate.owner.demand import demanded_proof
from guardian.gate.owner.order_approval import why_not_proven
from guardian.policy.loading.load import load_policy
from guardian.policy.model import Policy
from guardian.store.database import Transaction
from guardian.store.owner.owner_records import ApprovedPolicy
from guardian.store.schema.records import Record

if TYPE_CHECKING:
    from guardian.policy.looser import PolicyComparison

APPROVED: Final = "policy_approved"
TIGHTENED: Final = "policy_tightened"
ADOPTED: Final = "policy_adopted"
NEVER_APPROVED: Final = "no policy was ever approved for it"
_UNREADABLE: Final = "the approved policy cannot be read by this version of guardian"
_UNLOGGED: Final = "the log has no row that the approved policy follows from"


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What the store says of one environment, at one moment."""

    environment: Environment
    now_ms: int
    needs_approval: bool
    in_force: ApprovedPolicy | None = None
    newest: ApprovedPolicy | None = None
    is_logged: bool = False
    """Whether the log bears out what the store says is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPolicy:
    """A policy that a person can approve: against which it was compared, and when it would take effect."""

    policy: Policy
    approved: Policy | None
    comparison: PolicyComparison
    delay_ms: int
    effective_ms: int | None
    """When it takes effect, where it was approved already and its time has not come."""

    @property
    def statement(self) -> Statement:
        """What a person agrees to; the digest is that of the whole text."""
        return Statement(
            kind=StatementKind.POLICY,
            fields={
                "decision": "approve",
                "environment": self.policy.environment.value,
                "policy": self.policy.digest,
                "in_place_of": None if self.approved is None else self.approved.digest,
                "looser": [str(change) for change in self.comparison.looser],
                "tighter": [str(change) for change in self.comparison.tighter],
                "delay_ms": str(self.delay_ms),
            },
        )


class ApprovedPolicies:
    """The approvals of one home. What the store says is looked at within transactions, and kept between them."""

    def __init__(self, load: Callable[[str], Policy] = load_policy) -> None:
        self._load = load
        self._state: _State | None = None
        self._loaded: tuple[str, Policy | None] = ("", None)
        """The digest of the last approved text that was loaded, and what it says; None where it cannot be read."""
        self._compared: tuple[tuple[str, str], PolicyComparison] | None = None
        self._borne_out: set[ApprovedPolicy] = set()

    def standing(self, policy: Policy) -> PolicyStanding:
        """Returns which policy is in force by what the store said last; orders need a look of their own."""
        state = self._state
        if state is None or state.environment is not policy.environment:
            return PolicyStanding(in_force=policy, unapproved="its approval was not looked up")
        return self._standing(state, policy)

    def look(self, tx: Transaction, policy: Policy, *, adopts: bool) -> PolicyStanding:
        """Returns which policy is in force by what the store says now; with `adopts` a tighter one is then approved.

        It is called inside a transaction, so that it takes no lock. Raises StoreError.
        """
        state = self._state_of(tx, policy.environment)
        standing = self._standing(state, policy)
        is_in_force = standing.unapproved is None and standing.in_force is policy
        is_new = state.in_force is None or state.in_force.digest != policy.digest
        if adopts and state.needs_approval and is_in_force and is_new:
            _adopt(tx, policy, state.in_force)
            state = self._state_of(tx, policy.environment)
        self._state = state
        return standing

    def pending(self, tx: Transaction, policy: Policy) -> PendingPolicy | None:
        """Returns what a person would approve; None where the policy is in force without it."""
        state = self._state_of(tx, policy.environment)
        standing = self._standing(state, policy)
        if standing.waiting is None and standing.unapproved is None:
            return None
        # Here and not at the top, as below: most homes compare no policies.
        from guardian.policy.looser import PolicyComparison, compare_policies

        approved = self._approved(state)
        is_live = policy.environment is Environment.LIVE
        delays = [policy.live.loosening_delay_ms, *([] if approved is None else [approved.live.loosening_delay_ms])]
        return PendingPolicy(
            policy=policy,
            approved=approved,
            comparison=PolicyComparison() if approved is None else compare_policies(approved, policy),
            delay_ms=max(delays) if is_live else 0,
            effective_ms=None if standing.waiting is None else standing.waiting.effective_ms,
        )

    # -- inner

    def _state_of(self, tx: Transaction, environment: Environment) -> _State:
        needs = environment is Environment.LIVE or tx.approvers.status().floor is not Proof.TERMINAL
        if not needs:
            return _State(environment=environment, now_ms=tx.now_ms, needs_approval=False)
        in_force = tx.policy_approvals.in_force(environment.value)
        if in_force is not None and in_force not in self._borne_out and _is_borne_out(tx, in_force):
            self._borne_out.add(in_force)
        return _State(
            environment=environment,
            now_ms=tx.now_ms,
            needs_approval=True,
            in_force=in_force,
            newest=tx.policy_approvals.newest(environment.value),
            is_logged=in_force is not None and in_force in self._borne_out,
        )

    def _standing(self, state: _State, policy: Policy) -> PolicyStanding:
        if not state.needs_approval:
            return PolicyStanding(in_force=policy)
        if state.in_force is None:
            return _first_standing(state, policy)
        if not state.is_logged:
            return PolicyStanding(in_force=policy, unapproved=_UNLOGGED)
        if state.in_force.digest == policy.digest:
            return PolicyStanding(in_force=policy)
        approved = self._approved(state)
        if approved is None:
            return PolicyStanding(in_force=policy, unapproved=_UNREADABLE)
        compared = self._comparison(approved, policy)
        if not compared.looser:
            return PolicyStanding(in_force=policy)
        waiting = _waiting(state, policy, compared)
        if compared.is_purely_looser:
            return PolicyStanding(in_force=approved, waiting=waiting)
        when = f"; {_when(waiting)}" if _when(waiting) else ""
        keys = ", ".join(f"`{change.key}`" for change in compared.looser)
        return PolicyStanding(
            in_force=approved,
            waiting=waiting,
            unapproved=f"the file is looser than the approved one in {keys}, and tighter in others{when}",
        )

    def _approved(self, state: _State) -> Policy | None:
        if state.in_force is None:
            return None
        if self._loaded[0] != state.in_force.digest:
            try:
                self._loaded = (state.in_force.digest, self._load(state.in_force.text))
            except PolicyInvalid:
                self._loaded = (state.in_force.digest, None)
        return self._loaded[1]

    def _comparison(self, approved: Policy, policy: Policy) -> PolicyComparison:
        from guardian.policy.looser import compare_policies

        pair = (approved.digest, policy.digest)
        if self._compared is None or self._compared[0] != pair:
            self._compared = (pair, compare_policies(approved, policy))
        return self._compared[1]


def approve_policy(
    journal: Journal, pending: PendingPolicy, proof: ProofGiven, *, approvals: ApprovedPolicies
) -> ApprovedPolicy:
    """Stores that a person approved a policy, with the proof in the log; returns it with the time it takes effect.

    Raises:
        StoreConflict: another policy was approved in the meantime.
        ProofRefused: the proof is weaker than what is demanded, or is for something else; the log has a row.
        StoreError: nothing was recorded.
    """
    policy, statement = pending.policy, pending.statement
    with journal.transaction() as tx:
        now = approvals.pending(tx, policy)
        if now is None or now.statement != statement:
            raise StoreConflict(
                "another policy was approved in the meantime", hint="run `guardian policy approve` again"
            )
        judged_by = policy if pending.approved is None else pending.approved
        demanded = demanded_proof(tx, judged_by.confirmation.proof)
        why = why_not_proven(proof, statement)
        if not proof.kind.meets(demanded):
            why = f"a {demanded.value} is demanded, and a {proof.kind.value} was given"
        if why is None:
            effective_ms = tx.now_ms + pending.delay_ms
            body = _body(APPROVED, policy, pending.approved, effective_ms)
            body |= {"statement": statement.as_dict(), "proof": proof.as_record()}
            _store(tx, policy, body, effective_ms)
        else:
            refused = {"kind": "proof_refused", "proof": proof.kind.value, "reason": why}
            tx.audit.append(Record.event(None, {**refused, "statement": statement.as_dict()}))
        stored = tx.policy_approvals.newest(policy.environment.value)
    if why is not None or stored is None:
        raise ProofRefused(why or "the approval was not stored", hint="nothing was approved")
    return stored


def _adopt(tx: Transaction, policy: Policy, before: ApprovedPolicy | None) -> None:
    """Puts a policy that is nowhere looser in the place of the approved one."""
    body = _body(ADOPTED if before is None else TIGHTENED, policy, before, tx.now_ms)
    _store(tx, policy, body, tx.now_ms)


def _store(tx: Transaction, policy: Policy, body: Mapping[str, object], effective_ms: int) -> None:
    entry = tx.audit.append(Record.event(None, body))
    tx.policy_approvals.add(
        policy.environment.value, policy.digest, policy.text, approval_seq=entry.seq, effective_ms=effective_ms
    )


def _body(kind: str, policy: Policy, before: ApprovedPolicy | Policy | None, effective_ms: int) -> dict[str, object]:
    return {
        "kind": kind,
        "environment": policy.environment.value,
        "policy": policy.digest,
        "in_place_of": None if before is None else before.digest,
        "effective_ms": str(effective_ms),
    }


def _is_borne_out(tx: Transaction, approved: ApprovedPolicy) -> bool:
    """Whether the log's row says what the table says, and a person's yes verifies: a changed table approves nothing."""
    try:
        data = _data_at(tx, approved.approval_seq)
        fields = {"environment": approved.environment, "policy": approved.digest}
        is_row = all(data.get(name) == value for name, value in fields.items())
        is_row = is_row and data.get("effective_ms") == str(approved.effective_ms)
        if not is_row or sha256(approved.text.encode()).hexdigest() != approved.digest:
            return False
        if data.get("kind") in {TIGHTENED, ADOPTED}:
            return data.get("kind") == TIGHTENED or approved.environment != Environment.LIVE.value
        statement, proof = statement_from(data.get("statement")), proof_from(data.get("proof"))
    except ValueError:
        return False
    is_same = all(statement.fields.get(name) == value for name, value in fields.items())
    is_policy = data.get("kind") == APPROVED and statement.kind is StatementKind.POLICY
    return is_policy and is_same and why_not_proven(proof, statement) is None


def _data_at(tx: Transaction, seq: int) -> Mapping[str, object]:
    body = tx.audit.body_at(seq)
    found = None if body is None else json.loads(body)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict):
        raise ValueError("there is no such row")  # noqa: TRY004 - the one error of what is read
    return data


def _first_standing(state: _State, policy: Policy) -> PolicyStanding:
    """Returns which policy is in force where none was approved: on `live` no order is created before a person's yes."""
    if policy.environment is not Environment.LIVE:
        return PolicyStanding(in_force=policy)
    from guardian.policy.looser import PolicyComparison

    waiting = _waiting(state, policy, PolicyComparison())
    if waiting.effective_ms is None:
        waiting = replace(waiting, looser=(NEVER_APPROVED,))
    return PolicyStanding(in_force=policy, waiting=waiting, unapproved=_when(waiting) or NEVER_APPROVED)


def _waiting(state: _State, policy: Policy, compared: PolicyComparison) -> WaitingPolicy:
    newest = state.newest
    is_approved = newest is not None and newest.digest == policy.digest and newest.effective_ms > state.now_ms
    return WaitingPolicy(
        digest=policy.digest,
        looser=tuple(map(str, compared.looser)),
        effective_ms=newest.effective_ms if newest is not None and is_approved else None,
    )


def _when(waiting: WaitingPolicy) -> str:
    if waiting.effective_ms is None:
        return ""
    # Rounded up to the second: at that time it is in force.
    return f"it is approved and takes effect at {iso(-(-waiting.effective_ms // SECOND_MS) * SECOND_MS)}"
