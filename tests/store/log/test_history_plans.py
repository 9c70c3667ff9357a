"""Which index each statement of a list walks along: none reads the whole log to find a few lines."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Final

import pytest

from guardian.store.log import statements
from guardian.store.log.statements import LINE_AT, WALKS
from guardian.store.schema import sqlite_statements

BY_ROW: Final = "SEARCH this USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
BY_EVENT: Final = "SEARCH this USING INDEX ix_audit_event_seq (phase=? AND seq>? AND seq<?)"
BY_TOOL: Final = "SEARCH this USING INDEX ix_audit_tool (tool=? AND seq>? AND seq<?)"
JOINED: Final = [
    "SEARCH other USING INDEX ux_audit_call_phase (call_id=? AND phase=?) LEFT-JOIN",
    "SEARCH intent USING INDEX ux_audit_call_phase (call_id=? AND phase=?) LEFT-JOIN",
    "SEARCH placed USING INDEX sqlite_autoindex_orders_3 (call_id=?) LEFT-JOIN",
]
WALKED: Final = {
    "all": BY_ROW,
    "tool": BY_TOOL,
    "symbol": "SEARCH this USING INDEX ix_audit_symbol (symbol=? AND seq>? AND seq<?)",
    "unnamed": BY_TOOL,
    "event": BY_EVENT,
    "event of symbol": BY_EVENT,
}
ALONE: Final = {
    "CALLS_ENDED": "SEARCH ended USING INDEX ix_audit_outcome (outcome=? AND seq>?)",
    "CALLS_WITHOUT_OUTCOME": "SCAN audit USING COVERING INDEX ux_audit_call_phase",
    "CALLS_IN_STATE": "SCAN orders",
    "CALLS_UNRESOLVED": "SCAN orders USING INDEX ix_orders_pending",
    "UNRESOLVED_COUNT": "SCAN orders USING INDEX ix_orders_pending",
    "FIRST_SEQ_OF_CALL": "SEARCH audit USING COVERING INDEX ux_audit_call_phase (call_id=? AND phase=?)",
    "COUNT_OF_CALLS": "SCAN audit USING COVERING INDEX ux_audit_call_phase",
    "COUNT_OF_STATES": "SEARCH audit USING COVERING INDEX ix_audit_state (phase=? AND seq>? AND seq<?)",
    "COUNT_OF_TOOL": "SEARCH audit USING INDEX ix_audit_tool (tool=? AND seq>? AND seq<?)",
    "NEXT_SYMBOL": "SEARCH audit USING INDEX ix_audit_symbol (symbol>?)",
    "NAMES_BY_CALL": "SEARCH orders USING INDEX sqlite_autoindex_orders_3 (call_id=?)",
}
NAMES: Final = (
    "low", "high", "limit", "tool", "outcome", "client", "kind", "side", "symbol", "name", "proposal", "call_id",
    "of_tool", "seq", "state", "side_text", "after",
)  # fmt: skip


def plan(statement: str) -> list[str]:
    """What SQLite does for a statement, step by step, on an empty database of this schema."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for part in sqlite_statements.SCHEMA:
            connection.execute(part)
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", dict.fromkeys(NAMES))]


@pytest.mark.parametrize("walk", sorted(WALKS), ids=" ".join)
def test_walk_goes_along_its_index_in_both_directions(walk: tuple[str, str]) -> None:
    """Nothing is sorted; the other rows of a call and its order are looked up."""
    assert plan(WALKS[walk]) == [WALKED[walk[0]], *JOINED]


@pytest.mark.parametrize("name", ALONE)
def test_statement_reads_no_more_than_its_index(name: str) -> None:
    """The first step of each; those of a call's row follow."""
    assert ALONE[name] in plan(getattr(statements, name))


def test_line_is_one_lookup() -> None:
    """By the number of its first row."""
    assert plan(LINE_AT) == ["SEARCH this USING INTEGER PRIMARY KEY (rowid=?)", *JOINED]
