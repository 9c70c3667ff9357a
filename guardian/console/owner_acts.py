"""What the owner does on the page besides approving. All of it tightens, so nothing is asked and no proof is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from guardian.bootstrap import Guardian
from guardian.console.unfinished import Unfinished
from guardian.domain.codes import Outcome
from guardian.domain.requests import CancelOrder
from guardian.domain.trading import TradingState
from guardian.errors import StoreConflict, StoreError
from guardian.gate.base.replies import OrderCancelled, Reply
from guardian.store.database import Transaction
from guardian.store.emergency import OWNER_HALT
from guardian.store.schema.records import Record

CLIENT: Final = "guardian console"
"""The name of the page's calls in the log."""
REJECT_REASON: Final = "turned down by a person"
HALT_REASON: Final = "requested by a person"
MAX_REASON: Final = 300


class OwnerActs:
    """Rejects proposals, cancels orders and halts trading, as the owner."""

    def __init__(self, opened: Guardian, unfinished: Unfinished) -> None:
        self._opened = opened
        self._unfinished = unfinished

    async def reject(self, proposal_id: str, reason: str) -> str:
        """Turn a proposal down for good; what to say. Raises StoreError: it had ended, or could not be written."""
        why = reason.strip()[:MAX_REASON] or REJECT_REASON

        def within(tx: Transaction) -> str:
            proposal = tx.proposals.get(proposal_id)
            if proposal is None:
                raise StoreConflict("there is no such proposal")
            tx.proposals.reject(proposal_id, why)
            scope = proposal.scope
            fields = {"proposal": proposal.id, "symbol": proposal.symbol, "reason": why}
            _note(tx, "rejected", {**fields, "environment": scope.environment, "account": scope.account})
            return f"turned down: {proposal_id}"

        return await self._opened.journal.transact(within)

    async def cancel(self, symbol: str, client_order_id: str) -> Reply:
        """Cancel one order through the gate, as one call like any other. It is finished also if the page is closed."""
        return await self._unfinished.run(self._cancel(symbol, client_order_id))

    async def _cancel(self, symbol: str, client_order_id: str) -> Reply:
        gate = self._opened.gate
        arguments = {"symbol": symbol, "client_order_id": client_order_id}
        call = await gate.open_call(CancelOrder.tool, arguments, client=CLIENT, by_owner=True)
        reply = await gate.handle(call, CancelOrder(symbol=symbol, client_order_id=client_order_id))
        await gate.close_call(call, reply)
        return reply

    async def halt(self, reason: str) -> str:
        """Halt trading in every process of the home; what to say.

        Where the log takes nothing, the emergency file halts. Raises StoreError: neither took it.
        """
        why = reason.strip()[:MAX_REASON] or HALT_REASON
        journal = self._opened.journal
        try:
            await journal.transact(lambda tx: _halt(tx, why))
        except StoreError as error:
            if not await journal.run(lambda: journal.note_emergency({"kind": OWNER_HALT, "reason": why})):
                raise
            return f"trading is halted, through the emergency file ({error.message})"
        return "trading is halted: no order is created; `guardian resume` lets it continue"


def words_for(reply: Reply) -> tuple[bool, str]:
    """Whether an order is cancelled, and what to say of the reply."""
    if reply.outcome is Outcome.DONE and isinstance(reply.data, OrderCancelled):
        return True, reply.data.note
    if reply.error is None:
        return False, reply.outcome.value
    how = "not known to be cancelled" if reply.outcome is Outcome.UNKNOWN else "not cancelled"
    return False, f"{how}: {reply.error.message}"


def _halt(tx: Transaction, reason: str) -> None:
    before = tx.trading.status()
    tx.trading.set(TradingState.HALTED, reason=reason, by="owner")
    halted = TradingState.HALTED.value
    _note(tx, halted, {"by": "owner", "reason": reason, "trading": halted, "trading_was": before.state.value})


def _note(tx: Transaction, kind: str, fields: Mapping[str, str]) -> None:
    record = Record.event(None, {"kind": kind, **fields, "client": CLIENT}, symbol=fields.get("symbol"))
    tx.audit.append(replace(record, environment=fields.get("environment"), account=fields.get("account")))
