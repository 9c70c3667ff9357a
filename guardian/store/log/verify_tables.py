"""Verifying the tables beside the log.

Each order's flows add up to what it executed, and what is held to all flows of it. Passkeys and the floor of proof are
those that the log has rows of.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from guardian.domain.money import ZERO, minus, negated, plain, plus
from guardian.domain.orders import OrderSide
from guardian.domain.owner.proof import Proof
from guardian.store.log.statements import (
    ALL_FLOWS,
    ALL_HOLDINGS,
    ALL_ORDERS,
    BEGIN_READING,
    CORRECTIONS_WITHOUT_ROW,
    END_READING,
    FLOOR_OF_LOG,
    FLOOR_OF_TABLE,
    PASSKEYS_WITHOUT_ROW,
)


def imbalances(connection: sqlite3.Connection) -> Iterator[tuple[int | None, str]]:
    """Yields what does not add up, in a sentence, with the intent row of the order that it is about, if any.

    The difference does not change while orders continue, so the same damage has the same words.
    """
    connection.execute(BEGIN_READING)
    try:
        flows, orders, holdings = (connection.execute(sql).fetchall() for sql in (ALL_FLOWS, ALL_ORDERS, ALL_HOLDINGS))
        unknown = connection.execute(CORRECTIONS_WITHOUT_ROW).fetchall()
    finally:
        connection.execute(END_READING)
    for (source,) in unknown:
        yield None, f"the ledger has a correction `{source}` that no row of the log has"
    try:
        yield from _held_against(flows, orders, holdings)
    except (InvalidOperation, TypeError, ValueError):
        yield None, "the ledger has an amount that is not a number"


def _held_against(
    flows: list[tuple[str, ...]], orders: list[tuple[str, ...]], holdings: list[tuple[str, ...]]
) -> Iterator[tuple[int | None, str]]:
    traded: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    held: dict[tuple[str, ...], Decimal] = defaultdict(lambda: ZERO)
    for name, environment, account, symbol, kind, asset, text in flows:
        change, place = Decimal(text), (environment, account, symbol, asset)
        if kind != "worth":
            held[place] = plus(held[place], change)
        if kind == "trade":
            traded[name, asset] = plus(traded[name, asset], change)
    for name, side, base, executed, seq in orders:
        wanted = Decimal(executed) if side == OrderSide.BUY.value else negated(Decimal(executed))
        off = minus(traded[name, base], wanted)
        if off != 0:
            yield int(seq), f"the ledger of order `{name}` is off by {plain(off)} {base}"
    for environment, account, symbol, asset, quantity in holdings:
        off = minus(Decimal(quantity), held.pop((environment, account, symbol, asset), ZERO))
        if off != 0:
            yield None, f"what is held of {symbol} on `{environment}` is off by {plain(off)} {asset}"
    for (environment, _, symbol, asset), change in held.items():
        if change != 0:
            yield None, f"what is held of {symbol} on `{environment}` is off by {plain(negated(change))} {asset}"


def owner_differences(connection: sqlite3.Connection) -> Iterator[str]:
    """Yields what differs from the log, in a sentence."""
    for (name,) in connection.execute(PASSKEYS_WITHOUT_ROW).fetchall():
        yield f"the passkey `{name}` was registered by no row of the log"
    found, row = connection.execute(FLOOR_OF_TABLE).fetchone(), connection.execute(FLOOR_OF_LOG).fetchone()
    logged = Proof.TERMINAL.value if row is None else _floor_in(row[0])
    if found is None or found[0] != logged:
        yield "the weakest proof that this home accepts is not the one that the log has"


def _floor_in(body: bytes) -> str | None:
    try:
        floor = json.loads(body)["data"]["floor"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(floor)
