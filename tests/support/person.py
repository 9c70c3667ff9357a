"""What a person does on the command line, done by the same functions but without the terminal."""

from __future__ import annotations

import secrets

from guardian.bootstrap import Guardian
from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.errors import StoreConflict
from guardian.gate.owner.order_approval import approve_order, order_statement
from tests.support.world import Assistant


def approve(assistant: Assistant, proposal_id: str) -> str:
    """The token that `guardian approve` shows. The owner check itself is tested with a real terminal."""
    return approve_at_terminal(assistant.guardian, proposal_id)


def approve_at_terminal(guardian: Guardian, proposal_id: str) -> str:
    """As `approve`, of an opened home; the person was shown the prices of the proposal."""
    with guardian.journal.transaction() as tx:
        proposal = tx.proposals.get(proposal_id)
    if proposal is None:
        raise StoreConflict("there is no such proposal")
    return approve_order(
        guardian.journal,
        proposal_id,
        order_statement(proposal, None),
        ProofGiven(kind=Proof.TERMINAL),
        policy_proof=guardian.policy_file.current().policy.confirmation.proof,
        random_bytes=secrets.token_bytes,
    )
