"""The schema and every writing statement of the store, in SQLite's words: see `guardian.store.definitions`.

Generated; do not edit. This writes it again:

    python -m guardian.store.definitions.sqlite_module > guardian/store/schema/sqlite_statements.py

What a caller gives is a parameter, never a part of the text.
"""

from __future__ import annotations

from typing import Final

from guardian.store.schema.compiled_statement import CompiledStatement, LoggedTable

# fmt: off

# The schema

SCHEMA: Final = (
    (
    "CREATE TABLE accounts ( environment VARCHAR NOT NULL, fingerprint VARCHAR NOT NULL, account TEXT NOT NULL, "
    "first_seen_ms INTEGER NOT NULL, PRIMARY KEY (environment, fingerprint) )"
    ),
    (
    "CREATE TABLE acts ( id INTEGER NOT NULL, environment TEXT NOT NULL, account TEXT NOT NULL, seq INTEGER NOT "
    "NULL, ts_ms INTEGER NOT NULL, what TEXT NOT NULL, PRIMARY KEY (id) )"
    ),
    (
    "CREATE TABLE audit ( seq INTEGER NOT NULL, prev_hash BLOB NOT NULL, digest BLOB NOT NULL, call_id TEXT, "
    "phase TEXT NOT NULL, ts_ms INTEGER NOT NULL, tool TEXT, symbol TEXT, outcome TEXT, environment TEXT, account"
    " TEXT, \"key\" TEXT, body BLOB NOT NULL, client_order_id TEXT GENERATED ALWAYS AS (CASE WHEN phase = 'intent' "
    "THEN 'g1-' || lower(substr(hex(digest), 1, 32)) END) VIRTUAL, mac BLOB, PRIMARY KEY (seq), UNIQUE "
    "(prev_hash), UNIQUE (digest) )"
    ),
    (
    "CREATE TABLE checkpoints ( seq INTEGER NOT NULL, note TEXT NOT NULL, PRIMARY KEY (seq) )"
    ),
    (
    "CREATE TABLE control ( id INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT, since_ms INTEGER, \"by\" TEXT, "
    "window_ms INTEGER NOT NULL, PRIMARY KEY (id) )"
    ),
    (
    "CREATE TABLE flows ( id INTEGER NOT NULL, environment TEXT NOT NULL, account TEXT NOT NULL, symbol TEXT NOT "
    "NULL, client_order_id TEXT NOT NULL, ts_ms INTEGER NOT NULL, clock_ms INTEGER NOT NULL, kind TEXT NOT NULL, "
    "asset TEXT NOT NULL, change TEXT NOT NULL, PRIMARY KEY (id) )"
    ),
    (
    "CREATE TABLE holdings ( environment VARCHAR NOT NULL, account VARCHAR NOT NULL, symbol VARCHAR NOT NULL, "
    "asset VARCHAR NOT NULL, base_asset TEXT NOT NULL, quote_asset TEXT NOT NULL, quantity TEXT NOT NULL, "
    "last_price TEXT, PRIMARY KEY (environment, account, symbol, asset) )"
    ),
    (
    "CREATE TABLE leases ( name VARCHAR NOT NULL, holder TEXT NOT NULL, expires_ms INTEGER NOT NULL, renewals "
    "INTEGER NOT NULL, PRIMARY KEY (name) )"
    ),
    (
    "CREATE TABLE mandates ( ordinal INTEGER NOT NULL, id TEXT NOT NULL, environment TEXT NOT NULL, account TEXT "
    "NOT NULL, currency TEXT NOT NULL, budget TEXT NOT NULL, max_order TEXT, symbols TEXT NOT NULL, policy_digest"
    " TEXT NOT NULL, policy_text TEXT NOT NULL, approval_seq INTEGER NOT NULL, created_ms INTEGER NOT NULL, "
    "expires_ms INTEGER NOT NULL, ended_ms INTEGER, ended_reason TEXT, PRIMARY KEY (ordinal), UNIQUE (id) )"
    ),
    (
    "CREATE TABLE marks ( name VARCHAR NOT NULL, ts_ms INTEGER NOT NULL, PRIMARY KEY (name) )"
    ),
    (
    "CREATE TABLE orders ( client_order_id VARCHAR NOT NULL, intent_seq INTEGER NOT NULL, environment TEXT NOT "
    "NULL, account TEXT NOT NULL, call_id TEXT, proposal_id TEXT, symbol TEXT NOT NULL, base_asset TEXT NOT NULL,"
    " quote_asset TEXT NOT NULL, side TEXT NOT NULL, order_type TEXT NOT NULL, wire_type TEXT NOT NULL, "
    "time_in_force TEXT, price TEXT, stop_price TEXT, quantity TEXT NOT NULL, quote_quantity TEXT, fingerprint "
    "TEXT NOT NULL, notional TEXT NOT NULL, quote_notional TEXT NOT NULL, currency TEXT NOT NULL, is_exit BOOLEAN"
    " NOT NULL, confirmed BOOLEAN NOT NULL, mandate_id TEXT, reserved_ms INTEGER NOT NULL, sent_ms INTEGER NOT "
    "NULL, state TEXT NOT NULL, order_id INTEGER, executed_quantity TEXT NOT NULL, executed_quote_quantity TEXT "
    "NOT NULL, fee_quantity TEXT NOT NULL, updated_ms INTEGER NOT NULL, corrections INTEGER NOT NULL, created_ms "
    "INTEGER, exchange_status TEXT, amended_quantity TEXT, absent_ms INTEGER NOT NULL, given_up BOOLEAN NOT NULL,"
    " adopted BOOLEAN NOT NULL, PRIMARY KEY (client_order_id), UNIQUE (intent_seq), UNIQUE (call_id), UNIQUE "
    "(proposal_id) )"
    ),
    (
    "CREATE TABLE owner ( id INTEGER NOT NULL, floor TEXT NOT NULL, pin_since_ms INTEGER, pin_digest TEXT, "
    "pin_tries INTEGER NOT NULL, PRIMARY KEY (id) )"
    ),
    (
    "CREATE TABLE owner_changes ( id INTEGER NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL, requested_ms "
    "INTEGER NOT NULL, effective_ms INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (id) )"
    ),
    (
    "CREATE TABLE passkeys ( credential_id VARCHAR NOT NULL, public_key TEXT NOT NULL, name TEXT NOT NULL, "
    "sign_count INTEGER NOT NULL, created_ms INTEGER NOT NULL, removed_ms INTEGER, PRIMARY KEY (credential_id) )"
    ),
    (
    "CREATE TABLE policies ( ordinal INTEGER NOT NULL, digest TEXT NOT NULL, text TEXT NOT NULL, stored_ms "
    "INTEGER NOT NULL, PRIMARY KEY (ordinal) )"
    ),
    (
    "CREATE TABLE policy_approvals ( ordinal INTEGER NOT NULL, environment TEXT NOT NULL, digest TEXT NOT NULL, "
    "text TEXT NOT NULL, approval_seq INTEGER NOT NULL, approved_ms INTEGER NOT NULL, effective_ms INTEGER NOT "
    "NULL, PRIMARY KEY (ordinal) )"
    ),
    (
    "CREATE TABLE proposals ( ordinal INTEGER NOT NULL, id TEXT NOT NULL, environment TEXT NOT NULL, account TEXT"
    " NOT NULL, order_key TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, spec TEXT NOT NULL, resolved "
    "TEXT NOT NULL, policy_digest TEXT NOT NULL, policy_source TEXT NOT NULL, token_ttl_ms INTEGER NOT NULL, "
    "notional TEXT NOT NULL, quote_notional TEXT NOT NULL, quote_asset TEXT NOT NULL, currency TEXT NOT NULL, "
    "shown_bid TEXT NOT NULL, shown_ask TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, "
    "state TEXT NOT NULL, token_digest TEXT, token_expires_ms INTEGER, approved_ms INTEGER, proof TEXT, "
    "approval_seq INTEGER, reason TEXT, client_order_id TEXT, PRIMARY KEY (ordinal), UNIQUE (id), UNIQUE "
    "(token_digest), UNIQUE (client_order_id) )"
    ),
    (
    "CREATE TABLE redemptions ( proposal_id VARCHAR NOT NULL, token_digest TEXT NOT NULL, client_order_id TEXT "
    "NOT NULL, ts_ms INTEGER NOT NULL, PRIMARY KEY (proposal_id), UNIQUE (token_digest), UNIQUE (client_order_id)"
    " )"
    ),
    (
    "CREATE TABLE slicing ( id INTEGER NOT NULL, environment TEXT NOT NULL, account TEXT NOT NULL, symbol TEXT "
    "NOT NULL, side TEXT NOT NULL, since_ms INTEGER NOT NULL, since_seq INTEGER NOT NULL, PRIMARY KEY (id) )"
    ),
    (
    "CREATE INDEX ix_acts_scope ON acts (environment, account, seq)"
    ),
    (
    "CREATE INDEX ix_audit_event ON audit (call_id) WHERE phase = 'event' AND call_id IS NOT NULL"
    ),
    (
    "CREATE INDEX ix_audit_event_seq ON audit (phase, seq) WHERE phase = 'event'"
    ),
    (
    "CREATE INDEX ix_audit_minute ON audit (ts_ms) WHERE phase = 'call' AND tool <> 'cancel_order'"
    ),
    (
    "CREATE INDEX ix_audit_outcome ON audit (outcome, seq) WHERE phase = 'outcome'"
    ),
    (
    "CREATE INDEX ix_audit_state ON audit (phase, seq) WHERE phase = 'state'"
    ),
    (
    "CREATE INDEX ix_audit_symbol ON audit (symbol, seq) WHERE phase = 'call' AND symbol IS NOT NULL"
    ),
    (
    "CREATE INDEX ix_audit_tool ON audit (tool, seq) WHERE phase = 'call'"
    ),
    (
    "CREATE INDEX ix_flows_clock ON flows (environment, account, clock_ms)"
    ),
    (
    "CREATE INDEX ix_flows_order ON flows (client_order_id)"
    ),
    (
    "CREATE INDEX ix_flows_window ON flows (environment, account, ts_ms)"
    ),
    (
    "CREATE INDEX ix_holdings_asset ON holdings (environment, account, asset)"
    ),
    (
    "CREATE INDEX ix_mandates_scope ON mandates (environment, account, ended_ms)"
    ),
    (
    "CREATE INDEX ix_orders_fees ON orders (environment, account) WHERE executed_quantity <> fee_quantity AND "
    "order_id IS NOT NULL AND adopted = 1"
    ),
    (
    "CREATE INDEX ix_orders_fingerprint ON orders (environment, account, fingerprint, reserved_ms)"
    ),
    (
    "CREATE INDEX ix_orders_found ON orders (adopted) WHERE adopted = 0"
    ),
    (
    "CREATE INDEX ix_orders_mandate ON orders (mandate_id) WHERE mandate_id IS NOT NULL"
    ),
    (
    "CREATE INDEX ix_orders_pending ON orders (environment, account) WHERE state IN ('open', 'part_filled', "
    "'reserved', 'unknown')"
    ),
    (
    "CREATE INDEX ix_orders_sent ON orders (environment, account, sent_ms)"
    ),
    (
    "CREATE INDEX ix_orders_seq ON orders (environment, account, intent_seq)"
    ),
    (
    "CREATE INDEX ix_orders_symbol ON orders (environment, account, symbol, order_id)"
    ),
    (
    "CREATE INDEX ix_orders_window ON orders (environment, account, reserved_ms)"
    ),
    (
    "CREATE INDEX ix_policy_approvals ON policy_approvals (environment, ordinal)"
    ),
    (
    "CREATE INDEX ix_proposals_order ON proposals (environment, account, order_key)"
    ),
    (
    "CREATE INDEX ix_proposals_waiting ON proposals (state) WHERE state IN ('waiting', 'approved')"
    ),
    (
    "CREATE INDEX ix_slicing_scope ON slicing (environment, account, symbol, side)"
    ),
    (
    "CREATE UNIQUE INDEX ux_audit_call_phase ON audit (call_id, phase) WHERE phase IN ('call', 'intent', "
    "'outcome')"
    ),
    (
    "CREATE UNIQUE INDEX ux_audit_key ON audit (\"key\") WHERE key IS NOT NULL"
    ),
    (
    "CREATE UNIQUE INDEX ux_audit_order ON audit (client_order_id) WHERE client_order_id IS NOT NULL"
    ),
    (
    "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'append-only'); END"
    ),
    (
    "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'append-only'); END"
    ),
    (
    "CREATE TRIGGER orders_no_delete BEFORE DELETE ON orders BEGIN SELECT RAISE(ABORT, 'orders are kept'); END"
    ),
    (
    "CREATE TRIGGER orders_fixed BEFORE UPDATE OF client_order_id, intent_seq, environment, account, call_id, "
    "proposal_id, symbol, base_asset, quote_asset, side, order_type, wire_type, time_in_force, price, stop_price,"
    " quantity, quote_quantity, fingerprint, notional, quote_notional, currency, is_exit, confirmed, mandate_id, "
    "reserved_ms, sent_ms ON orders BEGIN SELECT RAISE(ABORT, 'what an order counts for never changes'); END"
    ),
    (
    "CREATE TRIGGER orders_born BEFORE INSERT ON orders WHEN NEW.state <> 'reserved' OR NEW.corrections <> 0 "
    "BEGIN SELECT RAISE(ABORT, 'an order begins as reserved'); END"
    ),
    (
    "CREATE TRIGGER orders_moves BEFORE UPDATE OF state, corrections ON orders WHEN (NEW.state <> OLD.state OR "
    "NEW.corrections <> OLD.corrections) AND NOT (NEW.corrections = OLD.corrections AND ((OLD.state = 'reserved' "
    "AND NEW.state IN ('cancelled', 'expired', 'filled', 'not_placed', 'open', 'part_filled', 'rejected', "
    "'unknown')) OR (OLD.state = 'unknown' AND NEW.state IN ('cancelled', 'expired', 'filled', 'not_placed', "
    "'open', 'part_filled', 'rejected')) OR (OLD.state = 'open' AND NEW.state IN ('cancelled', 'expired', "
    "'filled', 'part_filled', 'unknown')) OR (OLD.state = 'part_filled' AND NEW.state IN ('cancelled', 'expired',"
    " 'filled', 'unknown')))) AND NOT (NEW.corrections = OLD.corrections + 1 AND ((OLD.state = 'not_placed' AND "
    "NEW.state IN ('cancelled', 'expired', 'filled', 'open', 'part_filled')) OR (OLD.state = 'rejected' AND "
    "NEW.state IN ('cancelled', 'expired', 'filled', 'open', 'part_filled')) OR (OLD.state = 'cancelled' AND "
    "NEW.state IN ('open', 'part_filled')) OR (OLD.state = 'expired' AND NEW.state IN ('open', 'part_filled'))) "
    "AND EXISTS (SELECT 1 FROM audit WHERE key = 'corrected/' || OLD.client_order_id || '/' || NEW.corrections "
    "AND phase = 'event')) BEGIN SELECT RAISE(ABORT, 'not a listed move; nothing leaves a final state'); END"
    ),
    (
    "CREATE TRIGGER flows_no_update BEFORE UPDATE ON flows BEGIN SELECT RAISE(ABORT, 'append-only'); END"
    ),
    (
    "CREATE TRIGGER flows_no_delete BEFORE DELETE ON flows BEGIN SELECT RAISE(ABORT, 'append-only'); END"
    ),
    (
    "CREATE TRIGGER accounts_no_update BEFORE UPDATE ON accounts BEGIN SELECT RAISE(ABORT, 'keys stay with their "
    "account'); END"
    ),
    (
    "CREATE TRIGGER accounts_no_delete BEFORE DELETE ON accounts BEGIN SELECT RAISE(ABORT, 'keys stay with their "
    "account'); END"
    ),
    (
    "CREATE TRIGGER proposals_no_delete BEFORE DELETE ON proposals BEGIN SELECT RAISE(ABORT, 'proposals are "
    "kept'); END"
    ),
    (
    "CREATE TRIGGER proposals_ended BEFORE UPDATE ON proposals WHEN OLD.state NOT IN ('waiting', 'approved') "
    "BEGIN SELECT RAISE(ABORT, 'a proposal ends once'); END"
    ),
    (
    "CREATE TRIGGER mandates_no_delete BEFORE DELETE ON mandates BEGIN SELECT RAISE(ABORT, 'mandates are kept'); "
    "END"
    ),
    (
    "CREATE TRIGGER mandates_ended BEFORE UPDATE ON mandates WHEN OLD.ended_ms IS NOT NULL BEGIN SELECT "
    "RAISE(ABORT, 'a mandate ends once'); END"
    ),
    (
    "CREATE TRIGGER policy_approvals_no_update BEFORE UPDATE ON policy_approvals BEGIN SELECT RAISE(ABORT, "
    "'append-only'); END"
    ),
    (
    "CREATE TRIGGER policy_approvals_no_delete BEFORE DELETE ON policy_approvals BEGIN SELECT RAISE(ABORT, "
    "'append-only'); END"
    ),
    (
    "CREATE TRIGGER passkeys_no_delete BEFORE DELETE ON passkeys BEGIN SELECT RAISE(ABORT, 'passkeys are kept'); "
    "END"
    ),
    (
    "CREATE TRIGGER redemptions_no_update BEFORE UPDATE ON redemptions BEGIN SELECT RAISE(ABORT, 'append-only'); "
    "END"
    ),
    (
    "CREATE TRIGGER redemptions_no_delete BEFORE DELETE ON redemptions BEGIN SELECT RAISE(ABORT, 'append-only'); "
    "END"
    ),
    (
    "INSERT INTO control (id, state, window_ms) VALUES (1, 'active', 0)"
    ),
    (
    "INSERT INTO owner (id, floor, pin_tries) VALUES (1, 'terminal', 0)"
    ),
    (
    "PRAGMA application_id = 1735550001"
    ),
    (
    "PRAGMA user_version = 6"
    ),
)
"""What creates everything of a new file, in this order."""

# The tables whose rows the log has

LOGGED: Final = {
    "accounts": LoggedTable(
        "accounts",
        (
        "environment", "fingerprint",
        ),
        (
        "environment", "fingerprint", "account", "first_seen_ms",
        ),
    ),
    "acts": LoggedTable(
        "acts",
        (
        "id",
        ),
        (
        "id", "environment", "account", "seq", "ts_ms", "what",
        ),
    ),
    "control": LoggedTable(
        "control",
        (
        "id",
        ),
        (
        "id", "state", "reason", "since_ms", "by",
        ),
        frozenset({
        "by", "reason", "since_ms", "state",
        }),
    ),
    "flows": LoggedTable(
        "flows",
        (
        "id",
        ),
        (
        "id", "environment", "account", "symbol", "client_order_id", "ts_ms", "clock_ms", "kind", "asset",
        "change",
        ),
    ),
    "holdings": LoggedTable(
        "holdings",
        (
        "environment", "account", "symbol", "asset",
        ),
        (
        "environment", "account", "symbol", "asset", "base_asset", "quote_asset", "quantity", "last_price",
        ),
        frozenset({
        "last_price", "quantity",
        }),
    ),
    "mandates": LoggedTable(
        "mandates",
        (
        "ordinal",
        ),
        (
        "ordinal", "id", "environment", "account", "currency", "budget", "max_order", "symbols",
        "policy_digest", "policy_text", "approval_seq", "created_ms", "expires_ms", "ended_ms",
        "ended_reason",
        ),
        frozenset({
        "ended_ms", "ended_reason", "policy_digest", "policy_text",
        }),
    ),
    "marks": LoggedTable(
        "marks",
        (
        "name",
        ),
        (
        "name", "ts_ms",
        ),
        frozenset({
        "ts_ms",
        }),
    ),
    "orders": LoggedTable(
        "orders",
        (
        "client_order_id",
        ),
        (
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
        ),
        frozenset({
        "absent_ms", "adopted", "amended_quantity", "corrections", "created_ms", "exchange_status",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "given_up", "order_id", "state",
        "updated_ms",
        }),
    ),
    "owner": LoggedTable(
        "owner",
        (
        "id",
        ),
        (
        "id", "floor", "pin_since_ms", "pin_digest", "pin_tries",
        ),
        frozenset({
        "floor", "pin_digest", "pin_since_ms", "pin_tries",
        }),
    ),
    "owner_changes": LoggedTable(
        "owner_changes",
        (
        "id",
        ),
        (
        "id", "kind", "detail", "requested_ms", "effective_ms", "state",
        ),
        frozenset({
        "state",
        }),
    ),
    "passkeys": LoggedTable(
        "passkeys",
        (
        "credential_id",
        ),
        (
        "credential_id", "public_key", "name", "sign_count", "created_ms", "removed_ms",
        ),
        frozenset({
        "removed_ms", "sign_count",
        }),
    ),
    "policies": LoggedTable(
        "policies",
        (
        "ordinal",
        ),
        (
        "ordinal", "digest", "text", "stored_ms",
        ),
    ),
    "policy_approvals": LoggedTable(
        "policy_approvals",
        (
        "ordinal",
        ),
        (
        "ordinal", "environment", "digest", "text", "approval_seq", "approved_ms", "effective_ms",
        ),
    ),
    "proposals": LoggedTable(
        "proposals",
        (
        "ordinal",
        ),
        (
        "ordinal", "id", "environment", "account", "order_key", "symbol", "side", "spec", "resolved",
        "policy_digest", "policy_source", "token_ttl_ms", "notional", "quote_notional", "quote_asset",
        "currency", "shown_bid", "shown_ask", "created_ms", "expires_ms", "state", "token_digest",
        "token_expires_ms", "approved_ms", "proof", "approval_seq", "reason", "client_order_id",
        ),
        frozenset({
        "approval_seq", "approved_ms", "client_order_id", "proof", "reason", "state", "token_digest",
        "token_expires_ms",
        }),
    ),
    "redemptions": LoggedTable(
        "redemptions",
        (
        "proposal_id",
        ),
        (
        "proposal_id", "token_digest", "client_order_id", "ts_ms",
        ),
    ),
    "slicing": LoggedTable(
        "slicing",
        (
        "id",
        ),
        (
        "id", "environment", "account", "symbol", "side", "since_ms", "since_seq",
        ),
        frozenset({
        "since_ms",
        }),
    ),
}
"""By name."""

# guardian.store.definitions.log_statements

APPEND_ROW: Final = CompiledStatement(
    "INSERT INTO audit (seq, prev_hash, digest, call_id, phase, ts_ms, tool, symbol, outcome, environment, "
    "account, \"key\", body, mac) VALUES (:seq, :prev_hash, :digest, :call_id, :phase, :ts_ms, :tool, :symbol, "
    ":outcome, :environment, :account, :key, :body, :mac)",
    parameters=frozenset({
        "account", "body", "call_id", "digest", "environment", "key", "mac", "outcome", "phase",
        "prev_hash", "seq", "symbol", "tool", "ts_ms",
    }),
)
READS_SINCE: Final = CompiledStatement(
    "SELECT count(*) AS calls "
    "FROM audit INDEXED BY ix_audit_minute "
    "WHERE phase = 'call' AND tool <> 'cancel_order' AND audit.ts_ms > :since AND audit.ts_ms <= :now AND "
    "audit.tool != 'create_order'",
    parameters=frozenset({
        "now", "since",
    }),
    columns=(
        "calls",
    ),
)
CREATES_SINCE: Final = CompiledStatement(
    "SELECT count(*) AS calls "
    "FROM audit INDEXED BY ix_audit_minute "
    "WHERE phase = 'call' AND tool <> 'cancel_order' AND audit.ts_ms > :since AND audit.ts_ms <= :now AND "
    "audit.tool = 'create_order' AND audit.\"key\" IS NULL",
    parameters=frozenset({
        "now", "since",
    }),
    columns=(
        "calls",
    ),
)
LAST_ROW: Final = CompiledStatement(
    "SELECT audit.seq, audit.digest, audit.phase, audit.call_id, audit.ts_ms, audit.client_order_id "
    "FROM audit ORDER BY audit.seq DESC "
    "LIMIT 1 OFFSET 0",
    columns=(
        "seq", "digest", "phase", "call_id", "ts_ms", "client_order_id",
    ),
)
BODY_AT: Final = CompiledStatement(
    "SELECT audit.body "
    "FROM audit "
    "WHERE audit.seq = :seq",
    parameters=frozenset({
        "seq",
    }),
    columns=(
        "body",
    ),
)
FIRST_DIGEST: Final = CompiledStatement(
    "SELECT audit.digest "
    "FROM audit "
    "WHERE audit.seq = 1",
    columns=(
        "digest",
    ),
)
SEQ_OF_KEY: Final = CompiledStatement(
    "SELECT audit.seq "
    "FROM audit "
    "WHERE audit.\"key\" = :key",
    parameters=frozenset({
        "key",
    }),
    columns=(
        "seq",
    ),
)
BODIES_OF_KEYS: Final = CompiledStatement(
    "SELECT audit.body "
    "FROM audit "
    "WHERE audit.\"key\" >= :low AND audit.\"key\" < :high",
    parameters=frozenset({
        "high", "low",
    }),
    columns=(
        "body",
    ),
)
NEWEST_BODY_OF_KEYS: Final = CompiledStatement(
    "SELECT audit.body "
    "FROM audit "
    "WHERE audit.\"key\" >= :low AND audit.\"key\" < :high ORDER BY audit.seq DESC "
    "LIMIT 1 OFFSET 0",
    parameters=frozenset({
        "high", "low",
    }),
    columns=(
        "body",
    ),
)
INTENT_OF_ORDER: Final = CompiledStatement(
    "SELECT audit.seq, audit.call_id "
    "FROM audit "
    "WHERE audit.client_order_id = :name",
    parameters=frozenset({
        "name",
    }),
    columns=(
        "seq", "call_id",
    ),
)
LOG_TAIL: Final = CompiledStatement(
    "SELECT CASE WHEN (typeof(control.window_ms) = 'integer') THEN control.window_ms END AS window_ms, last.seq, "
    "last.digest, last.prev_hash, CASE WHEN (typeof(last.ts_ms) = 'integer') THEN last.ts_ms END AS ts_ms, CASE "
    "WHEN (last.seq = :seq AND last.digest = :digest) THEN NULL ELSE last.body END AS body, known.digest AS known"
    " "
    "FROM control LEFT OUTER JOIN (SELECT audit.seq AS seq, audit.digest AS digest, audit.prev_hash AS prev_hash,"
    " audit.ts_ms AS ts_ms, audit.body AS body "
    "FROM audit ORDER BY audit.seq DESC "
    "LIMIT 1 OFFSET 0) AS last ON 1 = 1 LEFT OUTER JOIN audit AS known ON known.seq = :seq "
    "WHERE control.id = 1",
    parameters=frozenset({
        "digest", "seq",
    }),
    columns=(
        "window_ms", "seq", "digest", "prev_hash", "ts_ms", "body", "known",
    ),
)
TRADING_STATUS: Final = CompiledStatement(
    "SELECT control.state, control.reason, control.since_ms, control.\"by\" "
    "FROM control",
    columns=(
        "state", "reason", "since_ms", "by",
    ),
)
SET_TRADING: Final = CompiledStatement(
    "UPDATE control SET state=:state, reason=:reason, since_ms=:since_ms, \"by\"=:by WHERE control.id = 1 RETURNING"
    " id, state, reason, since_ms, \"by\"",
    parameters=frozenset({
        "by", "reason", "since_ms", "state",
    }),
    logged=LOGGED["control"],
    sets=frozenset({
        "by", "reason", "since_ms", "state",
    }),
)
SET_TRADING_REASON: Final = CompiledStatement(
    "UPDATE control SET reason=:reason WHERE control.id = 1 RETURNING id, state, reason, since_ms, \"by\"",
    parameters=frozenset({
        "reason",
    }),
    logged=LOGGED["control"],
    sets=frozenset({
        "reason",
    }),
)
SET_WINDOW: Final = CompiledStatement(
    "UPDATE control SET window_ms=:now WHERE control.id = 1",
    parameters=frozenset({
        "now",
    }),
)
KEEP_WINDOW: Final = CompiledStatement(
    "UPDATE control SET window_ms=:now WHERE control.id = 1 AND control.window_ms < :now",
    parameters=frozenset({
        "now",
    }),
)

# guardian.store.definitions.order_statements

INSERT_ORDER: Final = CompiledStatement(
    "INSERT INTO orders (client_order_id, intent_seq, environment, account, call_id, proposal_id, symbol, "
    "base_asset, quote_asset, side, order_type, wire_type, time_in_force, price, stop_price, quantity, "
    "quote_quantity, fingerprint, notional, quote_notional, currency, is_exit, confirmed, mandate_id, "
    "reserved_ms, sent_ms, state, order_id, executed_quantity, executed_quote_quantity, fee_quantity, updated_ms,"
    " corrections, created_ms, exchange_status, amended_quantity, absent_ms, given_up, adopted) VALUES "
    "(:client_order_id, :intent_seq, :environment, :account, :call_id, :proposal_id, :symbol, :base_asset, "
    ":quote_asset, :side, :order_type, :wire_type, :time_in_force, :price, :stop_price, :quantity, "
    ":quote_quantity, :fingerprint, :notional, :quote_notional, :currency, :is_exit, :confirmed, :mandate_id, "
    ":reserved_ms, :sent_ms, :state, :order_id, :executed_quantity, :executed_quote_quantity, :fee_quantity, "
    ":updated_ms, :corrections, :created_ms, :exchange_status, :amended_quantity, :absent_ms, :given_up, "
    ":adopted) RETURNING client_order_id, intent_seq, environment, account, call_id, proposal_id, symbol, "
    "base_asset, quote_asset, side, order_type, wire_type, time_in_force, price, stop_price, quantity, "
    "quote_quantity, fingerprint, notional, quote_notional, currency, is_exit, confirmed, mandate_id, "
    "reserved_ms, sent_ms, state, order_id, executed_quantity, executed_quote_quantity, fee_quantity, updated_ms,"
    " corrections, created_ms, exchange_status, amended_quantity, absent_ms, given_up, adopted",
    parameters=frozenset({
        "absent_ms", "account", "adopted", "amended_quantity", "base_asset", "call_id", "client_order_id",
        "confirmed", "corrections", "created_ms", "currency", "environment", "exchange_status",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "fingerprint", "given_up",
        "intent_seq", "is_exit", "mandate_id", "notional", "order_id", "order_type", "price", "proposal_id",
        "quantity", "quote_asset", "quote_notional", "quote_quantity", "reserved_ms", "sent_ms", "side",
        "state", "stop_price", "symbol", "time_in_force", "updated_ms", "wire_type",
    }),
    logged=LOGGED["orders"],
)
MOVE_ORDER: Final = CompiledStatement(
    "UPDATE orders SET state=:state, order_id=:order_id, executed_quantity=:executed_quantity, "
    "executed_quote_quantity=:executed_quote_quantity, fee_quantity=:fee_quantity, updated_ms=:updated_ms, "
    "corrections=:corrections, created_ms=:created_ms, exchange_status=:exchange_status, "
    "amended_quantity=:amended_quantity, given_up=:given_up WHERE orders.client_order_id = :name RETURNING "
    "client_order_id, intent_seq, environment, account, call_id, proposal_id, symbol, base_asset, quote_asset, "
    "side, order_type, wire_type, time_in_force, price, stop_price, quantity, quote_quantity, fingerprint, "
    "notional, quote_notional, currency, is_exit, confirmed, mandate_id, reserved_ms, sent_ms, state, order_id, "
    "executed_quantity, executed_quote_quantity, fee_quantity, updated_ms, corrections, created_ms, "
    "exchange_status, amended_quantity, absent_ms, given_up, adopted",
    parameters=frozenset({
        "amended_quantity", "corrections", "created_ms", "exchange_status", "executed_quantity",
        "executed_quote_quantity", "fee_quantity", "given_up", "name", "order_id", "state", "updated_ms",
    }),
    logged=LOGGED["orders"],
    sets=frozenset({
        "amended_quantity", "corrections", "created_ms", "exchange_status", "executed_quantity",
        "executed_quote_quantity", "fee_quantity", "given_up", "order_id", "state", "updated_ms",
    }),
)
SET_ABSENT: Final = CompiledStatement(
    "UPDATE orders SET absent_ms=:absent_ms WHERE orders.client_order_id = :name RETURNING client_order_id, "
    "intent_seq, environment, account, call_id, proposal_id, symbol, base_asset, quote_asset, side, order_type, "
    "wire_type, time_in_force, price, stop_price, quantity, quote_quantity, fingerprint, notional, "
    "quote_notional, currency, is_exit, confirmed, mandate_id, reserved_ms, sent_ms, state, order_id, "
    "executed_quantity, executed_quote_quantity, fee_quantity, updated_ms, corrections, created_ms, "
    "exchange_status, amended_quantity, absent_ms, given_up, adopted",
    parameters=frozenset({
        "absent_ms", "name",
    }),
    logged=LOGGED["orders"],
    sets=frozenset({
        "absent_ms",
    }),
)
ADOPT_ORDER: Final = CompiledStatement(
    "UPDATE orders SET adopted=1 WHERE orders.client_order_id = :name RETURNING client_order_id, intent_seq, "
    "environment, account, call_id, proposal_id, symbol, base_asset, quote_asset, side, order_type, wire_type, "
    "time_in_force, price, stop_price, quantity, quote_quantity, fingerprint, notional, quote_notional, currency,"
    " is_exit, confirmed, mandate_id, reserved_ms, sent_ms, state, order_id, executed_quantity, "
    "executed_quote_quantity, fee_quantity, updated_ms, corrections, created_ms, exchange_status, "
    "amended_quantity, absent_ms, given_up, adopted",
    parameters=frozenset({
        "name",
    }),
    logged=LOGGED["orders"],
    sets=frozenset({
        "adopted",
    }),
)
ORDER_BY_NAME: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders "
    "WHERE orders.client_order_id = :name",
    parameters=frozenset({
        "name",
    }),
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)
ORDER_BY_EXCHANGE_ID: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders INDEXED BY ix_orders_symbol "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.symbol = :symbol AND "
    "orders.order_id = :number ORDER BY orders.intent_seq DESC "
    "LIMIT 1 OFFSET 0",
    parameters=frozenset({
        "account", "environment", "number", "symbol",
    }),
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)
TWO_ORDERS_BY_EXCHANGE_ID: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders INDEXED BY ix_orders_symbol "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.symbol = :symbol AND "
    "orders.order_id = :number ORDER BY orders.intent_seq DESC "
    "LIMIT 2 OFFSET 0",
    parameters=frozenset({
        "account", "environment", "number", "symbol",
    }),
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)
ENVIRONMENT_AFTER: Final = CompiledStatement(
    "SELECT orders.environment "
    "FROM orders INDEXED BY ix_orders_symbol "
    "WHERE orders.environment > :environment ORDER BY orders.environment "
    "LIMIT 1 OFFSET 0",
    parameters=frozenset({
        "environment",
    }),
    columns=(
        "environment",
    ),
)
ACCOUNT_AFTER: Final = CompiledStatement(
    "SELECT orders.account "
    "FROM orders INDEXED BY ix_orders_symbol "
    "WHERE orders.environment = :environment AND orders.account > :account ORDER BY orders.account "
    "LIMIT 1 OFFSET 0",
    parameters=frozenset({
        "account", "environment",
    }),
    columns=(
        "account",
    ),
)
NEWEST_ENVIRONMENT: Final = CompiledStatement(
    "SELECT orders.environment "
    "FROM orders ORDER BY orders.intent_seq DESC "
    "LIMIT 1 OFFSET 0",
    columns=(
        "environment",
    ),
)
RESERVED_SINCE: Final = CompiledStatement(
    "SELECT count(*) AS orders "
    "FROM orders "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.reserved_ms > :after AND "
    "orders.reserved_ms <= :now",
    parameters=frozenset({
        "account", "after", "environment", "now",
    }),
    columns=(
        "orders",
    ),
)
NOT_ADOPTED_ORDERS: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders "
    "WHERE adopted = 0 ORDER BY orders.intent_seq",
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)
PENDING_ORDERS: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders INDEXED BY ix_orders_pending "
    "WHERE state IN ('open', 'part_filled', 'reserved', 'unknown') ORDER BY orders.intent_seq",
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)
PENDING_ORDERS_IN_SCOPE: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders INDEXED BY ix_orders_pending "
    "WHERE state IN ('open', 'part_filled', 'reserved', 'unknown') AND orders.environment = :environment AND "
    "orders.account = :account ORDER BY orders.intent_seq",
    parameters=frozenset({
        "account", "environment",
    }),
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)
ANY_PENDING_ORDER: Final = CompiledStatement(
    "SELECT orders.client_order_id "
    "FROM orders INDEXED BY ix_orders_pending "
    "WHERE state IN ('open', 'part_filled', 'reserved', 'unknown') AND orders.environment = :environment "
    "LIMIT 1 OFFSET 0",
    parameters=frozenset({
        "environment",
    }),
    columns=(
        "client_order_id",
    ),
)
ORDERS_WITH_UNKNOWN_FEES: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders INDEXED BY ix_orders_fees "
    "WHERE executed_quantity <> fee_quantity AND order_id IS NOT NULL AND adopted = 1 AND orders.environment = "
    ":environment AND orders.account = :account AND orders.reserved_ms > :after ORDER BY orders.intent_seq",
    parameters=frozenset({
        "account", "after", "environment",
    }),
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)
ANY_UNKNOWN_FEES: Final = CompiledStatement(
    "SELECT orders.client_order_id "
    "FROM orders INDEXED BY ix_orders_fees "
    "WHERE executed_quantity <> fee_quantity AND order_id IS NOT NULL AND adopted = 1 AND orders.environment = "
    ":environment AND orders.reserved_ms > :after "
    "LIMIT 1 OFFSET 0",
    parameters=frozenset({
        "after", "environment",
    }),
    columns=(
        "client_order_id",
    ),
)
KNOWN_SYMBOLS: Final = CompiledStatement(
    "SELECT orders.symbol "
    "FROM orders INDEXED BY ix_orders_window "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.reserved_ms > :after UNION "
    "SELECT orders.symbol "
    "FROM orders INDEXED BY ix_orders_pending "
    "WHERE orders.environment = :environment AND orders.account = :account AND state IN ('open', 'part_filled', "
    "'reserved', 'unknown') ORDER BY symbol",
    parameters=frozenset({
        "account", "after", "environment",
    }),
    columns=(
        "symbol",
    ),
)
NEWEST_ORDERS: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.state IN (:state_0, "
    ":state_1, :state_2, :state_3, :state_4, :state_5, :state_6, :state_7, :state_8) ORDER BY orders.intent_seq "
    "DESC "
    "LIMIT :most OFFSET 0",
    parameters=frozenset({
        "account", "environment", "most", "state_0", "state_1", "state_2", "state_3", "state_4", "state_5",
        "state_6", "state_7", "state_8",
    }),
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)
NEWEST_ORDERS_OF_SYMBOL: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.state IN (:state_0, "
    ":state_1, :state_2, :state_3, :state_4, :state_5, :state_6, :state_7, :state_8) AND orders.symbol = :symbol "
    "ORDER BY orders.intent_seq DESC "
    "LIMIT :most OFFSET 0",
    parameters=frozenset({
        "account", "environment", "most", "state_0", "state_1", "state_2", "state_3", "state_4", "state_5",
        "state_6", "state_7", "state_8", "symbol",
    }),
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)
ORDERS_SENT_WITHIN: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders INDEXED BY ix_orders_sent "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.sent_ms >= :start_ms AND "
    "orders.sent_ms <= :end_ms AND orders.intent_seq > :after AND orders.state IN (:state_0, :state_1, :state_2, "
    ":state_3, :state_4, :state_5, :state_6, :state_7, :state_8) AND (orders.order_id IS NULL OR orders.order_id "
    "BETWEEN :first_id AND :last_id) ORDER BY orders.intent_seq "
    "LIMIT :most OFFSET 0",
    parameters=frozenset({
        "account", "after", "end_ms", "environment", "first_id", "last_id", "most", "start_ms", "state_0",
        "state_1", "state_2", "state_3", "state_4", "state_5", "state_6", "state_7", "state_8",
    }),
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)
ORDERS_OF_SYMBOL_SENT_WITHIN: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders INDEXED BY ix_orders_sent "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.sent_ms >= :start_ms AND "
    "orders.sent_ms <= :end_ms AND orders.intent_seq > :after AND orders.state IN (:state_0, :state_1, :state_2, "
    ":state_3, :state_4, :state_5, :state_6, :state_7, :state_8) AND (orders.order_id IS NULL OR orders.order_id "
    "BETWEEN :first_id AND :last_id) AND orders.symbol = :symbol ORDER BY orders.intent_seq "
    "LIMIT :most OFFSET 0",
    parameters=frozenset({
        "account", "after", "end_ms", "environment", "first_id", "last_id", "most", "start_ms", "state_0",
        "state_1", "state_2", "state_3", "state_4", "state_5", "state_6", "state_7", "state_8", "symbol",
    }),
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)

# guardian.store.definitions.budget_statements

COUNTED_IN_WINDOW: Final = CompiledStatement(
    "SELECT orders.currency, orders.notional, orders.quote_asset, orders.quote_notional, orders.base_asset, "
    "orders.quantity, orders.state, orders.is_exit, orders.confirmed, orders.reserved_ms, orders.sent_ms "
    "FROM orders "
    "WHERE orders.environment = :environment AND orders.account = :account AND (orders.reserved_ms > :after OR "
    "orders.sent_ms > :clock_after) AND (orders.reserved_ms <= :now OR orders.sent_ms <= :clock_now OR :set_back "
    "> :after)",
    parameters=frozenset({
        "account", "after", "clock_after", "clock_now", "environment", "now", "set_back",
    }),
    columns=(
        "currency", "notional", "quote_asset", "quote_notional", "base_asset", "quantity", "state",
        "is_exit", "confirmed", "reserved_ms", "sent_ms",
    ),
)
COUNTED_SINCE: Final = CompiledStatement(
    "SELECT orders.currency, orders.notional, orders.quote_asset, orders.quote_notional, orders.base_asset, "
    "orders.quantity, orders.state, orders.is_exit, orders.confirmed, orders.reserved_ms, orders.sent_ms "
    "FROM orders "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.intent_seq > :after",
    parameters=frozenset({
        "account", "after", "environment",
    }),
    columns=(
        "currency", "notional", "quote_asset", "quote_notional", "base_asset", "quantity", "state",
        "is_exit", "confirmed", "reserved_ms", "sent_ms",
    ),
)
COUNTED_ON_SIDE_SINCE: Final = CompiledStatement(
    "SELECT orders.currency, orders.notional, orders.quote_asset, orders.quote_notional, orders.base_asset, "
    "orders.quantity, orders.state, orders.is_exit, orders.confirmed, orders.reserved_ms, orders.sent_ms "
    "FROM orders "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.intent_seq > :after AND "
    "orders.symbol = :symbol AND orders.side = :side",
    parameters=frozenset({
        "account", "after", "environment", "side", "symbol",
    }),
    columns=(
        "currency", "notional", "quote_asset", "quote_notional", "base_asset", "quantity", "state",
        "is_exit", "confirmed", "reserved_ms", "sent_ms",
    ),
)
DUPLICATE_OF: Final = CompiledStatement(
    "SELECT duplicates.client_order_id "
    "FROM (SELECT orders.client_order_id AS client_order_id, orders.intent_seq AS intent_seq "
    "FROM orders INDEXED BY ix_orders_fingerprint "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.fingerprint = :fingerprint "
    "AND (NOT state IN ('not_placed', 'rejected') OR given_up = 1) AND orders.reserved_ms > :after AND "
    "(orders.reserved_ms <= :now OR orders.sent_ms <= :clock_now OR :set_back > :after) UNION ALL SELECT "
    "orders.client_order_id AS client_order_id, orders.intent_seq AS intent_seq "
    "FROM orders INDEXED BY ix_orders_sent "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.fingerprint = :fingerprint "
    "AND (NOT state IN ('not_placed', 'rejected') OR given_up = 1) AND orders.sent_ms > :clock_after AND "
    "(orders.reserved_ms <= :now OR orders.sent_ms <= :clock_now OR :set_back > :after) UNION ALL SELECT "
    "orders.client_order_id AS client_order_id, orders.intent_seq AS intent_seq "
    "FROM orders INDEXED BY ix_orders_pending "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.fingerprint = :fingerprint "
    "AND (NOT state IN ('not_placed', 'rejected') OR given_up = 1) AND state IN ('open', 'part_filled', "
    "'reserved', 'unknown') AND state IN ('reserved', 'unknown')) AS duplicates ORDER BY duplicates.intent_seq "
    "DESC "
    "LIMIT 1 OFFSET 0",
    parameters=frozenset({
        "account", "after", "clock_after", "clock_now", "environment", "fingerprint", "now", "set_back",
    }),
    columns=(
        "client_order_id",
    ),
)
ORDERS_SINCE: Final = CompiledStatement(
    "SELECT orders.client_order_id, orders.intent_seq, orders.environment, orders.account, orders.call_id, "
    "orders.proposal_id, orders.symbol, orders.base_asset, orders.quote_asset, orders.side, orders.order_type, "
    "orders.wire_type, orders.time_in_force, orders.price, orders.stop_price, orders.quantity, "
    "orders.quote_quantity, orders.fingerprint, orders.notional, orders.quote_notional, orders.currency, "
    "orders.is_exit, orders.confirmed, orders.mandate_id, orders.reserved_ms, orders.sent_ms, orders.state, "
    "orders.order_id, orders.executed_quantity, orders.executed_quote_quantity, orders.fee_quantity, "
    "orders.updated_ms, orders.corrections, orders.created_ms, orders.exchange_status, orders.amended_quantity, "
    "orders.absent_ms, orders.given_up, orders.adopted "
    "FROM orders "
    "WHERE orders.environment = :environment AND orders.account = :account AND orders.intent_seq > :after ORDER "
    "BY orders.intent_seq",
    parameters=frozenset({
        "account", "after", "environment",
    }),
    columns=(
        "client_order_id", "intent_seq", "environment", "account", "call_id", "proposal_id", "symbol",
        "base_asset", "quote_asset", "side", "order_type", "wire_type", "time_in_force", "price",
        "stop_price", "quantity", "quote_quantity", "fingerprint", "notional", "quote_notional", "currency",
        "is_exit", "confirmed", "mandate_id", "reserved_ms", "sent_ms", "state", "order_id",
        "executed_quantity", "executed_quote_quantity", "fee_quantity", "updated_ms", "corrections",
        "created_ms", "exchange_status", "amended_quantity", "absent_ms", "given_up", "adopted",
    ),
)
RECORD_ACT: Final = CompiledStatement(
    "INSERT INTO acts (environment, account, seq, ts_ms, what) VALUES (:environment, :account, :seq, :ts_ms, "
    ":what) RETURNING id, environment, account, seq, ts_ms, what",
    parameters=frozenset({
        "account", "environment", "seq", "ts_ms", "what",
    }),
    logged=LOGGED["acts"],
)
NEWEST_ACT: Final = CompiledStatement(
    "SELECT max(newest.seq) AS seq "
    "FROM (SELECT max(acts.seq) AS seq "
    "FROM acts "
    "WHERE acts.environment = '' AND acts.account = '' UNION ALL SELECT max(acts.seq) AS seq "
    "FROM acts "
    "WHERE acts.environment = :environment AND acts.account = :account) AS newest",
    parameters=frozenset({
        "account", "environment",
    }),
    columns=(
        "seq",
    ),
)
ADD_MARK: Final = CompiledStatement(
    "INSERT INTO slicing (environment, account, symbol, side, since_ms, since_seq) VALUES (:environment, "
    ":account, :symbol, :side, :since_ms, :since_seq) RETURNING id, environment, account, symbol, side, since_ms,"
    " since_seq",
    parameters=frozenset({
        "account", "environment", "side", "since_ms", "since_seq", "symbol",
    }),
    logged=LOGGED["slicing"],
)
MARKS_ON_SIDE: Final = CompiledStatement(
    "SELECT slicing.since_ms, slicing.since_seq "
    "FROM slicing "
    "WHERE slicing.environment = :environment AND slicing.account = :account AND slicing.symbol = :symbol AND "
    "slicing.side = :side ORDER BY slicing.id",
    parameters=frozenset({
        "account", "environment", "side", "symbol",
    }),
    columns=(
        "since_ms", "since_seq",
    ),
)
CLEAR_MARKS: Final = CompiledStatement(
    "DELETE FROM slicing WHERE slicing.environment = :environment AND slicing.account = :account AND "
    "slicing.symbol = :symbol AND slicing.side = :side RETURNING id",
    parameters=frozenset({
        "account", "environment", "side", "symbol",
    }),
    logged=LOGGED["slicing"],
    deletes=True,
)
BRING_BACK_MARKS: Final = CompiledStatement(
    "UPDATE slicing SET since_ms=:now WHERE slicing.since_ms > :now RETURNING id, environment, account, symbol, "
    "side, since_ms, since_seq",
    parameters=frozenset({
        "now",
    }),
    logged=LOGGED["slicing"],
    sets=frozenset({
        "since_ms",
    }),
)
CLEAR_OTHER_MARKS: Final = CompiledStatement(
    "DELETE FROM slicing WHERE slicing.environment = :environment AND slicing.account = :account AND "
    "slicing.symbol = :symbol AND slicing.side = :side AND (slicing.since_ms != :since_ms OR slicing.since_seq !="
    " :since_seq) RETURNING id",
    parameters=frozenset({
        "account", "environment", "side", "since_ms", "since_seq", "symbol",
    }),
    logged=LOGGED["slicing"],
    deletes=True,
)

# guardian.store.definitions.ledger_statements

ADD_FLOW: Final = CompiledStatement(
    "INSERT INTO flows (environment, account, symbol, client_order_id, ts_ms, clock_ms, kind, asset, change) "
    "VALUES (:environment, :account, :symbol, :client_order_id, :ts_ms, :clock_ms, :kind, :asset, :change) "
    "RETURNING id, environment, account, symbol, client_order_id, ts_ms, clock_ms, kind, asset, change",
    parameters=frozenset({
        "account", "asset", "change", "client_order_id", "clock_ms", "environment", "kind", "symbol",
        "ts_ms",
    }),
    logged=LOGGED["flows"],
)
FLOWS_OF_ORDER: Final = CompiledStatement(
    "SELECT flows.kind, flows.asset, flows.change "
    "FROM flows "
    "WHERE flows.client_order_id = :name",
    parameters=frozenset({
        "name",
    }),
    columns=(
        "kind", "asset", "change",
    ),
)
FLOWS_IN_WINDOW: Final = CompiledStatement(
    "SELECT flows.symbol, flows.asset, flows.change "
    "FROM flows "
    "WHERE flows.environment = :environment AND flows.account = :account AND (flows.ts_ms > :after OR "
    "flows.clock_ms > :clock_after) AND (flows.ts_ms <= :now OR flows.clock_ms <= :clock_now OR :set_back > "
    ":after)",
    parameters=frozenset({
        "account", "after", "clock_after", "clock_now", "environment", "now", "set_back",
    }),
    columns=(
        "symbol", "asset", "change",
    ),
)
FLOWS_AFTER: Final = CompiledStatement(
    "SELECT flows.id, flows.symbol, flows.client_order_id, flows.clock_ms, flows.kind, flows.asset, flows.change "
    "FROM flows NOT INDEXED "
    "WHERE flows.environment = :environment AND flows.account = :account AND flows.id > :after_id ORDER BY "
    "flows.id "
    "LIMIT :most OFFSET 0",
    parameters=frozenset({
        "account", "after_id", "environment", "most",
    }),
    columns=(
        "id", "symbol", "client_order_id", "clock_ms", "kind", "asset", "change",
    ),
)
INSERT_HOLDING: Final = CompiledStatement(
    "INSERT INTO holdings (environment, account, symbol, asset, base_asset, quote_asset, quantity) VALUES "
    "(:environment, :account, :symbol, :asset, :base_asset, :quote_asset, :quantity) RETURNING environment, "
    "account, symbol, asset, base_asset, quote_asset, quantity, last_price",
    parameters=frozenset({
        "account", "asset", "base_asset", "environment", "quantity", "quote_asset", "symbol",
    }),
    logged=LOGGED["holdings"],
)
SET_HELD_QUANTITY: Final = CompiledStatement(
    "UPDATE holdings SET quantity=:quantity WHERE holdings.environment = :environment AND holdings.account = "
    ":account AND holdings.symbol = :symbol AND holdings.asset = :asset RETURNING environment, account, symbol, "
    "asset, base_asset, quote_asset, quantity, last_price",
    parameters=frozenset({
        "account", "asset", "environment", "quantity", "symbol",
    }),
    logged=LOGGED["holdings"],
    sets=frozenset({
        "quantity",
    }),
)
SET_LAST_PRICE: Final = CompiledStatement(
    "UPDATE holdings SET last_price=:last_price WHERE holdings.environment = :environment AND holdings.account = "
    ":account AND holdings.symbol = :symbol AND holdings.asset = :asset RETURNING environment, account, symbol, "
    "asset, base_asset, quote_asset, quantity, last_price",
    parameters=frozenset({
        "account", "asset", "environment", "last_price", "symbol",
    }),
    logged=LOGGED["holdings"],
    sets=frozenset({
        "last_price",
    }),
)
HELD_QUANTITY: Final = CompiledStatement(
    "SELECT holdings.quantity "
    "FROM holdings "
    "WHERE holdings.environment = :environment AND holdings.account = :account AND holdings.symbol = :symbol AND "
    "holdings.asset = :asset",
    parameters=frozenset({
        "account", "asset", "environment", "symbol",
    }),
    columns=(
        "quantity",
    ),
)
HELD_QUANTITIES_OF_ASSET: Final = CompiledStatement(
    "SELECT holdings.quantity "
    "FROM holdings "
    "WHERE holdings.environment = :environment AND holdings.account = :account AND holdings.asset = :asset",
    parameters=frozenset({
        "account", "asset", "environment",
    }),
    columns=(
        "quantity",
    ),
)
HOLDINGS_IN_SCOPE: Final = CompiledStatement(
    "SELECT holdings.environment, holdings.account, holdings.symbol, holdings.asset, holdings.base_asset, "
    "holdings.quote_asset, holdings.quantity, holdings.last_price "
    "FROM holdings "
    "WHERE holdings.environment = :environment AND holdings.account = :account ORDER BY holdings.symbol",
    parameters=frozenset({
        "account", "environment",
    }),
    columns=(
        "environment", "account", "symbol", "asset", "base_asset", "quote_asset", "quantity", "last_price",
    ),
)
HOLDINGS_AS_BASE: Final = CompiledStatement(
    "SELECT holdings.environment, holdings.account, holdings.symbol, holdings.asset, holdings.base_asset, "
    "holdings.quote_asset, holdings.quantity, holdings.last_price "
    "FROM holdings "
    "WHERE holdings.environment = :environment AND holdings.account = :account AND holdings.base_asset = :asset "
    "AND holdings.asset = :asset ORDER BY holdings.symbol",
    parameters=frozenset({
        "account", "asset", "environment",
    }),
    columns=(
        "environment", "account", "symbol", "asset", "base_asset", "quote_asset", "quantity", "last_price",
    ),
)
ASSETS_BY_SYMBOL: Final = CompiledStatement(
    "SELECT DISTINCT holdings.symbol, holdings.base_asset, holdings.quote_asset "
    "FROM holdings "
    "WHERE holdings.environment = :environment AND holdings.account = :account AND holdings.symbol != ''",
    parameters=frozenset({
        "account", "environment",
    }),
    columns=(
        "symbol", "base_asset", "quote_asset",
    ),
)

# guardian.store.definitions.proposal_statements

INSERT_PROPOSAL: Final = CompiledStatement(
    "INSERT INTO proposals (id, environment, account, order_key, symbol, side, spec, resolved, policy_digest, "
    "policy_source, token_ttl_ms, notional, quote_notional, quote_asset, currency, shown_bid, shown_ask, "
    "created_ms, expires_ms, state) VALUES (:id, :environment, :account, :order_key, :symbol, :side, :spec, "
    ":resolved, :policy_digest, :policy_source, :token_ttl_ms, :notional, :quote_notional, :quote_asset, "
    ":currency, :shown_bid, :shown_ask, :created_ms, :expires_ms, :state) RETURNING ordinal, id, environment, "
    "account, order_key, symbol, side, spec, resolved, policy_digest, policy_source, token_ttl_ms, notional, "
    "quote_notional, quote_asset, currency, shown_bid, shown_ask, created_ms, expires_ms, state, token_digest, "
    "token_expires_ms, approved_ms, proof, approval_seq, reason, client_order_id",
    parameters=frozenset({
        "account", "created_ms", "currency", "environment", "expires_ms", "id", "notional", "order_key",
        "policy_digest", "policy_source", "quote_asset", "quote_notional", "resolved", "shown_ask",
        "shown_bid", "side", "spec", "state", "symbol", "token_ttl_ms",
    }),
    logged=LOGGED["proposals"],
)
PROPOSAL_BY_ID: Final = CompiledStatement(
    "SELECT proposals.id, proposals.environment, proposals.account, proposals.order_key, proposals.symbol, "
    "proposals.side, proposals.spec, proposals.resolved, proposals.policy_digest, proposals.policy_source, "
    "proposals.token_ttl_ms, proposals.notional, proposals.quote_notional, proposals.quote_asset, "
    "proposals.currency, proposals.shown_bid, proposals.shown_ask, proposals.created_ms, proposals.expires_ms, "
    "proposals.state, proposals.token_digest, proposals.token_expires_ms, proposals.approved_ms, proposals.proof,"
    " proposals.approval_seq, proposals.reason, proposals.client_order_id "
    "FROM proposals "
    "WHERE proposals.id = :proposal_id",
    parameters=frozenset({
        "proposal_id",
    }),
    columns=(
        "id", "environment", "account", "order_key", "symbol", "side", "spec", "resolved", "policy_digest",
        "policy_source", "token_ttl_ms", "notional", "quote_notional", "quote_asset", "currency",
        "shown_bid", "shown_ask", "created_ms", "expires_ms", "state", "token_digest", "token_expires_ms",
        "approved_ms", "proof", "approval_seq", "reason", "client_order_id",
    ),
)
PROPOSAL_BY_TOKEN: Final = CompiledStatement(
    "SELECT proposals.id, proposals.environment, proposals.account, proposals.order_key, proposals.symbol, "
    "proposals.side, proposals.spec, proposals.resolved, proposals.policy_digest, proposals.policy_source, "
    "proposals.token_ttl_ms, proposals.notional, proposals.quote_notional, proposals.quote_asset, "
    "proposals.currency, proposals.shown_bid, proposals.shown_ask, proposals.created_ms, proposals.expires_ms, "
    "proposals.state, proposals.token_digest, proposals.token_expires_ms, proposals.approved_ms, proposals.proof,"
    " proposals.approval_seq, proposals.reason, proposals.client_order_id "
    "FROM proposals "
    "WHERE proposals.token_digest = :token",
    parameters=frozenset({
        "token",
    }),
    columns=(
        "id", "environment", "account", "order_key", "symbol", "side", "spec", "resolved", "policy_digest",
        "policy_source", "token_ttl_ms", "notional", "quote_notional", "quote_asset", "currency",
        "shown_bid", "shown_ask", "created_ms", "expires_ms", "state", "token_digest", "token_expires_ms",
        "approved_ms", "proof", "approval_seq", "reason", "client_order_id",
    ),
)
NEWEST_PROPOSAL_OF_ORDER: Final = CompiledStatement(
    "SELECT proposals.id, proposals.environment, proposals.account, proposals.order_key, proposals.symbol, "
    "proposals.side, proposals.spec, proposals.resolved, proposals.policy_digest, proposals.policy_source, "
    "proposals.token_ttl_ms, proposals.notional, proposals.quote_notional, proposals.quote_asset, "
    "proposals.currency, proposals.shown_bid, proposals.shown_ask, proposals.created_ms, proposals.expires_ms, "
    "proposals.state, proposals.token_digest, proposals.token_expires_ms, proposals.approved_ms, proposals.proof,"
    " proposals.approval_seq, proposals.reason, proposals.client_order_id "
    "FROM proposals "
    "WHERE proposals.environment = :environment AND proposals.account = :account AND proposals.order_key = "
    ":order_key ORDER BY proposals.ordinal DESC "
    "LIMIT 1 OFFSET 0",
    parameters=frozenset({
        "account", "environment", "order_key",
    }),
    columns=(
        "id", "environment", "account", "order_key", "symbol", "side", "spec", "resolved", "policy_digest",
        "policy_source", "token_ttl_ms", "notional", "quote_notional", "quote_asset", "currency",
        "shown_bid", "shown_ask", "created_ms", "expires_ms", "state", "token_digest", "token_expires_ms",
        "approved_ms", "proof", "approval_seq", "reason", "client_order_id",
    ),
)
OUTSTANDING_PROPOSALS: Final = CompiledStatement(
    "SELECT proposals.id, proposals.environment, proposals.account, proposals.order_key, proposals.symbol, "
    "proposals.side, proposals.spec, proposals.resolved, proposals.policy_digest, proposals.policy_source, "
    "proposals.token_ttl_ms, proposals.notional, proposals.quote_notional, proposals.quote_asset, "
    "proposals.currency, proposals.shown_bid, proposals.shown_ask, proposals.created_ms, proposals.expires_ms, "
    "proposals.state, proposals.token_digest, proposals.token_expires_ms, proposals.approved_ms, proposals.proof,"
    " proposals.approval_seq, proposals.reason, proposals.client_order_id "
    "FROM proposals INDEXED BY ix_proposals_waiting "
    "WHERE state IN ('waiting', 'approved') AND (proposals.expires_ms > :now OR proposals.token_expires_ms > "
    ":now) ORDER BY proposals.ordinal",
    parameters=frozenset({
        "now",
    }),
    columns=(
        "id", "environment", "account", "order_key", "symbol", "side", "spec", "resolved", "policy_digest",
        "policy_source", "token_ttl_ms", "notional", "quote_notional", "quote_asset", "currency",
        "shown_bid", "shown_ask", "created_ms", "expires_ms", "state", "token_digest", "token_expires_ms",
        "approved_ms", "proof", "approval_seq", "reason", "client_order_id",
    ),
)
ISSUED_TOKENS: Final = CompiledStatement(
    "SELECT proposals.token_digest "
    "FROM proposals "
    "WHERE proposals.token_digest IN (:digest_0, :digest_1, :digest_2, :digest_3, :digest_4, :digest_5, "
    ":digest_6, :digest_7, :digest_8, :digest_9, :digest_10, :digest_11, :digest_12, :digest_13, :digest_14, "
    ":digest_15, :digest_16, :digest_17, :digest_18, :digest_19, :digest_20, :digest_21, :digest_22, :digest_23, "
    ":digest_24, :digest_25, :digest_26, :digest_27, :digest_28, :digest_29, :digest_30, :digest_31, :digest_32, "
    ":digest_33, :digest_34, :digest_35, :digest_36, :digest_37, :digest_38, :digest_39, :digest_40, :digest_41, "
    ":digest_42, :digest_43, :digest_44, :digest_45, :digest_46, :digest_47, :digest_48, :digest_49)",
    parameters=frozenset({
        "digest_0", "digest_1", "digest_10", "digest_11", "digest_12", "digest_13", "digest_14",
        "digest_15", "digest_16", "digest_17", "digest_18", "digest_19", "digest_2", "digest_20",
        "digest_21", "digest_22", "digest_23", "digest_24", "digest_25", "digest_26", "digest_27",
        "digest_28", "digest_29", "digest_3", "digest_30", "digest_31", "digest_32", "digest_33",
        "digest_34", "digest_35", "digest_36", "digest_37", "digest_38", "digest_39", "digest_4",
        "digest_40", "digest_41", "digest_42", "digest_43", "digest_44", "digest_45", "digest_46",
        "digest_47", "digest_48", "digest_49", "digest_5", "digest_6", "digest_7", "digest_8", "digest_9",
    }),
    columns=(
        "token_digest",
    ),
)
GIVE_TOKEN: Final = CompiledStatement(
    "UPDATE proposals SET token_digest=:token_digest, token_expires_ms=:token_expires_ms WHERE proposals.id = "
    ":proposal_id AND state IN ('waiting', 'approved') RETURNING ordinal, id, environment, account, order_key, "
    "symbol, side, spec, resolved, policy_digest, policy_source, token_ttl_ms, notional, quote_notional, "
    "quote_asset, currency, shown_bid, shown_ask, created_ms, expires_ms, state, token_digest, token_expires_ms, "
    "approved_ms, proof, approval_seq, reason, client_order_id",
    parameters=frozenset({
        "proposal_id", "token_digest", "token_expires_ms",
    }),
    logged=LOGGED["proposals"],
    sets=frozenset({
        "token_digest", "token_expires_ms",
    }),
)
APPROVE_PROPOSAL: Final = CompiledStatement(
    "UPDATE proposals SET state=:state, token_digest=:token_digest, token_expires_ms=:token_expires_ms, "
    "approved_ms=:approved_ms, proof=:proof, approval_seq=:approval_seq WHERE proposals.id = :proposal_id AND "
    "state IN ('waiting', 'approved') RETURNING ordinal, id, environment, account, order_key, symbol, side, spec,"
    " resolved, policy_digest, policy_source, token_ttl_ms, notional, quote_notional, quote_asset, currency, "
    "shown_bid, shown_ask, created_ms, expires_ms, state, token_digest, token_expires_ms, approved_ms, proof, "
    "approval_seq, reason, client_order_id",
    parameters=frozenset({
        "approval_seq", "approved_ms", "proof", "proposal_id", "state", "token_digest", "token_expires_ms",
    }),
    logged=LOGGED["proposals"],
    sets=frozenset({
        "approval_seq", "approved_ms", "proof", "state", "token_digest", "token_expires_ms",
    }),
)
END_PROPOSAL: Final = CompiledStatement(
    "UPDATE proposals SET state=:state, reason=:reason WHERE proposals.id = :proposal_id AND state IN ('waiting',"
    " 'approved') RETURNING ordinal, id, environment, account, order_key, symbol, side, spec, resolved, "
    "policy_digest, policy_source, token_ttl_ms, notional, quote_notional, quote_asset, currency, shown_bid, "
    "shown_ask, created_ms, expires_ms, state, token_digest, token_expires_ms, approved_ms, proof, approval_seq, "
    "reason, client_order_id",
    parameters=frozenset({
        "proposal_id", "reason", "state",
    }),
    logged=LOGGED["proposals"],
    sets=frozenset({
        "reason", "state",
    }),
)
SEND_PROPOSAL: Final = CompiledStatement(
    "UPDATE proposals SET state=:state, client_order_id=:client_order_id WHERE proposals.id = :proposal_id AND "
    "state IN ('waiting', 'approved') RETURNING ordinal, id, environment, account, order_key, symbol, side, spec,"
    " resolved, policy_digest, policy_source, token_ttl_ms, notional, quote_notional, quote_asset, currency, "
    "shown_bid, shown_ask, created_ms, expires_ms, state, token_digest, token_expires_ms, approved_ms, proof, "
    "approval_seq, reason, client_order_id",
    parameters=frozenset({
        "client_order_id", "proposal_id", "state",
    }),
    logged=LOGGED["proposals"],
    sets=frozenset({
        "client_order_id", "state",
    }),
)
INSERT_REDEMPTION: Final = CompiledStatement(
    "INSERT INTO redemptions (proposal_id, token_digest, client_order_id, ts_ms) VALUES (:proposal_id, "
    ":token_digest, :client_order_id, :ts_ms) RETURNING proposal_id, token_digest, client_order_id, ts_ms",
    parameters=frozenset({
        "client_order_id", "proposal_id", "token_digest", "ts_ms",
    }),
    logged=LOGGED["redemptions"],
)

# guardian.store.definitions.owner_statements

OWNER_STATUS: Final = CompiledStatement(
    "SELECT owner.floor, owner.pin_since_ms, owner.pin_digest, owner.pin_tries "
    "FROM owner",
    columns=(
        "floor", "pin_since_ms", "pin_digest", "pin_tries",
    ),
)
SET_FLOOR: Final = CompiledStatement(
    "UPDATE owner SET floor=:floor WHERE owner.id = 1 RETURNING id, floor, pin_since_ms, pin_digest, pin_tries",
    parameters=frozenset({
        "floor",
    }),
    logged=LOGGED["owner"],
    sets=frozenset({
        "floor",
    }),
)
SET_PIN: Final = CompiledStatement(
    "UPDATE owner SET pin_since_ms=:pin_since_ms, pin_digest=:pin_digest, pin_tries=0 WHERE owner.id = 1 "
    "RETURNING id, floor, pin_since_ms, pin_digest, pin_tries",
    parameters=frozenset({
        "pin_digest", "pin_since_ms",
    }),
    logged=LOGGED["owner"],
    sets=frozenset({
        "pin_digest", "pin_since_ms", "pin_tries",
    }),
)
COUNT_PIN_TRY: Final = CompiledStatement(
    "UPDATE owner SET pin_tries=(owner.pin_tries + 1) WHERE owner.id = 1 RETURNING id, floor, pin_since_ms, "
    "pin_digest, pin_tries",
    logged=LOGGED["owner"],
    sets=frozenset({
        "pin_tries",
    }),
)
RESET_PIN_TRIES: Final = CompiledStatement(
    "UPDATE owner SET pin_tries=0 WHERE owner.id = 1 RETURNING id, floor, pin_since_ms, pin_digest, pin_tries",
    logged=LOGGED["owner"],
    sets=frozenset({
        "pin_tries",
    }),
)
INSERT_PASSKEY: Final = CompiledStatement(
    "INSERT INTO passkeys (credential_id, public_key, name, sign_count, created_ms) VALUES (:credential_id, "
    ":public_key, :name, :sign_count, :created_ms) RETURNING credential_id, public_key, name, sign_count, "
    "created_ms, removed_ms",
    parameters=frozenset({
        "created_ms", "credential_id", "name", "public_key", "sign_count",
    }),
    logged=LOGGED["passkeys"],
)
PASSKEYS_NOW: Final = CompiledStatement(
    "SELECT passkeys.credential_id, passkeys.public_key, passkeys.name, passkeys.sign_count, passkeys.created_ms,"
    " passkeys.removed_ms "
    "FROM passkeys "
    "WHERE passkeys.removed_ms IS NULL ORDER BY passkeys.created_ms, passkeys.name",
    columns=(
        "credential_id", "public_key", "name", "sign_count", "created_ms", "removed_ms",
    ),
)
PASSKEY_BY_ID: Final = CompiledStatement(
    "SELECT passkeys.credential_id "
    "FROM passkeys "
    "WHERE passkeys.credential_id = :credential",
    parameters=frozenset({
        "credential",
    }),
    columns=(
        "credential_id",
    ),
)
REMOVE_PASSKEY: Final = CompiledStatement(
    "UPDATE passkeys SET removed_ms=:now WHERE passkeys.credential_id = :credential AND passkeys.removed_ms IS "
    "NULL RETURNING credential_id, public_key, name, sign_count, created_ms, removed_ms",
    parameters=frozenset({
        "credential", "now",
    }),
    logged=LOGGED["passkeys"],
    sets=frozenset({
        "removed_ms",
    }),
)
COUNT_ASSERTION: Final = CompiledStatement(
    "UPDATE passkeys SET sign_count=:counter WHERE passkeys.credential_id = :credential AND passkeys.removed_ms "
    "IS NULL AND (passkeys.sign_count < :counter OR passkeys.sign_count = 0 AND :counter = 0) RETURNING "
    "credential_id, public_key, name, sign_count, created_ms, removed_ms",
    parameters=frozenset({
        "counter", "credential",
    }),
    logged=LOGGED["passkeys"],
    sets=frozenset({
        "sign_count",
    }),
)
INSERT_OWNER_CHANGE: Final = CompiledStatement(
    "INSERT INTO owner_changes (kind, detail, requested_ms, effective_ms, state) VALUES (:kind, :detail, "
    ":requested_ms, :effective_ms, :state) RETURNING id, kind, detail, requested_ms, effective_ms, state",
    parameters=frozenset({
        "detail", "effective_ms", "kind", "requested_ms", "state",
    }),
    logged=LOGGED["owner_changes"],
)
WAITING_OWNER_CHANGES: Final = CompiledStatement(
    "SELECT owner_changes.id, owner_changes.kind, owner_changes.detail, owner_changes.requested_ms, "
    "owner_changes.effective_ms, owner_changes.state "
    "FROM owner_changes "
    "WHERE owner_changes.state = 'waiting' ORDER BY owner_changes.id",
    columns=(
        "id", "kind", "detail", "requested_ms", "effective_ms", "state",
    ),
)
END_OWNER_CHANGE: Final = CompiledStatement(
    "UPDATE owner_changes SET state=:state WHERE owner_changes.id = :change_id AND owner_changes.state = "
    "'waiting' RETURNING id, kind, detail, requested_ms, effective_ms, state",
    parameters=frozenset({
        "change_id", "state",
    }),
    logged=LOGGED["owner_changes"],
    sets=frozenset({
        "state",
    }),
)
INSERT_MANDATE: Final = CompiledStatement(
    "INSERT INTO mandates (id, environment, account, currency, budget, max_order, symbols, policy_digest, "
    "policy_text, approval_seq, created_ms, expires_ms) VALUES (:id, :environment, :account, :currency, :budget, "
    ":max_order, :symbols, :policy_digest, :policy_text, :approval_seq, :created_ms, :expires_ms) RETURNING "
    "ordinal, id, environment, account, currency, budget, max_order, symbols, policy_digest, policy_text, "
    "approval_seq, created_ms, expires_ms, ended_ms, ended_reason",
    parameters=frozenset({
        "account", "approval_seq", "budget", "created_ms", "currency", "environment", "expires_ms", "id",
        "max_order", "policy_digest", "policy_text", "symbols",
    }),
    logged=LOGGED["mandates"],
)
NEWEST_MANDATE: Final = CompiledStatement(
    "SELECT mandates.ordinal, mandates.id, mandates.environment, mandates.account, mandates.currency, "
    "mandates.budget, mandates.max_order, mandates.symbols, mandates.policy_digest, mandates.policy_text, "
    "mandates.approval_seq, mandates.created_ms, mandates.expires_ms, mandates.ended_ms, mandates.ended_reason "
    "FROM mandates "
    "WHERE mandates.environment = :environment AND mandates.account = :account ORDER BY mandates.ordinal DESC "
    "LIMIT 1 OFFSET 0",
    parameters=frozenset({
        "account", "environment",
    }),
    columns=(
        "ordinal", "id", "environment", "account", "currency", "budget", "max_order", "symbols",
        "policy_digest", "policy_text", "approval_seq", "created_ms", "expires_ms", "ended_ms",
        "ended_reason",
    ),
)
OPEN_MANDATES: Final = CompiledStatement(
    "SELECT mandates.ordinal, mandates.id, mandates.environment, mandates.account, mandates.currency, "
    "mandates.budget, mandates.max_order, mandates.symbols, mandates.policy_digest, mandates.policy_text, "
    "mandates.approval_seq, mandates.created_ms, mandates.expires_ms, mandates.ended_ms, mandates.ended_reason "
    "FROM mandates "
    "WHERE mandates.ended_ms IS NULL ORDER BY mandates.ordinal",
    columns=(
        "ordinal", "id", "environment", "account", "currency", "budget", "max_order", "symbols",
        "policy_digest", "policy_text", "approval_seq", "created_ms", "expires_ms", "ended_ms",
        "ended_reason",
    ),
)
MANDATE_BY_ID: Final = CompiledStatement(
    "SELECT mandates.ordinal, mandates.id, mandates.environment, mandates.account, mandates.currency, "
    "mandates.budget, mandates.max_order, mandates.symbols, mandates.policy_digest, mandates.policy_text, "
    "mandates.approval_seq, mandates.created_ms, mandates.expires_ms, mandates.ended_ms, mandates.ended_reason "
    "FROM mandates "
    "WHERE mandates.id = :mandate_id",
    parameters=frozenset({
        "mandate_id",
    }),
    columns=(
        "ordinal", "id", "environment", "account", "currency", "budget", "max_order", "symbols",
        "policy_digest", "policy_text", "approval_seq", "created_ms", "expires_ms", "ended_ms",
        "ended_reason",
    ),
)
COUNTED_UNDER_MANDATE: Final = CompiledStatement(
    "SELECT orders.notional, orders.currency "
    "FROM orders "
    "WHERE orders.mandate_id = :mandate_id AND orders.is_exit IS 0 AND NOT (state IN ('not_placed', 'rejected'))",
    parameters=frozenset({
        "mandate_id",
    }),
    columns=(
        "notional", "currency",
    ),
)
END_MANDATES: Final = CompiledStatement(
    "UPDATE mandates SET ended_ms=:ended_ms, ended_reason=:ended_reason WHERE mandates.ended_ms IS NULL RETURNING"
    " ordinal, id, environment, account, currency, budget, max_order, symbols, policy_digest, policy_text, "
    "approval_seq, created_ms, expires_ms, ended_ms, ended_reason",
    parameters=frozenset({
        "ended_ms", "ended_reason",
    }),
    logged=LOGGED["mandates"],
    sets=frozenset({
        "ended_ms", "ended_reason",
    }),
)
END_MANDATES_IN_SCOPE: Final = CompiledStatement(
    "UPDATE mandates SET ended_ms=:ended_ms, ended_reason=:ended_reason WHERE mandates.ended_ms IS NULL AND "
    "mandates.environment = :environment AND mandates.account = :account RETURNING ordinal, id, environment, "
    "account, currency, budget, max_order, symbols, policy_digest, policy_text, approval_seq, created_ms, "
    "expires_ms, ended_ms, ended_reason",
    parameters=frozenset({
        "account", "ended_ms", "ended_reason", "environment",
    }),
    logged=LOGGED["mandates"],
    sets=frozenset({
        "ended_ms", "ended_reason",
    }),
)
KEEP_MANDATE: Final = CompiledStatement(
    "UPDATE mandates SET policy_digest=:policy_digest, policy_text=:policy_text WHERE mandates.id = :mandate_id "
    "AND mandates.ended_ms IS NULL RETURNING ordinal, id, environment, account, currency, budget, max_order, "
    "symbols, policy_digest, policy_text, approval_seq, created_ms, expires_ms, ended_ms, ended_reason",
    parameters=frozenset({
        "mandate_id", "policy_digest", "policy_text",
    }),
    logged=LOGGED["mandates"],
    sets=frozenset({
        "policy_digest", "policy_text",
    }),
)
INSERT_POLICY_APPROVAL: Final = CompiledStatement(
    "INSERT INTO policy_approvals (environment, digest, text, approval_seq, approved_ms, effective_ms) VALUES "
    "(:environment, :digest, :text, :approval_seq, :approved_ms, :effective_ms) RETURNING ordinal, environment, "
    "digest, text, approval_seq, approved_ms, effective_ms",
    parameters=frozenset({
        "approval_seq", "approved_ms", "digest", "effective_ms", "environment", "text",
    }),
    logged=LOGGED["policy_approvals"],
)
NEWEST_POLICY_APPROVAL: Final = CompiledStatement(
    "SELECT policy_approvals.ordinal, policy_approvals.environment, policy_approvals.digest, "
    "policy_approvals.text, policy_approvals.approval_seq, policy_approvals.approved_ms, "
    "policy_approvals.effective_ms "
    "FROM policy_approvals "
    "WHERE policy_approvals.environment = :environment ORDER BY policy_approvals.ordinal DESC "
    "LIMIT 1 OFFSET 0",
    parameters=frozenset({
        "environment",
    }),
    columns=(
        "ordinal", "environment", "digest", "text", "approval_seq", "approved_ms", "effective_ms",
    ),
)
POLICY_APPROVAL_IN_FORCE: Final = CompiledStatement(
    "SELECT policy_approvals.ordinal, policy_approvals.environment, policy_approvals.digest, "
    "policy_approvals.text, policy_approvals.approval_seq, policy_approvals.approved_ms, "
    "policy_approvals.effective_ms "
    "FROM policy_approvals "
    "WHERE policy_approvals.environment = :environment AND policy_approvals.effective_ms <= :now ORDER BY "
    "policy_approvals.ordinal DESC "
    "LIMIT 1 OFFSET 0",
    parameters=frozenset({
        "environment", "now",
    }),
    columns=(
        "ordinal", "environment", "digest", "text", "approval_seq", "approved_ms", "effective_ms",
    ),
)

# guardian.store.definitions.process_statements

INSERT_LEASE: Final = CompiledStatement(
    "INSERT INTO leases (name, holder, expires_ms, renewals) VALUES (:name, :holder, :expires_ms, :renewals)",
    parameters=frozenset({
        "expires_ms", "holder", "name", "renewals",
    }),
)
LEASE_BY_NAME: Final = CompiledStatement(
    "SELECT leases.name, leases.holder, leases.expires_ms, leases.renewals "
    "FROM leases "
    "WHERE leases.name = :lease",
    parameters=frozenset({
        "lease",
    }),
    columns=(
        "name", "holder", "expires_ms", "renewals",
    ),
)
RENEW_LEASE: Final = CompiledStatement(
    "UPDATE leases SET holder=:holder, expires_ms=:expires_ms, renewals=:renewals WHERE leases.name = :lease",
    parameters=frozenset({
        "expires_ms", "holder", "lease", "renewals",
    }),
)
BRING_BACK_LEASES: Final = CompiledStatement(
    "UPDATE leases SET expires_ms=:now WHERE leases.expires_ms > :now",
    parameters=frozenset({
        "now",
    }),
)
DELETE_LEASE: Final = CompiledStatement(
    "DELETE FROM leases WHERE leases.name = :lease AND leases.holder = :holder",
    parameters=frozenset({
        "holder", "lease",
    }),
)
INSERT_TIMESTAMP: Final = CompiledStatement(
    "INSERT INTO marks (name, ts_ms) VALUES (:name, :ts_ms) RETURNING name, ts_ms",
    parameters=frozenset({
        "name", "ts_ms",
    }),
    logged=LOGGED["marks"],
)
TIMESTAMP_BY_NAME: Final = CompiledStatement(
    "SELECT marks.ts_ms "
    "FROM marks "
    "WHERE marks.name = :name",
    parameters=frozenset({
        "name",
    }),
    columns=(
        "ts_ms",
    ),
)
BRING_BACK_TIMESTAMPS: Final = CompiledStatement(
    "UPDATE marks SET ts_ms=:now WHERE marks.ts_ms > :now RETURNING name, ts_ms",
    parameters=frozenset({
        "now",
    }),
    logged=LOGGED["marks"],
    sets=frozenset({
        "ts_ms",
    }),
)
DELETE_TIMESTAMP: Final = CompiledStatement(
    "DELETE FROM marks WHERE marks.name = :name RETURNING name",
    parameters=frozenset({
        "name",
    }),
    logged=LOGGED["marks"],
    deletes=True,
)
INSERT_CHECKPOINT: Final = CompiledStatement(
    "INSERT INTO checkpoints (seq, note) VALUES (:seq, :note)",
    parameters=frozenset({
        "note", "seq",
    }),
)
NEWEST_CHECKPOINT: Final = CompiledStatement(
    "SELECT max(checkpoints.seq) AS seq "
    "FROM checkpoints",
    columns=(
        "seq",
    ),
)
DELETE_CHECKPOINTS: Final = CompiledStatement(
    "DELETE FROM checkpoints",
)
INSERT_KEY_ACCOUNT: Final = CompiledStatement(
    "INSERT INTO accounts (environment, fingerprint, account, first_seen_ms) VALUES (:environment, :fingerprint, "
    ":account, :first_seen_ms) RETURNING environment, fingerprint, account, first_seen_ms",
    parameters=frozenset({
        "account", "environment", "fingerprint", "first_seen_ms",
    }),
    logged=LOGGED["accounts"],
)
KEY_ACCOUNT: Final = CompiledStatement(
    "SELECT accounts.account "
    "FROM accounts "
    "WHERE accounts.environment = :environment AND accounts.fingerprint = :fingerprint",
    parameters=frozenset({
        "environment", "fingerprint",
    }),
    columns=(
        "account",
    ),
)
INSERT_POLICY: Final = CompiledStatement(
    "INSERT INTO policies (digest, text, stored_ms) VALUES (:digest, :text, :stored_ms) RETURNING ordinal, "
    "digest, text, stored_ms",
    parameters=frozenset({
        "digest", "stored_ms", "text",
    }),
    logged=LOGGED["policies"],
)
NEWEST_POLICIES: Final = CompiledStatement(
    "SELECT policies.digest, policies.text, policies.stored_ms "
    "FROM policies ORDER BY policies.ordinal DESC "
    "LIMIT :most OFFSET 0",
    parameters=frozenset({
        "most",
    }),
    columns=(
        "digest", "text", "stored_ms",
    ),
)
