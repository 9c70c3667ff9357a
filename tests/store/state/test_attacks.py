"""What somebody who may write the file does to the tables that decisions are taken from: each is found by name.

The chain alone sees none of it. The triggers are taken away for each attack and put back afterwards.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest

from guardian.domain.order_states import OrderState
from guardian.domain.owner.proof import Passkey, Proof
from guardian.domain.trading import TradingState
from guardian.store.database import Transaction
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind
from guardian.store.owner.owner_records import NewMandate
from guardian.store.schema.parts import known_parts
from guardian.store.schema.records import Record
from tests.store.support.store_world import MINUTE, World
from tests.support.tamper import tamper

PASSKEY = Passkey(credential_id="c1", public_key="k1", name="phone", sign_count=0, created_ms=1)


def fill(world: World) -> dict[str, str]:
    """Trade, propose, approve, halt and register, so that each table has rows; the names of what was made."""
    bought = world.place()
    world.move(bought, OrderState.FILLED, executed="0.002", quote="100", fee="0.00001")
    open_order = world.place(spec=world.spec(price="1"), notional=Decimal("53.94"))
    world.move(open_order, OrderState.OPEN, executed="0")
    used = world.propose(token="t1", key="used")
    waiting = world.propose(token="t2", key="waiting")

    def redeem(tx: Transaction) -> None:
        entry = world.intent(tx)
        tx.orders.reserve(world.new_order(tx, entry, proposal_id=used.id))
        tx.proposals.redeem(used.id, str(entry.client_order_id))

    world.attempt(redeem)
    world.attempt(lambda tx: tx.acts.record(world.scope, "approve"))
    world.attempt(lambda tx: tx.policies.remember("d1", "max_notional = 100"))
    world.attempt(lambda tx: tx.slicing.mark(world.scope, "BTCUSDT", "BUY"))
    registered = {"change": "passkey_add", "credential_id": PASSKEY.credential_id, "public_key": PASSKEY.public_key}
    world.attempt(lambda tx: tx.audit.append(Record.event(None, registered)))
    world.attempt(lambda tx: tx.approvers.add_passkey(PASSKEY))
    world.attempt(lambda tx: tx.approvers.raise_floor(Proof.PASSKEY))
    mandate = NewMandate(
        scope=world.scope, currency="USDT", budget=Decimal(300), max_order=None, symbols=frozenset({"BTCUSDT"}),
        policy_digest="d1", policy_text="t", approval_seq=1, created_ms=world.clock_ms,
        expires_ms=world.clock_ms + 60 * MINUTE,
    )  # fmt: skip
    made = world.attempt(lambda tx: tx.mandates.add(mandate, random_bytes=world.random_bytes))
    world.attempt(lambda tx: tx.trading.halt("the owner is away", by="owner"))
    return {"bought": bought, "open": open_order, "used": used.id, "waiting": waiting.id, "mandate": made.id}


ATTACKS = {
    "the budget is new": (
        "UPDATE orders SET notional = '0' WHERE client_order_id = :open",
        ["order `{open}`: `notional` is 0, the log says 53.94"],
    ),
    "an open order is called cancelled": (
        "UPDATE orders SET state = 'cancelled' WHERE client_order_id = :open",
        ["order `{open}`: `state` is cancelled, the log says open"],
    ),
    "the owner's halt is lifted": (
        "UPDATE control SET state = 'active'",
        ["control: `state` is active, the log says halted by owner since 2027-01-15 08:00:00 UTC"],
    ),
    "a person's act is forged": (
        "INSERT INTO acts VALUES (99, 'paper', 'a1', 99, 99, 'approve')",
        ["act of a person `99` is not in the log"],
    ),
    "a policy is edited": (
        "UPDATE policies SET text = 'max_notional = 900'",
        ["policy `1`: `text` is max_notional = 900, the log says max_notional = 100"],
    ),
    "denials over a limit are forgotten": (
        "DELETE FROM slicing",
        ["denial over a limit `1` is missing: the log has it"],
    ),
    "a used token is new": (
        "DELETE FROM redemptions WHERE proposal_id = :used",
        ["used token of proposal `{used}` is missing: the log has it"],
    ),
    "a token lasts longer": (
        "UPDATE proposals SET token_expires_ms = 1800000300001 WHERE id = :waiting",
        ["proposal `{waiting}`: `token_expires_ms` is 1800000300001, the log says 1800000300000"],
    ),
    "a passkey is added": (
        "INSERT INTO passkeys VALUES ('c2', 'k2', 'mine', 0, 1, NULL)",
        ["passkey `mine` is not in the log"],
    ),
    "another key is behind a passkey": (
        "UPDATE passkeys SET public_key = 'k2'",
        ["passkey `phone`: `public_key` is k2, the log says k1"],
    ),
    "the floor is lowered": (
        "UPDATE owner SET floor = 'terminal'",
        ["the proofs of the owner: `floor` is terminal, the log says passkey"],
    ),
    "a mandate allows more": (
        "UPDATE mandates SET budget = '9999', ended_ms = NULL",
        ["mandate `{mandate}`: `budget` is 9999, the log says 300; `ended_ms` is nothing, the log says 1800000000000"],
    ),
    "an asset can be sold that is not guardian's": (
        "UPDATE holdings SET quantity = '5' WHERE asset = 'BTC'",
        ["holding `paper/a1/BTCUSDT/BTC`: `quantity` is 5, the log says 0.00199"],
    ),
    "a loss is taken out of the ledger": (
        "DELETE FROM flows WHERE id = 1",
        ["flow `1` is missing: the log has it"],
    ),
    "a position says what it cost": (
        "UPDATE holdings SET last_price = '1' WHERE asset = 'BTC'",
        ["holding `paper/a1/BTCUSDT/BTC`: `last_price` is 1, the log says 50000"],
    ),
    "an order is gone": (
        "DELETE FROM orders WHERE client_order_id = :open",
        ["order `{open}` is missing: the log has it"],
    ),
    "an order is beyond the end of the log": (
        (
            "INSERT INTO orders SELECT 'g1-beyond', 999, environment, account, 'c999', NULL, symbol, base_asset, "
            "quote_asset, side, order_type, wire_type, time_in_force, price, stop_price, quantity, quote_quantity, "
            "fingerprint, notional, quote_notional, currency, is_exit, confirmed, mandate_id, reserved_ms, sent_ms, "
            "state, "
            "order_id, executed_quantity, executed_quote_quantity, fee_quantity, updated_ms, corrections, created_ms, "
            "exchange_status, amended_quantity, absent_ms, given_up, adopted FROM orders WHERE client_order_id = :open"
        ),
        ["order `g1-beyond` is not in the log"],
    ),
    "a number is a text": (
        "UPDATE orders SET order_id = CAST('0x7' AS BLOB) WHERE client_order_id = :open",
        ["order `{open}`: `order_id` is b'0x7', the log says 7"],
    ),
}


def state_sentences(world: World) -> list[str]:
    return [finding.message for finding in verify(world.home).findings if finding.kind is FindingKind.STATE]


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_on_a_table_is_found_by_name(world: World, name: str) -> None:
    """One sentence says which row, which column, what it is and what it was."""
    made = fill(world)
    world.store.close()
    assert verify(world.home).findings == ()
    statement, expected = ATTACKS[name]
    given = {key: value for key, value in made.items() if f":{key}" in statement}
    tamper(world, (statement, given))
    assert state_sentences(world) == [sentence.format(**made) for sentence in expected]


def test_foreign_trigger_that_makes_new_orders_count_nothing_is_found_in_what_it_did(world: World) -> None:
    """The log has the order as guardian wrote it, before the trigger changed it; the trigger itself is gone again."""
    with closing(sqlite3.connect(world.home / "guardian.db", isolation_level=None)) as connection:
        fixed = known_parts()["trigger", "orders_fixed"]
        connection.execute("DROP TRIGGER orders_fixed")
        connection.execute("CREATE TRIGGER tidy AFTER INSERT ON orders BEGIN UPDATE orders SET notional = '0'; END")
        name = world.place()
        assert world.order(name).notional == 0
        connection.execute("DROP TRIGGER tidy")
        connection.execute(fixed)
    world.store.close()
    assert state_sentences(world) == [f"order `{name}`: `notional` is 0, the log says 100"]


def halt_and_resume(tx: Transaction) -> None:
    tx.trading.halt("a", by="x")
    tx.trading.set(TradingState.ACTIVE, reason="", by="y")


def test_state_that_guardian_wrote_is_intact_while_it_halts_and_resumes(world: World) -> None:
    """What is written and written again within one transaction has one image, the last."""
    fill(world)
    for _ in range(2):
        world.attempt(lambda tx: tx.trading.set(TradingState.ACTIVE, reason="back", by="owner"))
        world.attempt(halt_and_resume)
    world.attempt(lambda tx: tx.slicing.clear(world.scope, "BTCUSDT", "BUY"))
    world.store.close()
    assert verify(world.home).findings == ()
