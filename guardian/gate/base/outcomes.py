"""Writes the outcome row of every call, once: with the order's new state where one was sent, else at its close.

The row of a read may be written after its reply. It is due then, and so is the checkpoint after an order: both are
written within `WRITE_AFTER_S`, the rows with the next call's row where that comes first. `OutcomeWriter.settle` waits
until nothing is due.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import anyio

from guardian.domain.requests import TOOLS, WRITING_TOOLS, CancelOrder
from guardian.errors import StoreConflict, StoreUnavailable
from guardian.gate.base.calls import CallInfo, reply_body, safe_traceback
from guardian.gate.base.journal import CANCEL_PATIENCE_S, Journal
from guardian.gate.base.replies import Reply
from guardian.store.database import Transaction
from guardian.store.schema.records import Head, Phase, Record, Scope

Result = TypeVar("Result")

_log: Final = logging.getLogger("guardian.gate")

MAX_DUE: Final = 64
"""How many outcome rows may be due; beyond, a reply waits until they are written."""
WRITE_AFTER_S: Final = 0.02
"""How long a row is due before a transaction of its own is begun for it. A client that calls again at once, or several
calls together, thus cost one commit a read and not two."""
READING_TOOLS: Final = frozenset(TOOLS) - WRITING_TOOLS
"""The tools whose outcome row may come after the reply. The outcome of the others must not get lost: the emergency file
takes it, and so halts trading, if the log does not."""


@dataclass(frozen=True, slots=True)
class DueOutcome:
    """A read that was answered and whose outcome row is not on the disk yet."""

    call: CallInfo
    reply: Reply
    environment: str


class OutcomeWriter:
    """Writes the outcome rows of one home's log."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._written: set[str] = set()
        """Ids of calls whose row was written with their order and that are not closed yet.

        By id and not by reply: a call that its client has taken back is closed with another reply than its row has.
        """
        self._due: deque[DueOutcome] = deque()
        """In the order of the replies. Taken within a transaction, so that the next one of this process sees either."""
        self._unsettled = 0
        """How many are due, or taken by a transaction that has not ended."""
        self._counting = threading.Lock()
        self._unanchored: Head | None = None
        """Where the log ended after the last order, until the checkpoint has it."""
        self._task: asyncio.Task[None] | None = None
        """Waits `WRITE_AFTER_S`, or until `_wait_no_longer` is set, and writes what is due."""
        self._wait_no_longer = asyncio.Event()

    async def transact(self, work: Callable[[Transaction], Result], *, patience_s: float | None = None) -> Result:
        """`Journal.transact`, with all rows that are due before what `work` writes."""

        def within() -> Result:
            taken: Sequence[DueOutcome] = ()
            try:
                with self._journal.transaction(patience_s=patience_s) as tx:
                    taken = self._take()
                    _append(tx, taken)
                    result = work(tx)
            except BaseException:
                self._due.extendleft(reversed(taken))
                raise
            self._settled(taken)
            return result

        try:
            return await self._journal.run(within, is_first=patience_s is not None)
        except StoreConflict:
            # Whatever is wrong with a row that was due, it must not refuse this call.
            return await self._journal.transact(work, patience_s=patience_s)

    async def settle(self) -> None:
        """Write what is due now; returns once each row is on the disk or was dropped, also where it is cancelled."""
        with anyio.CancelScope(shield=True):
            while self._unsettled or self._unanchored is not None:
                await self._journal.run(self._settle)
            task = self._task
            if task is not None and task is not asyncio.current_task():
                # It has nothing left to wait for, and no event loop may end under it.
                self._wait_no_longer.set()
                await asyncio.wait({task})

    def _settle(self) -> None:
        if self._unsettled:
            self._write_due()
        head, self._unanchored = self._unanchored, None
        if head is not None:
            self._journal.anchor(head)

    def _write_due(self) -> None:
        taken: Sequence[DueOutcome] = ()
        try:
            # Also where another transaction has taken them all: it has ended once this one begins.
            with self._journal.transaction() as tx:
                taken = self._take()
                _append(tx, taken)
        except StoreConflict:
            for one in taken:
                self._close(one.call, one.reply, one.environment)
        except Exception as error:  # noqa: BLE001 - the replies are valid whether or not they can be written down
            taken = taken or self._take()
            _log.warning("%d outcomes could not be written: %s", len(taken), safe_traceback(error))
        self._settled(taken)

    def _take(self) -> Sequence[DueOutcome]:
        """Take all that is due, within the transaction that writes it; `_settled` follows once it is on the disk."""
        taken = []
        while self._due:
            taken.append(self._due.popleft())
        return taken

    def _settled(self, written: Sequence[DueOutcome]) -> None:
        with self._counting:
            self._unsettled -= len(written)

    async def _write_later(self, outcome: DueOutcome) -> None:
        if self._unsettled >= MAX_DUE:
            await self.settle()
        with self._counting:
            self._unsettled += 1
        self._due.append(outcome)
        self._settle_soon()

    def _settle_soon(self) -> None:
        """Begin to write what is due, after `WRITE_AFTER_S`; a task that is cancelled still writes it."""

        async def wait_and_settle() -> None:
            try:
                with anyio.move_on_after(WRITE_AFTER_S):
                    await self._wait_no_longer.wait()
            finally:
                await self.settle()

        if self._task is None or self._task.done():
            self._wait_no_longer = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(wait_and_settle())

    async def write_with_order(
        self,
        call: CallInfo,
        scope: Scope,
        reply: Reply,
        *,
        fields: Mapping[str, str],
        symbol: str,
        update: Callable[[Transaction], None],
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        """Write the row with these fields and do `update`, the order's new state, in one transaction.

        `meanwhile` is called in the event loop while the disk is waited for, and has returned when this returns.

        Never raises: where the transaction fails, the emergency file takes the outcome, which halts trading.
        """
        loop = asyncio.get_running_loop()

        def update_last(tx: Transaction) -> None:
            update(tx)
            if meanwhile is not None:
                with suppress(RuntimeError):  # the event loop is closed: nobody waits for the reply
                    loop.call_soon_threadsafe(meanwhile)

        await self._journal.run(lambda: self._write_with_order(call, scope, reply, fields, symbol, update_last))
        if self._unanchored is not None:
            self._settle_soon()

    def _write_with_order(
        self,
        call: CallInfo,
        scope: Scope,
        reply: Reply,
        fields: Mapping[str, str],
        symbol: str,
        update: Callable[[Transaction], None],
    ) -> None:
        def write() -> Head:
            with self._journal.transaction() as tx:
                tx.audit.append(outcome_row(call, scope, reply, fields))
                update(tx)
            return tx.head  # with the row about the order's table, which the commit appends

        try:
            try:
                head = write()
            except StoreUnavailable:
                if not self._journal.made_room():
                    raise
                head = write()  # on a full disk, in the room that was kept for this
        except Exception as error:  # noqa: BLE001 - whatever the reason: an order was sent and its outcome is not on disk
            # Trading halts in every process until the row is in the log.
            record = {"kind": "outcome", "call_id": call.call_id, "symbol": symbol, "outcome": reply.outcome.value}
            self._journal.note_emergency({**record, **fields, "why": safe_traceback(error)})
            return
        self._written.add(call.call_id)
        self._unanchored = head

    async def close(self, call: CallInfo, reply: Reply, *, environment: str) -> None:
        """Write the row of a call unless it was written with its order; that of a read is due then, and written soon.

        Never raises: where the row cannot be written, the emergency file takes the outcome of a write, which halts
        trading; the outcome of a read is dropped.
        """
        if call.call_id in self._written:
            self._written.discard(call.call_id)
            return
        if call.tool in READING_TOOLS:
            await self._write_later(DueOutcome(call, reply, environment))
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


def _append(tx: Transaction, outcomes: Sequence[DueOutcome]) -> None:
    """Append the outcome rows of reads. Raises StoreError."""
    for one in outcomes:
        try:
            row = outcome_row(one.call, None, one.reply, {"environment": one.environment})
        except Exception as error:  # noqa: BLE001 - the reply is valid whether or not it can be written down
            _log.warning("an outcome could not be written: %s", safe_traceback(error))
        else:
            tx.audit.append(row)


def outcome_row(call: CallInfo, scope: Scope | None, reply: Reply, fields: Mapping[str, str]) -> Record:
    """The outcome row of a call; without a scope it is that of no account.

    A call with a token, or one that withdraws a proposal, names no symbol: its outcome has that of the order.
    """
    return Record(
        phase=Phase.OUTCOME,
        call_id=call.call_id,
        tool=call.tool,
        symbol=call.symbol or symbol_of_order(reply),
        outcome=reply.outcome.value,
        environment=None if scope is None else scope.environment,
        account=None if scope is None else scope.account,
        body={**reply_body(reply), **fields},
    )


def symbol_of_order(reply: Reply) -> str | None:
    """Returns the symbol of the order that a reply is about; None where it is about none."""
    order = getattr(reply.data, "order", None) or (reply.judged or {}).get("order")
    symbol = order.get("symbol") if isinstance(order, Mapping) else getattr(order, "symbol", None)
    return symbol if isinstance(symbol, str) else None
