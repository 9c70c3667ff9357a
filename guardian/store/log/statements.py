"""Every statement of the log's readers, in SQLite's words, for plain sqlite3.

What runs in a transaction is defined in SQLAlchemy Core, see `guardian.store.definitions`. Much of what the readers
need is SQLite's own, so it is written here: a second engine needs this module a second time, as it needs
`guardian.store.schema.sqlite_dialect`.

All of these are constants. What a caller gives is a parameter, never a part of the text.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from guardian.store.schema.records import CORRECTION, FLOOR, FLOOR_END, FOUND, Proposal
from guardian.store.schema.sqlite_dialect import CALL_EVENT_SQL, CALL_PHASES_SQL, OUTSTANDING_SQL, UNRESOLVED_SQL

ROW_COLUMNS: Final = (
    "seq", "prev_hash", "digest", "call_id", "phase", "ts_ms", "tool", "symbol", "outcome", "environment", "account",
    "key", "body",
)  # fmt: skip
"""The columns of a row of the log, as every statement here selects them."""
_ROW: Final = ", ".join(ROW_COLUMNS)

# One row, or the rows beside it

ROW_AT: Final = f"SELECT {_ROW} FROM audit WHERE seq = :seq"
DIGEST_AT: Final = "SELECT digest FROM audit WHERE seq = :seq"
FIRST_AND_LAST_SEQ: Final = "SELECT min(seq), max(seq) FROM audit"
TIME_AT_OR_AFTER: Final = "SELECT seq, ts_ms FROM audit WHERE seq >= :seq ORDER BY seq LIMIT 1"
LAST_CALL: Final = f"SELECT {_ROW} FROM audit WHERE phase = 'call' ORDER BY seq DESC LIMIT 1"
INTENT_OF_ORDER: Final = f"SELECT {_ROW} FROM audit WHERE client_order_id = :name"
FIRST_OF_CALL: Final = f"SELECT {_ROW} FROM audit WHERE call_id = :name AND {CALL_PHASES_SQL} ORDER BY seq LIMIT 1"
ROWS_OF_CALL: Final = (
    # Two halves, each with the words of one partial index by call.
    f"SELECT {_ROW} FROM audit WHERE call_id = :call_id AND {CALL_PHASES_SQL} "
    f"UNION ALL SELECT {_ROW} FROM audit WHERE call_id = :call_id AND {CALL_EVENT_SQL}"
)

# Listing calls: from the newest row back along one index

_THIS: Final = ", ".join(f"this.{name}" for name in ROW_COLUMNS)
"""The row that a listing walks on."""
_OTHER: Final = ", ".join(f"other.{name}" for name in ROW_COLUMNS)
"""The outcome of its call, or the call of its outcome; all NULL where it is missing."""
_THE_CALL: Final = f"other.call_id = this.call_id AND other.phase = 'call' AND other.{CALL_PHASES_SQL}"
_ITS_OUTCOME: Final = f"other.call_id = this.call_id AND other.phase = 'outcome' AND other.{CALL_PHASES_SQL}"
_NEWEST: Final = "this.seq >= :low AND this.seq < :high ORDER BY this.seq DESC LIMIT :limit"
_FITS: Final = "(:tool IS NULL OR this.tool = :tool) AND (:symbol IS NULL OR this.symbol = :symbol)"

CALLS_AND_EVENTS: Final = (
    f"SELECT {_THIS}, {_OTHER} FROM audit this LEFT JOIN audit other ON {_ITS_OUTCOME} AND this.phase = 'call' "
    f"WHERE this.phase IN ('call', 'event') AND {_NEWEST}"
)
CALLS_OF_TOOL: Final = (
    f"SELECT {_THIS}, {_OTHER} FROM audit this LEFT JOIN audit other ON {_ITS_OUTCOME} "
    f"WHERE this.phase = 'call' AND this.tool = :tool AND {_NEWEST}"
)
CALLS_OF_SYMBOL: Final = (
    f"SELECT {_THIS}, {_OTHER} FROM audit this LEFT JOIN audit other ON {_ITS_OUTCOME} "
    f"WHERE this.phase = 'call' AND this.symbol = :symbol AND (:tool IS NULL OR this.tool = :tool) AND {_NEWEST}"
)
CALLS_WITH_OUTCOME: Final = (
    f"SELECT {_THIS}, {_OTHER} FROM audit this LEFT JOIN audit other ON {_THE_CALL} "
    f"WHERE this.phase = 'outcome' AND this.outcome = :outcome AND {_FITS} AND {_NEWEST}"
)
CALLS_WITHOUT_OUTCOME: Final = (
    # One walk along the index of calls, which has all that this needs: half a million joins take far longer.
    f"SELECT {_THIS}, {_OTHER} FROM (SELECT call_id FROM audit WHERE {CALL_PHASES_SQL} "
    "GROUP BY call_id HAVING max(phase) <> 'outcome') open_call "
    f"JOIN audit this ON this.call_id = open_call.call_id AND this.phase = 'call' AND this.{CALL_PHASES_SQL} "
    f"LEFT JOIN audit other ON {_ITS_OUTCOME} WHERE {_FITS} AND {_NEWEST}"
)
CALLS_OF_UNRESOLVED_ORDERS: Final = (
    f"SELECT {_THIS}, {_OTHER}, orders.state FROM orders "
    f"JOIN audit this ON this.call_id = orders.call_id AND this.phase = 'call' AND this.{CALL_PHASES_SQL} "
    f"LEFT JOIN audit other ON {_ITS_OUTCOME} WHERE orders.{UNRESOLVED_SQL} ORDER BY orders.intent_seq"
)
UNRESOLVED_COUNT: Final = f"SELECT count(*) FROM orders WHERE {UNRESOLVED_SQL}"

# Proposals

PROPOSAL_COLUMNS: Final = ("environment", "account", *(f.name for f in fields(Proposal) if f.name != "scope"))
"""The columns of a proposal, as the statements here select them."""
_PROPOSAL: Final = ", ".join(PROPOSAL_COLUMNS)
OUTSTANDING_PROPOSALS: Final = f"SELECT {_PROPOSAL} FROM proposals WHERE {OUTSTANDING_SQL} ORDER BY ordinal"
PROPOSAL_BY_ID: Final = f"SELECT {_PROPOSAL} FROM proposals WHERE id = :name"
LOGGED_TIME: Final = "SELECT window_ms, (SELECT ts_ms FROM audit ORDER BY seq DESC LIMIT 1) FROM control WHERE id = 1"

# The proof of an order

APPROVAL_OF_PROPOSAL: Final = "SELECT approval_seq FROM proposals WHERE id = :name"
APPROVAL_OF_MANDATE: Final = "SELECT approval_seq FROM mandates WHERE id = :name"
ORDER_OF_PROPOSAL: Final = "SELECT client_order_id FROM proposals WHERE id = :name"
REGISTRATION_BEFORE: Final = (
    f"SELECT {_ROW} FROM audit WHERE phase = 'event' AND call_id IS NULL AND seq < :before "
    'AND instr(body, \'"change":"passkey_add"\') > 0 AND instr(body, :credential) > 0 ORDER BY seq DESC LIMIT 1'
)

# The owner

WAITING_CHANGES: Final = (
    "SELECT id, kind, detail, requested_ms, effective_ms FROM owner_changes WHERE state = 'waiting' ORDER BY id"
)

# Verifying

ROWS_AFTER: Final = f"SELECT {_ROW} FROM audit WHERE seq > :after ORDER BY seq LIMIT :limit"
ROWS_BETWEEN: Final = f"SELECT {_ROW} FROM audit WHERE seq > :after AND seq <= :last ORDER BY seq LIMIT :limit"
LAST_ROWS: Final = f"SELECT {_ROW} FROM audit ORDER BY seq DESC LIMIT :limit"
PASSKEYS_WITHOUT_ROW: Final = (
    "SELECT name FROM passkeys p WHERE NOT EXISTS (SELECT 1 FROM audit WHERE phase = 'event' AND call_id IS NULL "
    'AND instr(body, \'"change":"passkey_add"\') > 0 AND instr(body, p.credential_id) > 0 '
    "AND instr(body, p.public_key) > 0)"
)
"""Passkeys that no row of the log registered."""
FLOOR_OF_TABLE: Final = "SELECT floor FROM owner WHERE id = 1"
FLOOR_OF_LOG: Final = f"SELECT body FROM audit WHERE key >= '{FLOOR}' AND key < '{FLOOR_END}' ORDER BY seq DESC LIMIT 1"
ORDERS_WITHOUT_ROW: Final = (
    "SELECT o.client_order_id, o.intent_seq FROM orders o LEFT JOIN audit a ON a.seq = o.intent_seq "
    "WHERE o.intent_seq <= :last AND (a.client_order_id IS NOT o.client_order_id OR a.call_id IS NOT o.call_id) "
    f"AND (a.phase IS NOT 'event' OR a.key IS NOT '{FOUND}' || o.environment || '/' || o.client_order_id)"
)
"""Orders, up to a row of the log, with neither their intent row nor that of their being found at the exchange."""
INTENTS_WITHOUT_ORDER: Final = (
    "SELECT a.client_order_id, a.seq FROM audit a LEFT JOIN orders o ON o.client_order_id = a.client_order_id "
    "WHERE a.client_order_id IS NOT NULL AND a.seq <= :last AND o.client_order_id IS NULL"
)
ALL_FLOWS: Final = "SELECT client_order_id, environment, account, symbol, kind, asset, change FROM flows"
ALL_ORDERS: Final = (
    # An order that the log lacked has no flows until the owner takes it over.
    "SELECT client_order_id, side, base_asset, CASE adopted WHEN 1 THEN executed_quantity ELSE '0' END, intent_seq "
    "FROM orders ORDER BY intent_seq"
)
ALL_HOLDINGS: Final = "SELECT environment, account, symbol, asset, quantity FROM holdings"
CORRECTIONS_WITHOUT_ROW: Final = (
    "SELECT DISTINCT client_order_id FROM flows WHERE kind NOT IN ('trade', 'fee') AND client_order_id NOT IN "
    f"(SELECT key FROM audit WHERE phase = 'event' AND key LIKE '{CORRECTION}%')"
)
BEGIN_READING: Final = "BEGIN"
"""What is read until END_READING is of one moment, whatever others write meanwhile."""
END_READING: Final = "COMMIT"
