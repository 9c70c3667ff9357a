"""Adds to an order's facts what depends on the owner: whether the policy is approved, and what `live` needs."""

from __future__ import annotations

from dataclasses import replace

from guardian.connector import Connection
from guardian.domain.trading import Environment
from guardian.gate.base.context import GateContext
from guardian.gate.live.key_check import judged_key
from guardian.gate.owner.demand import demanded_proof, how_to_set_up
from guardian.gate.owner.session_mandate import ended_mandate, mandate_facts
from guardian.policy.facts import Facts, LiveFacts
from guardian.policy.model import Policy
from guardian.store.database import Transaction
from guardian.store.schema.records import Scope


def with_owner_facts(
    tx: Transaction, context: GateContext, connection: Connection, policy: Policy, facts: Facts
) -> Facts:
    """Returns the facts with the owner's, as this transaction finds them. Raises StoreError."""
    is_live = context.environment is Environment.LIVE
    return replace(
        facts,
        unapproved=context.policy_file.why_unapproved(tx, policy),
        live=live_facts(tx, context, connection, policy) if is_live else None,
    )


def live_facts(tx: Transaction, context: GateContext, connection: Connection, policy: Policy) -> LiveFacts:
    """Returns what an order on `live` needs, as this transaction finds it. Raises StoreError."""
    keys, why_unchecked = judged_key(context, connection, policy)
    return LiveFacts(
        keys=keys,
        why_unchecked=why_unchecked,
        unproven=why_unproven(tx, policy),
        unarmed=why_unarmed(tx, context.scope_of(connection), policy),
    )


def why_unproven(tx: Transaction, policy: Policy) -> str | None:
    """Returns why the owner cannot prove that they agree; None where they can. Raises StoreError."""
    demanded = demanded_proof(tx, policy.confirmation.proof)
    return None if how_to_set_up(tx, demanded) is None else f"a {demanded.value} is demanded, and none is set up"


def why_unarmed(tx: Transaction, scope: Scope, policy: Policy) -> str | None:
    """Returns why no session mandate is in force under a policy; None where one is. Raises StoreError."""
    if mandate_facts(tx, scope, policy) is not None:
        return None
    why = ended_mandate(tx, scope)
    return "nobody has armed it" if why is None else f"the session mandate has ended: {why}"
