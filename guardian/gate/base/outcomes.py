"""Writes the outcome row of every call, once: with the order's new state where one was sent, else at its close."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from guardian.domain.requests import WRITING_TOOLS, CancelOrder
from guardian.gate.base.calls import CallInfo, reply_body, safe_traceback
from guardian.gate.base.journal import CANCEL_PATIENCE_S, Journal
from guardian.gate.base.replies import Reply
from guardian.store.database import Transaction
from guardian.store.schema.records import Phase, Record, Scope

_log: Final = logging.getLogger("guardian.gate")

"""Tools whose outcome must not get lost: the emergency file takes it, and so halts trading, if the log does not."""


class OutcomeWriter:
    """Writes the outcome rows of one home's log."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._written: set[str] = set()
        """Ids of calls whose row was written with their order and that are not closed yet.

        By id and not by reply: a call that its client has taken back is closed with another reply than its row has.
        """

    async def write_with_order(
        self,
        call: CallInfo,
        scope: Scope,
        reply: Reply,
        *,
        fields: Mapping[str, str],
        symbol: str,
        update: Callable[[Transaction], None],
    ) -> None:
        """Write the row with these fields and do `update`, the order's new state, in one transaction.

        Never raises: where the transaction fails, the emergency file takes the outcome, which halts trading.
        """
        await self._journal.run(lambda: self._write_with_order(call, scope, reply, fields, symbol, update))

    def _write_with_order(
        self,
        call: CallInfo,
        scope: Scope,
        reply: Reply,
        fields: Mapping[str, str],
        symbol: str,
        update: Callable[[Transaction], None],
    ) -> None:
        try:
            with self._journal.transaction() as tx:
                tx.audit.append(outcome_row(call, scope, reply, fields))
                update(tx)
        except Exception as error:  # noqa: BLE001 - whatever the reason: an order was sent and its outcome is not on disk
            # Trading halts in every process until the row is in the log.
            record = {"kind": "outcome", "call_id": call.call_id, "symbol": symbol, "outcome": reply.outcome.value}
            self._journal.note_emergency({**record, **fields, "why": safe_traceback(error)})
            return
        self._written.add(call.call_id)
        self._journal.anchor()

    async def close(self, call: CallInfo, reply: Reply, *, environment: str) -> None:
        """Write the row of a call unless it was written with its order.

        Never raises: where the row cannot be written, the emergency file takes the outcome of a write, which halts
        trading; the outcome of a read is dropped.
        """
        if call.call_id in self._written:
            self._written.discard(call.call_id)
            return
        is_cancel = call.tool == CancelOrder.tool
        await self._journal.run(lambda: self._close(call, reply, environment), is_first=is_cancel)

    def _close(self, call: CallInfo, reply: Reply, environment: str) -> None:
        body: Mapping[str, object] = {"outcome": reply.outcome.value}
        patience_s = CANCEL_PATIENCE_S if call.tool == CancelOrder.tool else None
        try:
            row = outcome_row(call, None, reply, {"environment": environment})
            body = row.body
            if call.logged:
                self._journal.append(row, patience_s=patience_s)
                return
        except Exception as error:  # noqa: BLE001 - the reply is valid whether or not it can be written down
            _log.warning("an outcome could not be written: %s", safe_traceback(error))
        if call.tool in WRITING_TOOLS:
            self._journal.note_emergency({"kind": "outcome", "call_id": call.call_id, **body})


def outcome_row(call: CallInfo, scope: Scope | None, reply: Reply, fields: Mapping[str, str]) -> Record:
    """The outcome row of a call; without a scope it is that of no account."""
    return Record(
        phase=Phase.OUTCOME,
        call_id=call.call_id,
        tool=call.tool,
        symbol=call.symbol,
        outcome=reply.outcome.value,
        environment=None if scope is None else scope.environment,
        account=None if scope is None else scope.account,
        body={**reply_body(reply), **fields},
    )
