"""What of the schema is SQLite's own: the conditions of its partial indexes, and the triggers. Light to import.

Every other statement on the tables is SQLAlchemy Core. Plain SQL is also in `guardian.store.log`, whose readers do
without SQLAlchemy so that `guardian audit` starts fast, and in `guardian.store.opening`, which sets SQLite up.

SQLite uses a partial index only where a query repeats the words of its condition, without parameters. So a query and
its index take the condition from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from guardian.domain.order_states import (
    CORRECTIONS,
    LIVE_STATES,
    ORDER_MOVES,
    UNRESOLVED_STATES,
    VOID_STATES,
    OrderState,
)


def _quoted(states: frozenset[OrderState]) -> str:
    """Return states as an SQL list."""
    return ", ".join(f"'{state.value}'" for state in sorted(states))


CALL_PHASES_SQL: Final = "phase IN ('call', 'intent', 'outcome')"
"""Rows of the log of which each call has at most one."""
CALL_EVENT_SQL: Final = "phase = 'event' AND call_id IS NOT NULL"
"""Events of a call."""
MINUTE_SQL: Final = "phase = 'call' AND tool <> 'cancel_order'"
"""Calls that count against the calls of a minute."""

PENDING_SQL: Final = f"state IN ({_quoted(LIVE_STATES | UNRESOLVED_STATES)})"
"""Orders that are not in a final state."""
UNRESOLVED_SQL: Final = f"state IN ({_quoted(UNRESOLVED_STATES)})"
"""Orders that may have reached the exchange and are not known there."""
DUPLICATED_SQL: Final = f"(state NOT IN ({_quoted(VOID_STATES)}) OR given_up = 1)"
"""Orders that bar their duplicate."""
FEES_WANTED_SQL: Final = "executed_quantity <> fee_quantity AND order_id IS NOT NULL AND adopted = 1"
"""Orders that were executed and whose fees are not known for all of it."""
NOT_ADOPTED_SQL: Final = "adopted = 0"
"""Orders that the log lacked and that the owner has not taken over yet."""

OUTSTANDING_SQL: Final = "state IN ('waiting', 'approved')"
"""Proposals that have not ended, expired or not."""

CORRECTED: Final = "corrected/"
"""How the key of the log's row of a correction begins; the order and the number of the correction follow."""


def _listed(moves: Mapping[OrderState, frozenset[OrderState]]) -> str:
    """Return moves as the condition of a trigger."""
    return " OR ".join(
        f"(OLD.state = '{state.value}' AND NEW.state IN ({_quoted(after)}))" for state, after in moves.items() if after
    )


_ROW_OF_CORRECTION: Final = (
    f"SELECT 1 FROM audit WHERE key = '{CORRECTED}' || OLD.client_order_id || '/' || NEW.corrections"  # noqa: S608 - constants
)
_CORRECTED_SQL: Final = (
    f"NEW.corrections = OLD.corrections + 1 AND ({_listed(CORRECTIONS)}) "
    f"AND EXISTS ({_ROW_OF_CORRECTION} AND phase = 'event')"
)
"""A correction is counted and has its own row of the log: neither code nor hand makes one by accident."""


def _aborts(on: str, why: str) -> str:
    return f"BEFORE {on} BEGIN SELECT RAISE(ABORT, '{why}'); END"


def triggers(fixed_order_columns: Iterable[str]) -> dict[str, str]:
    """Return the triggers by name, without `CREATE TRIGGER name`; the columns given never change in an order."""
    fixed = ", ".join(fixed_order_columns)
    return {
        "audit_no_update": _aborts("UPDATE ON audit", "append-only"),
        "audit_no_delete": _aborts("DELETE ON audit", "append-only"),
        "orders_no_delete": _aborts("DELETE ON orders", "orders are kept"),
        "orders_fixed": _aborts(f"UPDATE OF {fixed} ON orders", "what an order counts for never changes"),
        "orders_born": _aborts(
            f"INSERT ON orders WHEN NEW.state <> '{OrderState.RESERVED.value}' OR NEW.corrections <> 0",
            "an order begins as reserved",
        ),
        "orders_moves": _aborts(
            "UPDATE OF state, corrections ON orders "
            "WHEN (NEW.state <> OLD.state OR NEW.corrections <> OLD.corrections) "
            f"AND NOT (NEW.corrections = OLD.corrections AND ({_listed(ORDER_MOVES)})) AND NOT ({_CORRECTED_SQL})",
            "not a listed move; nothing leaves a final state",
        ),
        "flows_no_update": _aborts("UPDATE ON flows", "append-only"),
        "flows_no_delete": _aborts("DELETE ON flows", "append-only"),
        "accounts_no_update": _aborts("UPDATE ON accounts", "keys stay with their account"),
        "accounts_no_delete": _aborts("DELETE ON accounts", "keys stay with their account"),
        "proposals_no_delete": _aborts("DELETE ON proposals", "proposals are kept"),
        "proposals_ended": _aborts(
            "UPDATE ON proposals WHEN OLD.state NOT IN ('waiting', 'approved')", "a proposal ends once"
        ),
        "redemptions_no_update": _aborts("UPDATE ON redemptions", "append-only"),
        "redemptions_no_delete": _aborts("DELETE ON redemptions", "append-only"),
    }


TRIGGER_NAMES: Final = frozenset(triggers(()))
