"""Explains an earlier call of `create_order` from guardian's log: what was asked, and every rule that said no.

Whatever is said here was in the reply to that call before, but for what has become of the proposal or the order since.
Nothing that redeems an order is in the log, and the arguments are given without the token's field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from guardian.domain.codes import Outcome
from guardian.domain.requests import CreateOrder
from guardian.errors import ArgumentMistake, InvalidArguments, StoreCorrupt
from guardian.gate.base.calls import SECRET_FIELDS
from guardian.gate.base.context import GateContext
from guardian.gate.base.order_views import iso, note_on_row
from guardian.gate.base.replies import EarlierCall, EarlierDenial, ExchangeWords
from guardian.gate.orders.proposal_views import end_of_proposal, proposal_state
from guardian.store.database import Transaction
from guardian.store.history.history import open_history
from guardian.store.log.read_only import LogRow
from guardian.store.schema.records import OrderRow, Phase, ProposalState

MAX_ARGUMENT: Final = 60
"""Characters of an argument that are given: those of an invalid call can be anything."""
_SHOWN: Final = ("symbol", "side", "order_type", "quantity", "quote_quantity", "price", "stop_price", "time_in_force")
_WAITING: Final = frozenset({"waiting", "approved"})


class EarlierCalls:
    """Reads calls from the log of one home."""

    def __init__(self, context: GateContext) -> None:
        self._context = context

    async def by_id(self, call_id: str) -> tuple[EarlierCall, OrderRow | None]:
        """The call with this id, and its order where it sent one.

        Raises:
            InvalidArguments: the log has no such call, or it is one of another tool.
            StoreError: the log cannot be read, or these rows of it were changed.
        """
        rows = await self._rows(call_id)
        call = rows.get(Phase.CALL.value)
        if call is None:
            raise _no_such_call("guardian's log has no call with this id")
        if call.tool != CreateOrder.tool:
            raise _no_such_call(f"this is the id of a call of `{call.tool}`")
        return await self._context.journal.transact(lambda tx: _explained(tx, call_id, rows))

    async def of_order(self, row: OrderRow) -> EarlierCall | None:
        """The call that sent an order; None for an order that the log lacked. Raises StoreError."""
        call_id = row.call_id
        rows = {} if call_id is None else await self._rows(call_id)
        if call_id is None or not rows:
            return None
        return (await self._context.journal.transact(lambda tx: _explained(tx, call_id, rows, row)))[0]

    async def _rows(self, call_id: str) -> dict[str, LogRow]:
        """The rows of a call by their phase, events left out. Raises StoreError."""
        return await self._context.journal.run(lambda: self._read(call_id))

    def _read(self, call_id: str) -> dict[str, LogRow]:
        with open_history(self._context.journal.home) as log:
            rows = [row for row in log.find(call_id) if row.call_id == call_id and row.phase != Phase.EVENT]
        if any(not row.has_its_digest or row.changed_columns for row in rows):
            raise StoreCorrupt(
                "the log's rows of this call are not as guardian wrote them",
                hint="the owner runs `guardian audit verify`",
            )
        return {row.phase: row for row in rows}


def _no_such_call(why: str) -> InvalidArguments:
    return InvalidArguments(
        (ArgumentMistake("call_id", why),),
        hint="give the `meta.call_id` of a reply to create_order; an order is found by its client_order_id as well",
    )


def _explained(
    tx: Transaction, call_id: str, rows: Mapping[str, LogRow], sent: OrderRow | None = None
) -> tuple[EarlierCall, OrderRow | None]:
    """The call and its order; `sent` is the order where it is known without the outcome row."""
    call, ended = rows.get(Phase.CALL.value), rows.get(Phase.OUTCOME.value)
    first = call or next(iter(rows.values()))
    data = {} if ended is None else ended.data
    error, made = _table(data, "error"), _table(data, "data")
    name = _text(data, "client_order_id") if sent is None else sent.client_order_id
    order, proposal_id = None if name is None else tx.orders.get(name), _text(made, "proposal_id")
    denials = error.get("denials")
    explained = EarlierCall(
        note=_note(tx, ended, proposal_id, order),
        call_id=call_id,
        time=iso(first.ts_ms),
        environment=first.environment,
        asked={} if call is None else _asked(_table(call.data, "arguments")),
        outcome=None if ended is None else ended.outcome,
        code=_text(error, "code"),
        message=_text(error, "message"),
        hint=_text(error, "hint"),
        denials=tuple(_denial(one) for one in denials if isinstance(one, dict)) if isinstance(denials, list) else (),
        exchange=_exchange(error),
        proposal_id=proposal_id,
        client_order_id=name,
    )
    return explained, order


def _note(tx: Transaction, ended: LogRow | None, proposal_id: str | None, order: OrderRow | None) -> str:
    """Its result, in one sentence."""
    if order is not None:
        return note_on_row(order)
    if ended is None:
        return "the call has not ended, or guardian was stopped during it; whether it sent an order get_orders can say"
    proposal = None if proposal_id is None else tx.proposals.get(proposal_id)
    if proposal is not None:
        state = proposal_state(proposal, tx.now_ms)
        sent = proposal.client_order_id if proposal.state is ProposalState.SENT else None
        row = None if sent is None else tx.orders.get(sent)
        waits = "; nothing was sent" if state in _WAITING else ""
        return f"{end_of_proposal(proposal, row, tx.now_ms)}{waits}"
    if ended.outcome == Outcome.DENIED.value:
        return "denied by guardian; nothing was sent"
    return f"it ended as `{ended.outcome}`; that call sent no order"


def _asked(arguments: Mapping[str, object]) -> dict[str, str]:
    """The order as it was requested, in the fields of `create_order`; never a token, nor its digest."""
    return {
        name: str(arguments[name])[:MAX_ARGUMENT]
        for name in _SHOWN
        if name not in SECRET_FIELDS and arguments.get(name) is not None
    }


def _denial(found: Mapping[str, object]) -> EarlierDenial:
    return EarlierDenial(
        code=_text(found, "code") or "",
        message=_text(found, "message") or "",
        observed=_text(found, "observed"),
        limit=_text(found, "limit"),
        hint=_text(found, "hint"),
    )


def _exchange(error: Mapping[str, object]) -> ExchangeWords | None:
    code, text = error.get("exchange_code"), _text(error, "exchange_text")
    number = code if isinstance(code, int) else None
    return None if number is None and text is None else ExchangeWords(code=number, text=text)


def _table(found: Mapping[str, object], key: str) -> dict[str, object]:
    value = found.get(key)
    return value if isinstance(value, dict) else {}


def _text(found: Mapping[str, object], key: str) -> str | None:
    value = found.get(key)
    return value if isinstance(value, str) else None
