"""Every statement of the log's readers, in SQLite's words, for plain sqlite3.

What runs in a transaction is defined in SQLAlchemy Core, see `guardian.store.definitions`. Much of what the readers
need is SQLite's own, so it is written here: a second engine needs this module a second time, as it needs
`guardian.store.schema.sqlite_dialect`.

All of these are constants. What a caller gives is a parameter, never a part of the text.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from guardian.domain.codes import CREATE_ORDER
from guardian.store.schema.records import CORRECTION, FLOOR, FLOOR_END, FOUND, Proposal
from guardian.store.schema.sqlite_dialect import (
    CALL_EVENT_SQL,
    CALL_PHASES_SQL,
    EVENT_SQL,
    NOT_ADOPTED_SQL,
    OUTSTANDING_SQL,
    PENDING_SQL,
    STATE_SQL,
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
FIRST_AND_LAST_SEQ: Final = (
    # Two statements in one: both in one would be a walk along the whole log.
    "SELECT (SELECT min(seq) FROM audit), (SELECT max(seq) FROM audit)"
)
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

# Listing calls and events: along one index, from the newest row back or from the oldest on

ORDER_COLUMNS: Final = (
    "client_order_id", "proposal_id", "environment", "symbol", "side", "order_type", "quantity", "quote_quantity",
    "price", "stop_price", "quote_asset", "state", "order_id", "executed_quantity", "executed_quote_quantity",
)  # fmt: skip
"""The columns of an order that a line shows, as it is now."""
_ALL_OF: Final = {
    name: ", ".join(f"{name}.{column}" for column in columns)
    for name, columns in (
        ("this", ROW_COLUMNS), ("other", ROW_COLUMNS), ("intent", ROW_COLUMNS), ("placed", ORDER_COLUMNS),
    )
}  # fmt: skip
_THIS, _OTHER, _INTENT, _PLACED = _ALL_OF.values()
_ITS_OUTCOME: Final = f"other.call_id = this.call_id AND other.phase = 'outcome' AND other.{CALL_PHASES_SQL}"
_ITS_INTENT: Final = f"intent.call_id = this.call_id AND intent.phase = 'intent' AND intent.{CALL_PHASES_SQL}"
_LINES: Final = (
    f"SELECT {_THIS}, {_OTHER}, {_INTENT}, {_PLACED} FROM audit this "
    f"LEFT JOIN audit other ON {_ITS_OUTCOME} AND this.phase = 'call' "
    f"LEFT JOIN audit intent ON {_ITS_INTENT} AND this.phase = 'call' AND this.tool = '{CREATE_ORDER}' "
    f"LEFT JOIN orders placed ON placed.call_id = this.call_id AND this.phase = 'call' AND this.tool = '{CREATE_ORDER}'"
)
"""A row with the outcome and the intent of its call and the order that it sent; all NULL where they are missing."""
_NAMED: Final = (
    "(instr(this.body, :name) > 0 OR instr(other.body, :name) > 0 "
    "OR instr(this.body, :proposal) > 0 OR instr(other.body, :proposal) > 0 OR this.call_id = :call_id)"
)
_NARROWED: Final = (
    "(:tool IS NULL OR this.tool = :tool) AND (:outcome IS NULL OR other.outcome IS :outcome) "
    "AND (:client IS NULL OR instr(this.body, :client) > 0) AND (:kind IS NULL OR instr(this.body, :kind) > 0) "
    "AND (:side IS NULL OR placed.side IS NULL OR placed.side = :side) "
    "AND (:side_text IS NULL OR this.phase = 'call' OR instr(this.body, :side_text) > 0) "
    "AND (:symbol IS NULL OR this.symbol = :symbol OR (this.symbol IS NULL AND this.phase = 'call' "
    "AND (placed.symbol IS NULL OR placed.symbol = :symbol))) "
    f"AND (:name IS NULL OR {_NAMED})"
)
"""What SQLite leaves out before a line is made of a row; whoever asks looks at each line again."""
NEWEST_FIRST, OLDEST_FIRST = "DESC", "ASC"


def _walk(where: str, direction: str) -> str:
    """Returns the statement that walks along the rows that a condition holds for, within two rows of the log."""
    return (
        f"{_LINES} WHERE {where} AND this.seq >= :low AND this.seq < :high AND {_NARROWED} "
        f"ORDER BY this.seq {direction} LIMIT :limit"
    )


_WALKS: Final = {
    "all": "this.phase IN ('call', 'event')",
    "tool": "this.phase = 'call' AND this.tool = :of_tool",
    "symbol": "this.phase = 'call' AND this.symbol = :symbol",
    "unnamed": "this.phase = 'call' AND this.tool = :of_tool AND this.symbol IS NULL",
    "event": f"this.{EVENT_SQL}",
    "event of symbol": f"this.{EVENT_SQL} AND this.symbol = :symbol",
}
WALKS: Final = {
    (name, direction): _walk(where, direction)
    for name, where in _WALKS.items()
    for direction in (NEWEST_FIRST, OLDEST_FIRST)
}
"""By what is walked along and the direction: every call and event, or those of a tool, a symbol or a kind.

`unnamed` are calls without a symbol of their own, as those with a token are.
"""
LINE_AT: Final = f"{_LINES} WHERE this.seq = :seq"
CALLS_ENDED: Final = (
    # A call row that somebody removed has its outcome in its place; verify says more.
    "SELECT coalesce(called.seq, ended.seq) FROM audit ended "
    f"LEFT JOIN audit called ON called.call_id = ended.call_id AND called.phase = 'call' AND called.{CALL_PHASES_SQL} "
    "WHERE ended.phase = 'outcome' AND ended.outcome = :outcome AND ended.seq >= :low"
)
CALLS_WITHOUT_OUTCOME: Final = (
    # One walk along the index of calls, which has all that this needs: half a million joins take far longer.
    f"SELECT this.seq FROM (SELECT call_id FROM audit WHERE {CALL_PHASES_SQL} "
    "GROUP BY call_id HAVING max(phase) <> 'outcome') open_call "
    f"JOIN audit this ON this.call_id = open_call.call_id AND this.phase = 'call' AND this.{CALL_PHASES_SQL}"
)
CALLS_IN_STATE: Final = (
    # CROSS JOIN: the few orders first, and not every call.
    f"SELECT this.seq FROM orders CROSS JOIN audit this ON this.call_id = orders.call_id AND this.phase = 'call' "
    f"AND this.{CALL_PHASES_SQL} WHERE orders.state = :state"
)
ROWS_TO_SEARCH: Final = {
    direction: "SELECT seq, phase, call_id, tool, symbol, outcome, body FROM audit "
    f"WHERE seq >= :low AND seq < :high AND +phase <> 'state' ORDER BY seq {direction} LIMIT :limit"
    for direction in (NEWEST_FIRST, OLDEST_FIRST)
}
"""What a text is looked for in, along the whole log: all but the rows about other tables, which are no lines."""
FIRST_SEQ_OF_CALL: Final = f"SELECT min(seq) FROM audit WHERE call_id = :call_id AND {CALL_PHASES_SQL}"
CALLS_UNRESOLVED: Final = (
    # A `+` keeps SQLite from an index that has more rows; no index is named, since somebody may have dropped it.
    "SELECT this.seq FROM orders CROSS JOIN audit this ON this.call_id = orders.call_id "
    f"AND this.phase = 'call' AND this.{CALL_PHASES_SQL} "
    f"WHERE orders.{PENDING_SQL} AND orders.{UNRESOLVED_SQL} ORDER BY +orders.intent_seq"
)
UNRESOLVED_COUNT: Final = f"SELECT count(*) FROM orders WHERE {PENDING_SQL} AND {UNRESOLVED_SQL}"
_WITHIN: Final = "AND seq >= :low AND seq < :high"
COUNT_OF_CALLS: Final = (
    f"SELECT total(phase = 'call'), count(*) FROM audit WHERE {CALL_PHASES_SQL} AND +seq >= :low AND +seq < :high"
)
"""How many calls, and how many rows of calls: the index has all that this needs."""
COUNT_OF_STATES: Final = f"SELECT count(*) FROM audit WHERE {STATE_SQL} AND seq >= :low AND seq < :high"
"""How many rows hold what other tables have, which are no lines."""
COUNT_OF_TOOL: Final = f"SELECT count(*) FROM audit WHERE phase = 'call' AND tool = :tool {_WITHIN}"

# The names that a log knows

NEXT_SYMBOL: Final = "SELECT min(symbol) FROM audit WHERE phase = 'call' AND symbol IS NOT NULL AND symbol > :after"
SYMBOLS_OF_ORDERS: Final = "SELECT DISTINCT symbol FROM orders"
BODIES_OF_NEWEST_CALLS: Final = "SELECT body FROM audit WHERE phase = 'call' ORDER BY seq DESC LIMIT :limit"
_NAMES: Final = "SELECT client_order_id, proposal_id, call_id FROM orders"
NAMES_BY_CLIENT_ORDER_ID: Final = f"{_NAMES} WHERE client_order_id = :name"
NAMES_BY_ORDER_ID: Final = f"{_NAMES} WHERE order_id = :name ORDER BY intent_seq DESC LIMIT 1"
NAMES_BY_CALL: Final = f"{_NAMES} WHERE call_id = :name"
NAMES_OF_LAST: Final = f"{_NAMES} ORDER BY intent_seq DESC LIMIT 1"
NAMES_BY_PROPOSAL: Final = (
    "SELECT proposals.client_order_id, proposals.id, orders.call_id FROM proposals "
    "LEFT JOIN orders ON orders.client_order_id = proposals.client_order_id WHERE proposals.id = :name"
)
QUOTE_ASSET: Final = "SELECT quote_asset FROM orders WHERE client_order_id = :name"

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

KEPT_CHECKPOINT: Final = "SELECT seq, note FROM checkpoints ORDER BY seq DESC LIMIT 1"
MACS_AFTER: Final = (
    "SELECT seq, digest, mac, phase, CASE WHEN mac IS NULL AND phase IN ('event', 'state') THEN body END FROM audit "
    "WHERE seq > :after ORDER BY seq LIMIT :limit"
)
HAS_STATE_ROW: Final = "SELECT EXISTS (SELECT 1 FROM audit WHERE phase = 'state')"
"""Whether the log says what any other table holds."""
FIRST_DIGEST: Final = "SELECT digest FROM audit WHERE seq = 1"
ROWS_OF_SEAL: Final = f"SELECT seq, key, body FROM audit WHERE key >= '{SEAL}' AND key < '{SEAL_END}' ORDER BY seq"
POLICY_ROWS: Final = f"SELECT {_ROW} FROM audit WHERE key >= 'policy:' AND key < 'policy;' ORDER BY seq"
"""Which policies were in force, see `guardian.gate.owner.policy_history`."""
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
    # The price of one book in the facts of each order that was judged and sent; a damaged row has none.
    "SELECT ts_ms, CASE WHEN json_valid(CAST(body AS TEXT)) THEN json_extract(CAST(body AS TEXT), :path) END price "
    "FROM audit INDEXED BY ux_audit_order WHERE client_order_id IS NOT NULL AND environment = :environment "
    "AND account = :account AND typeof(ts_ms) = 'integer' AND price IS NOT NULL ORDER BY seq"
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

# How much was done: counts along one index each, and the latency of the newest calls of each line

# Each names its index: the planner would walk along the rows of the period, which are a hundred times as many bytes.

_PERIOD: Final = "seq >= :low AND seq < :high"
_CALLS_FROM: Final = f"FROM audit INDEXED BY ix_audit_tool WHERE phase = 'call' AND {_PERIOD}"
_NAMED_FROM: Final = f"FROM audit INDEXED BY ix_audit_symbol WHERE phase = 'call' AND symbol IS NOT NULL AND {_PERIOD}"
_ENDS_FROM: Final = f"FROM audit INDEXED BY ix_audit_outcome WHERE phase = 'outcome' AND {_PERIOD}"
CALLS_BY_TOOL: Final = f"SELECT tool, count(*) {_CALLS_FROM} AND tool IS NOT NULL GROUP BY tool"
CALLS_BY_SYMBOL: Final = f"SELECT symbol, count(*) {_NAMED_FROM} GROUP BY symbol"
CALLS_BY_OUTCOME: Final = f"SELECT outcome, count(*) {_ENDS_FROM} AND outcome IS NOT NULL GROUP BY outcome"
CALLS_WITH_TOOL: Final = f"SELECT count(*) {_CALLS_FROM} AND tool = :tool"
DENIED_COUNT: Final = f"SELECT count(*) {_ENDS_FROM} AND outcome = 'denied'"
DENIED_BY_TOOL: Final = f"SELECT tool, count(*) {_ENDS_FROM} AND outcome = 'denied' GROUP BY tool"
DENIED_BY_SYMBOL: Final = f"SELECT symbol, count(*) {_ENDS_FROM} AND outcome = 'denied' GROUP BY symbol"
ORDERS_BY_TOKEN: Final = (
    # The call of an order that a token placed does not name its symbol.
    "SELECT o.symbol, count(*) FROM orders o CROSS JOIN audit c ON c.call_id = o.call_id AND c.phase = 'call' "
    f"AND c.{CALL_PHASES_SQL} WHERE o.intent_seq >= :low AND o.intent_seq < :high AND c.symbol IS NULL "
    "GROUP BY o.symbol"
)
COUNTED_ORDERS: Final = (
    "SELECT o.call_id, o.symbol, o.notional, o.currency, o.state, o.intent_seq, a.outcome FROM orders o "
    f"LEFT JOIN audit a ON a.call_id = o.call_id AND a.phase = 'outcome' AND a.{CALL_PHASES_SQL} "
    "WHERE o.intent_seq >= :low AND o.intent_seq < :high ORDER BY o.intent_seq"
)
_ITS_END: Final = f"o.call_id = c.call_id AND o.phase = 'outcome' AND o.{CALL_PHASES_SQL}"
_ITS_CALL: Final = f"c.call_id = o.call_id AND c.phase = 'call' AND c.{CALL_PHASES_SQL}"


LATENCIES_OF_TOOL: Final = (
    f"SELECT o.ts_ms - c.ts_ms FROM (SELECT call_id, ts_ms {_CALLS_FROM} AND tool = :name "
    f"ORDER BY seq DESC LIMIT :limit) c JOIN audit o ON {_ITS_END}"
)
LATENCIES_OF_SYMBOL: Final = (
    f"SELECT o.ts_ms - c.ts_ms FROM (SELECT call_id, ts_ms {_NAMED_FROM} AND symbol = :name "
    f"ORDER BY seq DESC LIMIT :limit) c JOIN audit o ON {_ITS_END}"
)
LATENCIES_BETWEEN: Final = (
    "SELECT o.ts_ms - c.ts_ms FROM (SELECT call_id, ts_ms FROM audit NOT INDEXED WHERE phase = 'call' "
    f"AND seq >= :low AND seq < :high ORDER BY seq DESC LIMIT :limit) c JOIN audit o ON {_ITS_END}"
)
LATENCIES_OF_OUTCOME: Final = (
    f"SELECT o.ts_ms - c.ts_ms FROM (SELECT call_id, ts_ms {_ENDS_FROM} AND outcome = :name "
    f"ORDER BY seq DESC LIMIT :limit) o JOIN audit c ON {_ITS_CALL}"
)
NEWEST_CALL_BODIES: Final = (
    "SELECT c.seq, c.call_id, c.body FROM audit c NOT INDEXED WHERE c.phase = 'call' AND c.seq >= :low "
    "AND c.seq < :high ORDER BY c.seq DESC LIMIT :limit"
)
NEWEST_ENDS: Final = (
    # With the time of the call; along the outcomes of one kind.
    f"SELECT o.seq, o.body, o.ts_ms - c.ts_ms FROM (SELECT seq, call_id, ts_ms, body {_ENDS_FROM} "
    f"AND outcome = :name ORDER BY seq DESC LIMIT :limit) o LEFT JOIN audit c ON {_ITS_CALL}"
)
ENDS_OF_CALLS: Final = (
    f"SELECT c.call_id, o.outcome, o.ts_ms - c.ts_ms FROM (SELECT call_id, ts_ms FROM audit NOT INDEXED "
    "WHERE phase = 'call' AND seq >= :low AND seq < :high ORDER BY seq DESC LIMIT :limit) c "
    f"JOIN audit o ON {_ITS_END}"
)
