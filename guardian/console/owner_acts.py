"""What the owner does on the page besides approving. All of it tightens, so nothing is asked and no proof is needed."""

from __future__ import annotations

from typing import Final

from guardian.bootstrap import Guardian
from guardian.console.unfinished import Unfinished
from guardian.console.waiting import waiting_proposal
from guardian.domain.codes import Outcome
from guardian.domain.requests import CancelOrder
from guardian.gate.base.replies import OrderCancelled, Reply
from guardian.gate.owner.session_mandate import disarm
from guardian.gate.owner.tightening import BY_A_PERSON, REQUESTED, halt_trading, reject_proposal
from guardian.store.database import Transaction

CLIENT: Final = "guardian console"
"""The name of the page's calls in the log."""
MAX_REASON: Final = 300


class OwnerActs:
    """Rejects proposals, cancels orders, disarms and halts trading, as the owner."""

    def __init__(self, opened: Guardian, unfinished: Unfinished) -> None:
        self._opened = opened
        self._unfinished = unfinished

    async def reject(self, proposal_id: str, reason: str) -> str:
        """Turn a proposal down for good; what to say. Raises StoreError: it had ended, or could not be written."""

        def within(tx: Transaction) -> str:
            proposal = waiting_proposal(tx, proposal_id)
            reject_proposal(tx, proposal, reason.strip()[:MAX_REASON] or BY_A_PERSON)
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

    async def disarm(self) -> str:
        """End the session mandate; what to say. Raises StoreError."""
        ended = await self._opened.journal.run(lambda: disarm(self._opened.journal))
        return "disarmed: you are asked again as the policy says" if ended else "nothing was armed"

    async def halt(self, reason: str) -> str:
        """Halt trading in every process of the home; what to say.

        Where the log takes nothing, the emergency file halts. Raises StoreError: neither took it.
        """
        journal = self._opened.journal
        halted = await journal.run(lambda: halt_trading(journal, reason.strip()[:MAX_REASON] or REQUESTED))
        if halted.beside_log is not None:
            return f"trading is halted, through the emergency file ({halted.beside_log.message})"
        return "trading is halted: no order is created; `guardian resume` lets it continue"


def words_for(reply: Reply) -> tuple[bool, str]:
    """Whether an order is cancelled, and what to say of the reply."""
    if reply.outcome is Outcome.DONE and isinstance(reply.data, OrderCancelled):
        return True, reply.data.note
    if reply.error is None:
        return False, reply.outcome.value
    how = "not known to be cancelled" if reply.outcome is Outcome.UNKNOWN else "not cancelled"
    return False, f"{how}: {reply.error.message}"
