"""One line of the history: a call with all of its rows, or an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from guardian.domain.codes import CREATE_ORDER
from guardian.domain.order_states import UNRESOLVED_STATES
from guardian.store.log.read_only import LogRow

PENDING: Final = "pending"
"""The outcome of a call that has none yet."""
MAX_REASON_SHOWN: Final = 300
"""Characters of an event's reason that are shown."""

Data = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class HistoryLine:
    """One call with its outcome, or one event. Every value is as it lies in the file: of any type, and not verified."""

    row: LogRow
    """The call's first row, or the event; the outcome of a call whose first row is missing."""
    outcome_row: LogRow | None = None
    intent_row: LogRow | None = None
    """Of a call that was about to send an order."""
    call_row: LogRow | None = None
    """Of an event, where its call was looked up: the first row of that."""
    order: Data | None = None
    """The columns of `orders` of the order that the call sent, as it is now."""

    @property
    def outcome(self) -> str | None:
        """The outcome; `pending` while a call has none; None for events."""
        if self.row.phase == "event":
            return None
        if self.outcome_row is not None:
            return self.outcome_row.outcome
        return PENDING if self.row.phase == "call" else None

    @property
    def is_event(self) -> bool:
        """Whether it is an event, and not a call."""
        return self.row.phase == "event"

    @property
    def order_state(self) -> str | None:
        """`reserved` or `unknown`, for a call whose order is not resolved."""
        state = self.state
        return state if state in UNRESOLVED_STATES and not self.is_event else None

    @property
    def state(self) -> str | None:
        """The state of the order that the call sent, as it is now; None where it sent none."""
        found = None if self.order is None else self.order.get("state")
        return found if isinstance(found, str) else None

    @property
    def detail(self) -> str | None:
        """The code of an error, the state of an order, or what an event is about."""
        if self.is_event:
            return self.kind
        if self.order_state is not None:
            return f"order {self.order_state}"
        error = self.outcome_data.get("error")
        code = error.get("code") if isinstance(error, dict) else self.outcome_data.get("state")
        return code if isinstance(code, str) else None

    @property
    def reason(self) -> str | None:
        """Why it happened, where an event says so: for instance what trading was halted for."""
        reason = self.data.get("reason") if self.is_event else None
        return reason[:MAX_REASON_SHOWN] if isinstance(reason, str) else None

    @property
    def is_whole(self) -> bool:
        """Whether every row of it has its own digest, and the same in its columns as in its body."""
        rows = (self.row, self.outcome_row, self.intent_row)
        return all(row is None or (row.has_its_digest and not row.changed_columns) for row in rows)

    @cached_property
    def data(self) -> Data:
        """What the row holds beside its columns."""
        return self.row.data

    @cached_property
    def outcome_data(self) -> Data:
        """What the outcome's row holds beside its columns; empty without one."""
        return {} if self.outcome_row is None else self.outcome_row.data

    @cached_property
    def intent_data(self) -> Data:
        """What the intent's row holds beside its columns; empty without one."""
        return {} if self.intent_row is None else self.intent_row.data

    # What a filter compares

    @property
    def kind(self) -> str | None:
        """The kind of an event."""
        kind = self.data.get("kind") if self.is_event else None
        return kind if isinstance(kind, str) else None

    @property
    def tool(self) -> str | None:
        """The tool of the call, or of the call that an event belongs to."""
        row = self.call_row or self.row
        return row.tool

    @property
    def client(self) -> str | None:
        """The name that the client gave itself; None where it gave none."""
        client = (self.data if self.call_row is None else self.call_row.data).get("client")
        if isinstance(client, dict):  # as some logs have it
            client = "/".join(str(client[name]) for name in ("name", "version") if name in client)
        return client if isinstance(client, str) else None

    @property
    def codes(self) -> frozenset[str]:
        """The code of the call's error and those of every denial."""
        error = self.outcome_data.get("error")
        if not isinstance(error, dict):
            return frozenset()
        denials = error.get("denials")
        found = [error, *(denials if isinstance(denials, list) else ())]
        return frozenset(str(one.get("code")) for one in found if isinstance(one, dict))

    @property
    def orders(self) -> tuple[Data, ...]:
        """Every form in which the order that this line is about occurs: as it was asked, sent, proposed, reported."""
        if self.is_event:
            agreed = _part(self.data, "statement", "fields")
            forms = (
                {**self.data, "symbol": self.row.symbol or self.data.get("symbol")},
                *(_part(self.data, name) for name in ("report", "order")),
                _part(agreed, "order"),
            )
        else:
            forms = (
                {"symbol": self.row.symbol},
                self.order or {},
                *(_part(self.data, name) for name in ("arguments",)),
                *(_part(self.intent_data, name) for name in ("order", "asked")),
                _part(self.outcome_data, "data", "order"),
                _part(self.outcome_data, "judged", "order"),
                {"symbol": None if self.outcome_row is None else self.outcome_row.symbol},
            )
        return tuple(form for form in forms if form)

    def is_about_symbol(self, symbol: str) -> bool:
        """Whether the row has this symbol, or, where a call has none of its own, the order that it is about."""
        if self.row.symbol is not None or self.is_event:
            return self.row.symbol == symbol
        return any(form.get("symbol") == symbol for form in self.orders)

    def has_side(self, side: str) -> bool:
        """Whether the line is about an order of this side."""
        if not self.is_event and self.row.tool not in {CREATE_ORDER, "cancel_order"}:
            return False
        return any(form.get("side") == side for form in self.orders)


def _part(data: Data, *names: str) -> Data:
    for name in names:
        found = data.get(name)
        data = found if isinstance(found, dict) else {}
    return data
