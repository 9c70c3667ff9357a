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
from guardian.store.schema.sqlite_dialect import (
    CALL_EVENT_SQL,
    CALL_PHASES_SQL,
    NOT_ADOPTED_SQL,
    OUTSTANDING_SQL,
    UNKNOWN_FEES_SQL,
    UNRESOLVED_SQL,
)
from guardian.store.seal.seal_rows import SEAL, SEAL_END

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
NUMBER_OF_ORDERS: Final = "SELECT count(*) FROM orders"
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

FIRST_DIGEST: Final = "SELECT digest FROM audit WHERE seq = 1"
ROWS_OF_SEAL: Final = f"SELECT seq, key, body FROM audit WHERE key >= '{SEAL}' AND key < '{SEAL_END}' ORDER BY seq"
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
TRADE_COLUMNS: Final = (
    "id", "clock_ms", "kind", "asset", "change", "client_order_id", "environment", "account", "symbol", "base_asset",
    "quote_asset", "side", "order_type", "order_id", "proposal_id", "call_id",
)  # fmt: skip
"""The columns of a flow of an order, with those of its order."""
_TRADE: Final = ", ".join(f"{'f' if number < 5 else 'o'}.{name}" for number, name in enumerate(TRADE_COLUMNS))
FLOWS_OF_ORDERS_AFTER: Final = (
    f"SELECT {_TRADE} FROM flows f JOIN orders o ON o.client_order_id = f.client_order_id "
    "WHERE f.kind IN ('trade', 'fee') AND f.id > :after ORDER BY f.id LIMIT :limit"
)

# The report

CALL_TIMES_BETWEEN: Final = (
    "SELECT seq, phase, call_id, ts_ms, tool, outcome FROM audit WHERE seq > :after AND seq <= :last "
    "ORDER BY seq LIMIT :limit"
)
"""Without bodies, which are most of the file."""
DENIED_BETWEEN: Final = (
    f"SELECT {_ROW} FROM audit WHERE phase = 'outcome' AND outcome = 'denied' AND seq > :after AND seq <= :last "
    "ORDER BY seq LIMIT :limit"
)
INTENTS_BETWEEN: Final = (
    f"SELECT {', '.join(f'audit.{name}' for name in ROW_COLUMNS)} FROM orders "
    "JOIN audit ON audit.seq = orders.intent_seq AND audit.phase = 'intent' "
    "WHERE orders.intent_seq > :after AND orders.intent_seq <= :last ORDER BY orders.intent_seq LIMIT :limit"
)
POLICY_TEXTS: Final = "SELECT digest, text FROM policies"
PROPOSALS_BETWEEN: Final = (
    f"SELECT {_PROPOSAL} FROM proposals WHERE created_ms >= :since AND created_ms < :until ORDER BY ordinal DESC"
)
BEGIN_READING: Final = "BEGIN"
"""What is read until END_READING is of one moment, whatever others write meanwhile."""
END_READING: Final = "COMMIT"

# What was traded

FLOWS_IN_ORDER: Final = (
    "SELECT environment, account, id, symbol, client_order_id, clock_ms, kind, asset, change FROM flows ORDER BY id"
)
PAIRS: Final = "SELECT DISTINCT environment, account, symbol, base_asset, quote_asset FROM holdings WHERE symbol <> ''"
ORDERS_NOT_COUNTED: Final = (
    "SELECT environment, account, client_order_id, symbol, state, adopted FROM orders "
    f"WHERE {UNRESOLVED_SQL} OR {NOT_ADOPTED_SQL} OR ({UNKNOWN_FEES_SQL}) ORDER BY intent_seq"
)
NEWEST_POLICY_TEXT: Final = "SELECT text FROM policies ORDER BY ordinal DESC LIMIT 1"
CURRENCY_OF_NEWEST_ORDER: Final = "SELECT currency FROM orders ORDER BY intent_seq DESC LIMIT 1"
JUDGED_BOOKS: Final = (
    # The price of one book in the facts of each order that was judged and sent.
    "SELECT ts_ms, json_extract(CAST(body AS TEXT), :path) price FROM audit INDEXED BY ux_audit_order "
    "WHERE client_order_id IS NOT NULL AND environment = :environment AND account = :account "
    "AND price IS NOT NULL ORDER BY seq"
)

# The life of an order

ORDER_BY_ID: Final = "SELECT * FROM orders WHERE client_order_id = :name"
ORDERS_BY_BEGINNING: Final = (
    "SELECT * FROM orders WHERE client_order_id >= :name AND client_order_id < :name || '~' LIMIT :limit"
)
ORDERS_BY_EXCHANGE_ID: Final = "SELECT * FROM orders WHERE order_id = :number ORDER BY intent_seq DESC LIMIT :limit"
ORDER_OF_CALL: Final = "SELECT * FROM orders WHERE call_id = :call_id"
NEWEST_CALL_OF_TOOL: Final = f"SELECT {_ROW} FROM audit WHERE phase = 'call' AND tool = :tool ORDER BY seq DESC LIMIT 1"
PROPOSING_OUTCOMES: Final = (
    # Each call that was answered with this proposal, along the outcomes of that kind.
    f"SELECT {_ROW} FROM audit WHERE phase = 'outcome' AND outcome = 'confirmation_required' "
    "AND seq >= :low AND seq < :high AND instr(body, CAST(:needle AS BLOB)) > 0 ORDER BY seq LIMIT :limit"
)
EVENTS_NAMING: Final = (
    # Events within a stretch of the log that name something: few rows, since a proposal lives for minutes.
    f"SELECT {_ROW} FROM audit NOT INDEXED WHERE seq >= :low AND seq < :high AND phase = 'event' "
    "AND instr(body, CAST(:needle AS BLOB)) > 0 ORDER BY seq LIMIT :limit"
)
CALLS_NAMING: Final = (
    f"SELECT {_ROW} FROM audit WHERE phase = 'call' AND tool = :tool AND seq >= :low "
    "AND instr(body, CAST(:needle AS BLOB)) > 0 ORDER BY seq LIMIT :limit"
)
ROWS_WITH_KEYS: Final = f"SELECT {_ROW} FROM audit WHERE key >= :low AND key < :high ORDER BY key LIMIT :limit"
FLOWS_OF_ORDER_IN_TIME: Final = (
    "SELECT clock_ms, kind, asset, change FROM flows WHERE client_order_id = :name ORDER BY id"
)
POLICY_TEXT: Final = "SELECT text FROM policies WHERE digest = :digest ORDER BY ordinal DESC LIMIT 1"

# What the exchange is a witness of

LOGGED_ORDERS: Final = (
    # Whether the log has the row that an order's id is made of, or that of its being found at the exchange.
    "SELECT o.client_order_id, o.symbol, o.base_asset, o.quote_asset, o.side, o.wire_type, o.quantity, o.price, "
    "o.stop_price, o.order_id, o.created_ms, o.sent_ms, o.updated_ms, o.state, o.executed_quantity, "
    "o.executed_quote_quantity, o.fee_quantity, o.adopted, a.seq, f.seq FROM orders o "
    "LEFT JOIN audit a ON a.client_order_id = o.client_order_id "
    f"LEFT JOIN audit f ON f.key = '{FOUND}' || o.environment || '/' || o.client_order_id "
    "WHERE o.environment = :environment AND o.account = :account ORDER BY o.intent_seq"
)
INTENT_IDS: Final = "SELECT client_order_id FROM audit WHERE client_order_id IS NOT NULL"
LOGGED_FEES: Final = (
    "SELECT client_order_id, asset, change FROM flows "
    "WHERE environment = :environment AND account = :account AND kind = 'fee' ORDER BY id"
)
