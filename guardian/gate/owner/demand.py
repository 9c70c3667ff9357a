"""Which proof a home demands: the policy's, and never less than the floor that the home has reached.

The policy is a file that any program of the same user can edit. So once a policy has demanded a passkey or a PIN, and
there is one, the home keeps demanding it, until the owner removes it with a proof or after a wait.
"""

from __future__ import annotations

from guardian.domain.owner.proof import Proof, stronger
from guardian.store.database import Transaction


def demanded_proof(tx: Transaction, proof: Proof) -> Proof:
    """Returns what is demanded where the policy says `proof`, and raises the floor to it where the owner can give it.

    Raises StoreError.
    """
    status = tx.approvers.status()
    if proof.strength > status.floor.strength and _is_set_up(tx, proof):
        tx.approvers.raise_floor(proof)
    return stronger(status.floor, proof)


def _is_set_up(tx: Transaction, proof: Proof) -> bool:
    if proof is Proof.PASSKEY:
        return bool(tx.approvers.passkeys())
    return proof is Proof.PIN and tx.approvers.status().pin_since_ms is not None


def how_to_set_up(tx: Transaction, proof: Proof) -> str | None:
    """Returns the hint for a proof that is demanded and that the owner has not set up; None where it is."""
    if proof is Proof.TERMINAL or _is_set_up(tx, proof):
        return None
    if proof is Proof.PASSKEY:
        return "`guardian passkey add laptop` registers one"
    # A passkey is stronger and does as well.
    return None if tx.approvers.passkeys() else "`guardian pin set` sets one"
