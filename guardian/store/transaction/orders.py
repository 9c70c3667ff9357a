"""The part of a transaction that reserves orders and keeps their state as the exchange reports it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from guardian.domain.milliseconds import WEEK_MS
from guardian.domain.money import plain
from guardian.domain.order_states import (
    CORRECTIONS,
    FINAL_STATES,
    IN_FLIGHT_MS,
    LIVE_STATES,
    ORDER_MOVES,
    UNRESOLVED_STATES,
    OrderState,
)
from guardian.domain.orders import Fees, OrderReport
from guardian.domain.report_match import contradiction
from guardian.errors import StoreConflict
from guardian.store.disk_space import ORDERS_NEED
from guardian.store.schema import sqlite_statements as sql
from guardian.store.schema.compiled_statement import CompiledStatement, filled
from guardian.store.schema.records import NewOrder, OrderRow, Scope, found_key
from guardian.store.schema.sqlite_dialect import CORRECTED
from guardian.store.transaction.ledger import LedgerPart
from guardian.store.transaction.unit import NO_VALUES, Unit, scope_values

_DECIMALS: Final = frozenset(
    {
        "price", "stop_price", "quantity", "quote_quantity", "notional", "quote_notional",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "amended_quantity",
    }
)  # fmt: skip
_BOOLEANS: Final = frozenset({"is_exit", "confirmed", "given_up", "adopted"})
_MOVED: Final = (
    "state", "order_id", "executed_quantity", "executed_quote_quantity", "fee_quantity", "corrections", "created_ms",
    "exchange_status", "amended_quantity", "given_up",
)  # fmt: skip
"""What a move or a correction may change, besides `updated_ms`."""
_NEW_FIELDS: Final = tuple(field.name for field in fields(NewOrder))

UNKNOWN_FEES_MS: Final = WEEK_MS
"""How long after an order its fees are still queried."""
_LEAST: Final = -(2**63)
_LARGEST: Final = 2**63 - 1
"""The bounds of SQLite's integers."""


class OrdersPart:
    """Orders: reserved once, then only moved on."""

    def __init__(self, unit: Unit, ledger: LedgerPart) -> None:
        self._unit = unit
        self._ledger = ledger

    def reserve(self, order: NewOrder) -> None:
        """Inserts an order in state `reserved`: it counts from the commit on.

        Raises:
            StoreConflict: there is no intent row with this client order id and call; or it is not reserved at
                `now_ms`; or the call or the proposal has an order already.
            StoreUnavailable: little of the disk is free, and what becomes of the order could not be written.
        """
        self._unit.require_space(ORDERS_NEED, "no order is created")
        intent = self._unit.first(sql.INTENT_OF_ORDER, {"name": order.client_order_id})
        if intent is None or intent["call_id"] != order.call_id:
            raise self._unit.refused(StoreConflict("an order without its intent in the log is not reserved"))
        if order.reserved_ms != self._unit.now_ms:
            raise self._unit.refused(StoreConflict("an order is reserved at the time of its transaction"))
        self._insert(order, intent["seq"], adopted=True)

    def enter_found(self, order: NewOrder, report: OrderReport) -> None:
        """Inserts an order that the exchange has and the log lacked; it counts from the commit on.

        It comes into the ledger when the owner resumes, see `adopt_found`.

        Raises StoreConflict: the log has no row with the order's `found_key`, or the report contradicts the order.
        """
        origin = self._unit.value(sql.SEQ_OF_KEY, {"key": found_key(order.environment, order.client_order_id)})
        if origin is None:
            raise self._unit.refused(StoreConflict("an order that was found without a row of the log is not entered"))
        self._insert(order, origin, adopted=False)
        row = self.get(order.client_order_id)
        # An assertion: the gate takes no order from a report that contradicts itself. Entered by false terms, it would
        # contradict every later report, and so stay unknown for good.
        if row is None or contradiction(row.sent, report) is not None:
            raise self._unit.refused(StoreConflict("an order is not entered by a report that contradicts it"))
        self.move(order.client_order_id, report.state, report=report)

    def not_adopted(self) -> tuple[OrderRow, ...]:
        """Returns the orders that the log lacked and that no owner has taken over yet, of every scope, oldest first."""
        return self._orders(sql.NOT_ADOPTED_ORDERS)

    def adopt_found(self) -> tuple[OrderRow, ...]:
        """Takes every order that the log lacked into the ledger; returns them."""
        found = self.not_adopted()
        for row in found:
            self._unit.write(sql.ADOPT_ORDER, {"name": row.client_order_id})
            self._ledger.post(row, None)
        return found

    def note_absent(self, client_order_id: str, more_ms: int) -> int:
        """Adds to how long the exchange has not known an order; returns for how long in all."""
        row = self.get(client_order_id)
        so_far = 0 if row is None else row.absent_ms + more_ms
        self._set_absent(client_order_id, so_far)
        return so_far

    def note_present(self, client_order_id: str) -> None:
        """The exchange knows the order: its absence counts from zero again."""
        row = self.get(client_order_id)
        if row is not None and row.absent_ms:
            self._set_absent(client_order_id, 0)

    def _set_absent(self, client_order_id: str, absent_ms: int) -> None:
        self._unit.write(sql.SET_ABSENT, {"name": client_order_id, "absent_ms": absent_ms})

    def _insert(self, order: NewOrder, origin_seq: int, *, adopted: bool) -> None:
        values = {name: _stored(getattr(order, name)) for name in _NEW_FIELDS}
        self._unit.write(
            sql.INSERT_ORDER,
            {
                **values,
                "intent_seq": origin_seq,
                "state": OrderState.RESERVED.value,
                "order_id": None,
                "executed_quantity": "0",
                "executed_quote_quantity": "0",
                "fee_quantity": "0",
                "updated_ms": self._unit.now_ms,
                "corrections": 0,
                "created_ms": None,
                "exchange_status": None,
                "amended_quantity": None,
                "absent_ms": 0,
                "given_up": False,
                "adopted": adopted,
            },
        )

    def get(self, client_order_id: str) -> OrderRow | None:
        """Returns the order with this client order id, whatever its scope."""
        return self._order(sql.ORDER_BY_NAME, {"name": client_order_id})

    def by_exchange_id(self, scope: Scope, symbol: str, order_id: int) -> OrderRow | None:
        """Returns the order that the exchange knows by this id."""
        values = {**scope_values(scope), "symbol": symbol, "number": order_id}
        return self._order(sql.ORDER_BY_EXCHANGE_ID, values)

    def only_one_with_exchange_id(self, symbol: str, order_id: int) -> OrderRow | None:
        """Returns guardian's one order with this symbol and exchange id in all environments; None for none or several.

        Exchanges number their orders independently of one another.
        """
        found: list[OrderRow] = []
        for scope in self._scopes():
            values = {**scope_values(scope), "symbol": symbol, "number": order_id}
            found += self._orders(sql.TWO_ORDERS_BY_EXCHANGE_ID, values)
        return found[0] if len(found) == 1 else None

    def _scopes(self) -> Iterator[Scope]:
        """Yields the scopes that have orders."""
        environment = ""
        while (environment := self._unit.value(sql.ENVIRONMENT_AFTER, {"environment": environment})) is not None:
            scope = Scope(environment=environment, account="")
            while (account := self._unit.value(sql.ACCOUNT_AFTER, scope_values(scope))) is not None:
                scope = Scope(environment=environment, account=account)
                yield scope

    def newest(
        self,
        scope: Scope,
        *,
        symbol: str | None = None,
        states: Iterable[OrderState] = tuple(OrderState),
        limit: int = 50,
    ) -> tuple[OrderRow, ...]:
        """Returns the newest orders of the scope, the newest last."""
        values = {**scope_values(scope), **_state_values(states), "most": limit}
        if symbol is None:
            newest = self._orders(sql.NEWEST_ORDERS, values)
        else:
            newest = self._orders(sql.NEWEST_ORDERS_OF_SYMBOL, {**values, "symbol": symbol})
        return newest[::-1]

    def sent_within(
        self,
        scope: Scope,
        *,
        symbol: str | None,
        states: Iterable[OrderState],
        start_ms: int,
        end_ms: int | None,
        after_seq: int = 0,
        first_id: int | None = None,
        until_id: int | None = None,
        limit: int,
    ) -> tuple[OrderRow, ...]:
        """Returns the oldest orders that were sent in the period, both ends included, in the order of the log.

        With `first_id` and `until_id` only those with such exchange ids, the first included, and those without an id.
        """
        values = {
            **scope_values(scope),
            **_state_values(states),
            "start_ms": start_ms,
            "end_ms": _LARGEST if end_ms is None else end_ms,
            "after": after_seq,
            "first_id": _LEAST if first_id is None else first_id,
            "last_id": _LARGEST if until_id is None else until_id - 1,
            "most": limit,
        }
        if symbol is None:
            return self._orders(sql.ORDERS_SENT_WITHIN, values)
        return self._orders(sql.ORDERS_OF_SYMBOL_SENT_WITHIN, {**values, "symbol": symbol})

    def pending(self, scope: Scope | None = None) -> tuple[OrderRow, ...]:
        """Returns the orders that are not in a final state, of one scope or of all, oldest first."""
        if scope is None:
            return self._orders(sql.PENDING_ORDERS)
        return self._orders(sql.PENDING_ORDERS_IN_SCOPE, scope_values(scope))

    def unresolved(self, scope: Scope | None = None) -> tuple[OrderRow, ...]:
        """Returns orders that may have reached the exchange and are not known there, oldest first."""
        return tuple(row for row in self.pending(scope) if row.state in UNRESOLVED_STATES)

    def in_doubt(self, scope: Scope | None = None) -> tuple[OrderRow, ...]:
        """Returns those of the unresolved that are not just being sent.

        They are unknown, or reserved for longer than sending takes.
        """
        return tuple(row for row in self.unresolved(scope) if is_in_doubt(row, self._unit.now_ms))

    def with_unknown_fees(self, scope: Scope, *, of_any_age: bool = False) -> tuple[OrderRow, ...]:
        """Returns recent orders that were executed and whose fees are not known for all of it, oldest first.

        With `of_any_age` also those whose fees are no longer queried.
        """
        after = -1 if of_any_age else self._unit.now_ms - UNKNOWN_FEES_MS
        return self._orders(sql.ORDERS_WITH_UNKNOWN_FEES, {**scope_values(scope), "after": after})

    def since(self, scope: Scope, seq: int) -> tuple[OrderRow, ...]:
        """Returns the orders that came after this row of the log, oldest first."""
        return self._orders(sql.ORDERS_SINCE, {**scope_values(scope), "after": seq})

    def _order(self, statement: CompiledStatement, values: Mapping[str, object]) -> OrderRow | None:
        found = self._orders(statement, values)
        return found[0] if found else None

    def _orders(self, statement: CompiledStatement, values: Mapping[str, object] = NO_VALUES) -> tuple[OrderRow, ...]:
        return tuple(map(_order_from, self._unit.tuples(statement, values)))

    def known_symbols(self, scope: Scope, since_ms: int) -> tuple[str, ...]:
        """Returns the symbols with an order that was reserved since then or is not in a final state."""
        return tuple(
            row["symbol"] for row in self._unit.rows(sql.KNOWN_SYMBOLS, {**scope_values(scope), "after": since_ms})
        )

    def live(self, scope: Scope | None = None) -> tuple[OrderRow, ...]:
        """Returns orders that are open at the exchange, oldest first."""
        return tuple(row for row in self.pending(scope) if row.state in LIVE_STATES)

    def reserved_since(self, scope: Scope, after_ms: int) -> int:
        """Returns how many orders, exits included, were reserved after this moment of window time."""
        return int(
            self._unit.value(sql.RESERVED_SINCE, {**scope_values(scope), "after": after_ms, "now": self._unit.now_ms})
        )

    def newest_environment(self) -> str | None:
        """Returns the environment of the order that was reserved last, of any account; None without any order."""
        found = self._unit.value(sql.NEWEST_ENVIRONMENT)
        return None if found is None else str(found)

    def has_pending(self, environment: str) -> bool:
        """Whether the environment has any order, of any account, that is not in a final state or lacks its fees."""
        if self._unit.value(sql.ANY_PENDING_ORDER, {"environment": environment}) is not None:
            return True
        values = {"environment": environment, "after": self._unit.now_ms - UNKNOWN_FEES_MS}
        return self._unit.value(sql.ANY_UNKNOWN_FEES, values) is not None

    def move(
        self,
        client_order_id: str,
        state: OrderState,
        *,
        report: OrderReport | None = None,
        order_id: int | None = None,
        fees: Fees | None = None,
        given_up: bool = False,
    ) -> bool:
        """Moves an order to a state and stores what was executed; returns False where that changed nothing.

        Only the moves of `ORDER_MOVES` are made. A report of another state that is not such a move is out of date and
        changes nothing. What was executed and the fees of it only grow, so an older report never shrinks them. What
        is new of them goes into the ledger. With `given_up` it ends for want of evidence alone, and bars its duplicate.
        """
        row = self.get(client_order_id)
        if row is None or (state is not row.state and state not in ORDER_MOVES[row.state]):
            return False
        changed: dict[str, object] = {"given_up": True} if given_up else {}
        return self._apply(row, state, changed, report=report, order_id=order_id, fees=fees)

    def correct(self, client_order_id: str, report: OrderReport) -> bool:
        """Sets an order right whose end is wrong here: from now on it is what the exchange reports, and counts so.

        For reconciliation alone, which halts trading for it: only the moves of `CORRECTIONS` are made, and an order
        that the exchange has under another id is another order; False if this is no correction.

        Raises StoreConflict: the log has no row with the order's `correction_key`.
        """
        row = self.get(client_order_id)
        if row is None or not is_correction(row, report):
            return False
        changed: dict[str, object] = {"corrections": row.corrections + 1, "given_up": False}
        return self._apply(row, report.state, changed, report=report)

    def _apply(
        self,
        row: OrderRow,
        state: OrderState,
        changed: dict[str, object],
        *,
        report: OrderReport | None,
        order_id: int | None = None,
        fees: Fees | None = None,
    ) -> bool:
        known_id = order_id if order_id is not None else None if report is None else report.order_id
        if state is not row.state:
            changed["state"] = state.value
        if row.order_id is None and known_id is not None:
            changed["order_id"] = known_id
        # Fees are known once the ledger has them, and it takes in nothing of an order before it is adopted.
        seen = {} if fees is None or not row.adopted else {"fee_quantity": fees.quantity}
        if report is not None:
            seen["executed_quantity"] = report.executed_quantity
            if report.executed_quote_quantity is not None:
                seen["executed_quote_quantity"] = report.executed_quote_quantity
            changed.update(_news_of(row, state, report))
        for name, value in seen.items():
            if value > getattr(row, name):
                changed[name] = plain(value)
        if not changed:
            return False
        changed["updated_ms"] = self._unit.now_ms
        same = {name: _stored(getattr(row, name)) for name in _MOVED}
        values = {"name": row.client_order_id, **same, **changed}
        self._unit.write(sql.MOVE_ORDER, values, changed_columns=changed.keys())
        if row.adopted and changed.keys() & seen.keys():
            now = self.get(row.client_order_id) or row
            self._ledger.post(now, fees if fees is not None and fees.quantity > row.fee_quantity else None)
        return True


def _news_of(row: OrderRow, state: OrderState, report: OrderReport) -> dict[str, object]:
    """Returns what else a report changes: creation time, the exchange's word for the state, amended quantity.

    An order that has ended stays as it ended; nothing but what was executed is news of it.
    """
    news: dict[str, object] = {}
    if row.state in FINAL_STATES and state is row.state:
        return news
    if row.created_ms is None and report.created_ms is not None:
        news["created_ms"] = report.created_ms
    if report.status != row.exchange_status:
        news["exchange_status"] = report.status
    amended = None if report.quantity == row.quantity else report.quantity
    if amended != row.amended_quantity:
        news["amended_quantity"] = None if amended is None else plain(amended)
    return news


def is_in_doubt(row: OrderRow, now_ms: int) -> bool:
    """Whether it may be at the exchange or not, and its process is not just sending it."""
    if row.state is OrderState.RESERVED:
        return now_ms - row.reserved_ms >= IN_FLIGHT_MS
    return row.state is OrderState.UNKNOWN


def is_correction(row: OrderRow, report: OrderReport) -> bool:
    """Whether the report is of this very order, which has ended as far as the store knows, and has not."""
    is_this = report.symbol == row.symbol and row.order_id in {None, report.order_id}
    return is_this and report.state in CORRECTIONS.get(row.state, ())


def correction_key(row: OrderRow) -> str:
    """Returns the key of the log's row of the order's next correction."""
    return f"{CORRECTED}{row.client_order_id}/{row.corrections + 1}"


@lru_cache(maxsize=512)
def _order_from(row: tuple[Any, ...]) -> OrderRow:
    """Returns an order from its row. Those made last are kept: an open order is read many times as it was."""
    values = dict(zip(sql.ORDER_BY_NAME.columns, row, strict=True))
    for name in _DECIMALS:
        if values[name] is not None:
            values[name] = Decimal(values[name])
    for name in _BOOLEANS:
        values[name] = bool(values[name])
    values["state"] = OrderState(values["state"])
    return OrderRow(**values)


def _state_values(states: Iterable[OrderState]) -> dict[str, object]:
    return filled("state", sorted(frozenset(states)), len(OrderState))


def _stored(value: object) -> object:
    return plain(value) if isinstance(value, Decimal) else value
