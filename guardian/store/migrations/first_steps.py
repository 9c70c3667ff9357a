"""The steps up to version 5: what rows of older tables need to be read as newer ones."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from decimal import Decimal

from guardian.domain.money import ZERO, divided_up, negated, plain, plus, round_up, times
from guardian.domain.orders import OrderSide
from guardian.domain.trading import TradingState

KEPT_UNDER_KEYS = (
    "orders were kept under the key that sent them before guardian was updated, and count in no budget of the account; "
    "look at them, then resume"
)


def to_2(connection: sqlite3.Connection) -> None:
    """Of no order is it known how much of it the known fees are of, so all are fetched again."""
    connection.execute("ALTER TABLE orders ADD COLUMN fee_quantity TEXT NOT NULL DEFAULT '0'")


def to_3(connection: sqlite3.Connection) -> None:
    """Makes the flows of each order from what it executed, and halts: its account was named after the key."""
    connection.execute("ALTER TABLE orders ADD COLUMN corrections INTEGER NOT NULL DEFAULT 0")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS flows ( id INTEGER NOT NULL, environment TEXT NOT NULL, account TEXT NOT NULL, "
        "symbol TEXT NOT NULL, client_order_id TEXT NOT NULL, ts_ms INTEGER NOT NULL, clock_ms INTEGER NOT NULL, "
        "kind TEXT NOT NULL, asset TEXT NOT NULL, change TEXT NOT NULL, PRIMARY KEY (id) )"
    )
    orders = connection.execute(
        "SELECT environment, account, symbol, client_order_id, updated_ms, base_asset, quote_asset, side, price, "
        "executed_quantity, executed_quote_quantity, base_fee FROM orders ORDER BY intent_seq"
    ).fetchall()
    for *place, updated_ms, base, quote, side, price, executed, quote_executed, base_fee in orders:
        bought, cash = Decimal(executed), Decimal(quote_executed)
        if side == OrderSide.BUY.value:
            cash = negated(cash if cash > 0 or price is None else times(Decimal(price), bought))
        else:
            bought = negated(bought)
        flows = (("trade", base, bought), ("trade", quote, cash), ("fee", base, negated(Decimal(base_fee))))
        for kind, asset, change in flows:
            if change != 0:
                connection.execute(
                    "INSERT INTO flows (environment, account, symbol, client_order_id, ts_ms, clock_ms, kind, asset, "
                    "change) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*place, updated_ms, updated_ms, kind, asset, plain(change)),
                )
    if orders:
        connection.execute(
            "UPDATE control SET state = ?, reason = ?, since_ms = window_ms, \"by\" = 'guardian' WHERE state <> ?",
            (TradingState.HALTED.value, KEPT_UNDER_KEYS, TradingState.HALTED.value),
        )


def to_4(connection: sqlite3.Connection) -> None:
    """Sums what is held of each asset, and expires proposals: none names the policy file it was made under."""
    for column in (
        "created_ms INTEGER", "exchange_status TEXT", "amended_quantity TEXT", "absent_ms INTEGER NOT NULL DEFAULT 0",
        "given_up BOOLEAN NOT NULL DEFAULT 0", "adopted BOOLEAN NOT NULL DEFAULT 1",
    ):  # fmt: skip
        connection.execute(f"ALTER TABLE orders ADD COLUMN {column}")
    connection.execute("ALTER TABLE proposals ADD COLUMN policy_source TEXT NOT NULL DEFAULT ''")
    connection.execute("ALTER TABLE proposals ADD COLUMN token_ttl_ms INTEGER NOT NULL DEFAULT 300000")
    connection.execute(
        "UPDATE proposals SET expires_ms = created_ms, token_expires_ms = CASE WHEN token_digest IS NOT NULL THEN "
        "created_ms END WHERE state IN ('waiting', 'approved')"
    )
    connection.execute("DROP TABLE IF EXISTS holdings")
    connection.execute(
        "CREATE TABLE holdings ( environment VARCHAR NOT NULL, account VARCHAR NOT NULL, symbol VARCHAR NOT NULL, "
        "asset VARCHAR NOT NULL, base_asset TEXT NOT NULL, quote_asset TEXT NOT NULL, quantity TEXT NOT NULL, "
        "last_price TEXT, PRIMARY KEY (environment, account, symbol, asset) )"
    )
    _hold_all(connection)


def _hold_all(connection: sqlite3.Connection) -> None:
    held: dict[tuple[str, str, str, str], Decimal] = defaultdict(lambda: ZERO)
    for environment, account, symbol, asset, change in connection.execute(
        "SELECT environment, account, symbol, asset, change FROM flows ORDER BY id"
    ).fetchall():
        place = (environment, account, symbol, asset)
        held[place] = plus(held[place], Decimal(change))
    assets, prices = dict[str, tuple[str, str]](), dict[tuple[str, str, str], str]()
    for environment, account, symbol, base, quote, executed, quote_executed in connection.execute(
        "SELECT environment, account, symbol, base_asset, quote_asset, executed_quantity, executed_quote_quantity "
        "FROM orders ORDER BY updated_ms, intent_seq"
    ).fetchall():
        assets[symbol] = (base, quote)
        if Decimal(executed) > 0 and Decimal(quote_executed) > 0:
            price = round_up(divided_up(Decimal(quote_executed), Decimal(executed)))
            prices[environment, account, symbol] = plain(price)
    for (environment, account, symbol, asset), quantity in held.items():
        base, quote = assets[symbol]
        price_now = prices.get((environment, account, symbol)) if asset == base else None
        connection.execute(
            "INSERT INTO holdings VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (environment, account, symbol, asset, base, quote, plain(quantity), price_now),
        )


def to_5(connection: sqlite3.Connection) -> None:
    """Begins the owner's row: there is neither a PIN nor a passkey yet, and no proposal has a proof."""
    connection.execute("ALTER TABLE orders ADD COLUMN mandate_id TEXT")
    connection.execute("ALTER TABLE proposals ADD COLUMN proof TEXT")
    connection.execute("ALTER TABLE proposals ADD COLUMN approval_seq INTEGER")
    connection.execute(
        "CREATE TABLE owner ( id INTEGER NOT NULL, floor TEXT NOT NULL, pin_since_ms INTEGER, pin_digest TEXT, "
        "pin_tries INTEGER NOT NULL, PRIMARY KEY (id) )"
    )
    connection.execute("INSERT INTO owner (id, floor, pin_tries) VALUES (1, 'terminal', 0)")
