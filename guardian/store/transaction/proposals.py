"""The part of a transaction that keeps the orders that wait for a person, and their one-time tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from guardian.domain.money import plain
from guardian.domain.owner.proof import Proof
from guardian.errors import StoreConflict
from guardian.store.disk_space import ACTS_NEED
from guardian.store.log.proposal_reader import proposal_from
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.compiled_statement import CompiledStatement
from guardian.store.schema.records import (
    PROPOSAL_ID_ALPHABET,
    PROPOSAL_ID_LENGTH,
    NewProposal,
    Proposal,
    ProposalState,
    Scope,
)
from guardian.store.transaction.unit import ROW, Unit, scope_values

_ID_TRIES: Final = 8


class ProposalsPart:
    """Proposals reserve nothing; each ends once: sent, rejected, burnt, withdrawn or expired."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, proposal: NewProposal, *, random_bytes: Callable[[int], bytes]) -> Proposal:
        """Stores a proposal under a new short id, and returns it.

        Raises:
            StoreConflict: no free id was found.
            StoreUnavailable: little of the disk is free.
        """
        self._unit.require_space(ACTS_NEED, "nothing is proposed")
        made = Proposal(
            id=self._new_id(random_bytes),
            **{name: getattr(proposal, name) for name in NewProposal.__dataclass_fields__},
        )
        values = {
            **scope_values(proposal.scope),
            "id": made.id,
            "order_key": made.order_key,
            "symbol": made.symbol,
            "side": str(made.side),
            "spec": json.dumps(dict(made.spec)),
            "resolved": json.dumps(dict(made.resolved)),
            "policy_digest": made.policy_digest,
            "policy_source": made.policy_source,
            "token_ttl_ms": made.token_ttl_ms,
            "notional": plain(made.notional),
            "quote_notional": plain(made.quote_notional),
            "quote_asset": made.quote_asset,
            "currency": made.currency,
            "shown_bid": plain(made.shown_bid),
            "shown_ask": plain(made.shown_ask),
            "created_ms": made.created_ms,
            "expires_ms": made.expires_ms,
            "state": made.state.value,
        }
        self._unit.write(sql.INSERT_PROPOSAL, values)
        return made

    def get(self, proposal_id: str) -> Proposal | None:
        """Returns the proposal with this id, of any scope."""
        return self._one(self._unit.first(sql.PROPOSAL_BY_ID, {"proposal_id": proposal_id}))

    def newest_for(self, scope: Scope, order_key: str) -> Proposal | None:
        """Returns the newest proposal of exactly this order."""
        return self._one(
            self._unit.first(sql.NEWEST_PROPOSAL_OF_ORDER, {**scope_values(scope), "order_key": order_key})
        )

    def by_token(self, token_digest: str) -> Proposal | None:
        """Returns the proposal of this token; None for a token that was replaced by a newer one."""
        return self._one(self._unit.first(sql.PROPOSAL_BY_TOKEN, {"token": token_digest}))

    def outstanding(self, scope: Scope) -> tuple[Proposal, ...]:
        """Returns the scope's proposals that still wait for a person or for their token to be used, oldest first."""
        return tuple(proposal for proposal in self.waiting() if proposal.scope == scope)

    def waiting(self) -> tuple[Proposal, ...]:
        """Returns the outstanding proposals of all scopes, oldest first."""
        found = (proposal_from(row) for row in self._unit.rows(sql.OUTSTANDING_PROPOSALS, {"now": self._unit.now_ms}))
        return tuple(proposal for proposal in found if proposal.is_outstanding(self._unit.now_ms))

    def issue_token(
        self,
        proposal_id: str,
        *,
        token_digest: str,
        expires_ms: int,
        by_person: bool,
        proof: Proof | None = None,
        approval_seq: int | None = None,
    ) -> None:
        """Gives the proposal a token that replaces any earlier one. A person approves it by this; in the chat it waits.

        `approval_seq` is the log's row of a person's approval, and `proof` what proved it.

        Raises:
            StoreConflict: the proposal has ended or expired.
            StoreUnavailable: little of the disk is free.
        """
        self._unit.require_space(ACTS_NEED, "nothing is approved")
        proposal = self._open(proposal_id)
        if not proposal.is_outstanding(self._unit.now_ms):
            raise self._unit.refused(StoreConflict(f"proposal `{proposal_id}` has expired"))
        token: dict[str, object] = {"token_digest": token_digest, "token_expires_ms": expires_ms}
        if not by_person:
            self._change(sql.GIVE_TOKEN, proposal_id, token)
            return
        approval = {
            "state": ProposalState.APPROVED.value,
            "approved_ms": self._unit.now_ms,
            "proof": None if proof is None else proof.value,
            "approval_seq": approval_seq,
        }
        self._change(sql.APPROVE_PROPOSAL, proposal_id, {**token, **approval})

    def reject(self, proposal_id: str, reason: str) -> None:
        """Ends it because a person declines. Raises StoreConflict where it has ended already."""
        self._end(proposal_id, ProposalState.REJECTED, reason)

    def burn(self, proposal_id: str, reason: str) -> None:
        """Ends it because its order was denied at redemption. Raises StoreConflict where it has ended already."""
        self._end(proposal_id, ProposalState.BURNT, reason)

    def withdraw(self, proposal_id: str) -> None:
        """Ends it because the assistant withdraws it. Raises StoreConflict where it has ended already."""
        self._end(proposal_id, ProposalState.WITHDRAWN, "withdrawn by the assistant")

    def redeem(self, proposal_id: str, client_order_id: str) -> None:
        """Uses the token for this order. The keys of the table enforce single use, beyond what is checked here.

        Raises:
            StoreConflict: it was used, rejected or burnt before; or it has no token, or that has expired.
        """
        proposal = self._open(proposal_id)
        if proposal.token_digest is None or proposal.token_expires_ms is None:
            raise self._unit.refused(StoreConflict(f"proposal `{proposal_id}` has no token"))
        if self._unit.now_ms >= proposal.token_expires_ms:
            raise self._unit.refused(StoreConflict(f"the token of proposal `{proposal_id}` has expired"))
        self._unit.write(
            sql.INSERT_REDEMPTION,
            {
                "proposal_id": proposal_id,
                "token_digest": proposal.token_digest,
                "client_order_id": client_order_id,
                "ts_ms": self._unit.now_ms,
            },
        )
        sent = {"state": ProposalState.SENT.value, "client_order_id": client_order_id}
        self._change(sql.SEND_PROPOSAL, proposal_id, sent)

    def _open(self, proposal_id: str) -> Proposal:
        proposal = self.get(proposal_id)
        if proposal is None:
            raise self._unit.refused(StoreConflict("there is no such proposal"))
        if proposal.state not in {ProposalState.WAITING, ProposalState.APPROVED}:
            raise self._unit.refused(StoreConflict(f"proposal `{proposal.id}` is {proposal.state.value} already"))
        return proposal

    def _end(self, proposal_id: str, state: ProposalState, reason: str) -> None:
        self._open(proposal_id)
        self._change(sql.END_PROPOSAL, proposal_id, {"state": state.value, "reason": reason})

    def _change(self, statement: CompiledStatement, proposal_id: str, values: Mapping[str, object]) -> None:
        if self._unit.write(statement, {"proposal_id": proposal_id, **values}) != 1:
            raise self._unit.refused(StoreConflict(f"proposal `{proposal_id}` has ended already"))

    def _new_id(self, random_bytes: Callable[[int], bytes]) -> str:
        for _ in range(_ID_TRIES):
            number = int.from_bytes(random_bytes(16), "big")
            letters = []
            for _ in range(PROPOSAL_ID_LENGTH):
                number, place = divmod(number, len(PROPOSAL_ID_ALPHABET))
                letters.append(PROPOSAL_ID_ALPHABET[place])
            name = "".join(letters)
            if self.get(name) is None:
                return name
        raise self._unit.refused(StoreConflict("no free proposal id was found"))

    @staticmethod
    def _one(row: ROW | None) -> Proposal | None:
        return None if row is None else proposal_from(row)
