"""What the store says of a confirmation token, looked up with the row of its call: that spares the order a transaction.

The decision reads the proposal and the windows again in its own transaction, so nothing is sent on what is kept here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from guardian.errors import StoreError
from guardian.gate.base.facts import Basis, basis_of
from guardian.gate.base.replies import Reply
from guardian.gate.orders.redeem import proposal_to_redeem
from guardian.store.database import Transaction
from guardian.store.schema.records import Proposal, Scope

MAX_KEPT: Final = 64
"""How many look-ups wait for their order; a call whose look-up was dropped looks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLookup:
    """What the store said of a token when its call began."""

    token: str
    """Its digest."""
    scope: Scope
    found: Proposal | Reply
    """The proposal, or the reply where it cannot be redeemed."""
    basis: Basis


class TokenLookups:
    """The look-ups of calls that began, until their orders take them."""

    def __init__(self) -> None:
        self.scope: Scope | None = None
        """The scope of the last order; None before the first, whose account is not known when its call begins."""
        self._kept: dict[str, TokenLookup] = {}

    def look_up(self, tx: Transaction, call_id: str, token: str) -> None:
        """Looks up a token, by its digest, for the call whose row this transaction writes. Raises StoreError."""
        scope = self.scope
        if scope is None:
            return
        try:
            found = TokenLookup(
                token=token, scope=scope, found=proposal_to_redeem(tx, token, scope, {}), basis=basis_of(tx, scope)
            )
        except StoreError:
            raise
        except Exception:  # noqa: BLE001 - the row of the call is written all the same; the order meets the fault itself
            return
        self._kept[call_id] = found
        if len(self._kept) > MAX_KEPT:
            with suppress(KeyError, RuntimeError):  # another thread takes one meanwhile
                del self._kept[next(iter(self._kept))]

    def take(self, call_id: str, token: str, scope: Scope) -> TokenLookup | None:
        """Returns what was found for this call, once; None where it is not about this token and this scope."""
        found = self._kept.pop(call_id, None)
        return found if found is not None and (found.token, found.scope) == (token, scope) else None
