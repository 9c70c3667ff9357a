"""What the owner does without a proof, since it only tightens: rejects an order that waits, and halts trading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from guardian.domain.text.escaping import clean
from guardian.domain.trading import TradingState
from guardian.errors import StoreError
from guardian.gate.base.journal import Journal
from guardian.store.database import Transaction
from guardian.store.emergency import OWNER_HALT
from guardian.store.schema.records import Proposal, Record, TradingStatus

BY_A_PERSON: Final = "turned down by a person"
"""The reason of a rejection that was given none."""
REQUESTED: Final = "requested by a person"
"""The reason of a halt that was given none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersHalt:
    """Trading is halted. Either field is None where the other is set."""

    before: TradingStatus | None
    """The trading state before."""
    beside_log: StoreError | None
    """Why the log did not take it, so that the emergency file did."""


def reject_proposal(tx: Transaction, proposal: Proposal, reason: str = BY_A_PERSON) -> None:
    """Turns a proposal down and writes that down, with the reason. Raises StoreConflict: it has ended already."""
    why, scope = clean(reason), proposal.scope
    tx.proposals.reject(proposal.id, why)
    body = {"kind": "rejected", "proposal": proposal.id, "symbol": proposal.symbol, "reason": why}
    body |= {"environment": scope.environment, "account": scope.account}
    tx.audit.append(Record.event(scope, body, symbol=proposal.symbol))


def halt_trading(journal: Journal, reason: str = REQUESTED) -> OwnersHalt:
    """Halts trading and writes it down, in one transaction; where the log takes nothing, through the emergency file.

    Raises StoreError: neither took it.
    """
    halted = TradingState.HALTED
    try:
        with journal.transaction() as tx:
            before = tx.trading.status()
            tx.trading.set(halted, reason=reason, by="owner")
            body = {"kind": halted.value, "by": "owner", "reason": reason}
            body |= {"trading": halted.value, "trading_was": before.state.value}
            tx.audit.append(Record.event(None, body))
    except StoreError as error:
        halt_beside_log(journal, reason, error)
        return OwnersHalt(before=None, beside_log=error)
    return OwnersHalt(before=before, beside_log=None)


def halt_beside_log(journal: Journal, reason: str, error: StoreError) -> None:
    """Halts through the emergency file; it holds until the owner resumes. Raises `error` where that fails too."""
    if not journal.note_emergency({"kind": OWNER_HALT, "reason": reason}):
        raise error
