"""A row that somebody edits in the file, and that guardian itself writes later: the edit is in the log then.

So the tables are as the log says, and the chain holds. What shows it is the image before: guardian did not set the
column, or makes no such move.
"""

from __future__ import annotations

import json
import random
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guardian.domain.order_states import OrderState
from guardian.domain.owner.proof import Passkey
from guardian.domain.trading import TradingState
from guardian.store.answers.rebuilding import rebuild
from guardian.store.database import Transaction
from guardian.store.definitions.tables import CHANGING_ORDER_COLUMNS
from guardian.store.log.read_only import database_path, read_only
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind
from guardian.store.owner.owner_records import ChangeKind, NewMandate
from guardian.store.schema import sqlite_statements
from guardian.store.schema.compiled_statement import CompiledStatement
from guardian.store.schema.parts import known_parts
from guardian.store.schema.records import Record
from guardian.store.schema.sqlite_statements import LOGGED
from guardian.store.state.table_differences import history_differences, image_differences
from guardian.store.state.table_state import TableState
from tests.store.state.histories import History
from tests.store.support.store_world import MINUTE, World
from tests.support.tamper import tamper

PHONE = Passkey(credential_id="c1", public_key="k1", name="phone", sign_count=0, created_ms=1)


def fill(world: World) -> dict[str, str]:
    """Rows of every kind that guardian changes later; the names of what was made."""
    bought = world.place()
    world.move(bought, OrderState.FILLED, executed="0.002", quote="100", fee="0.00001")
    opened = world.place(spec=world.spec(price="1"), notional=Decimal("53.94"))
    world.move(opened, OrderState.PART_FILLED, executed="0.001", quote="50")
    used, waiting, refused = (world.propose(token=f"t{n}", key=f"k{n}") for n in range(3))
    redeem(world, used.id)
    world.attempt(lambda tx: tx.proposals.reject(refused.id, "no"))
    world.attempt(lambda tx: tx.acts.record(world.scope, "approve"))
    world.attempt(lambda tx: tx.slicing.mark(world.scope, "BTCUSDT", "BUY"))
    registered = {"change": "passkey_add", "credential_id": PHONE.credential_id, "public_key": PHONE.public_key}
    world.attempt(lambda tx: tx.audit.append(Record.event(None, registered)))
    world.attempt(lambda tx: tx.approvers.add_passkey(PHONE))
    world.attempt(lambda tx: tx.approvers.count_assertion("c1", 7))
    for _ in range(3):
        world.attempt(lambda tx: tx.approvers.count_try())
    world.attempt(lambda tx: tx.approvers.request_change(ChangeKind.PASSKEY_ADD, {"a": 1}, effective_ms=tx.now_ms))
    world.attempt(lambda tx: tx.approvers.end_change(1, "cancelled"))
    mandates = [mandate(world), mandate(world, symbol="ETHUSDT")]
    world.attempt(lambda tx: tx.mandates.end("over"))
    mandates.append(mandate(world))
    world.attempt(lambda tx: tx.trading.set(TradingState.REDUCING, reason="many orders", by="guardian"))
    return {
        "bought": bought, "open": opened, "used": used.id, "waiting": waiting.id, "refused": refused.id,
        "ended": mandates[0], "mandate": mandates[2],
    }  # fmt: skip


def mandate(world: World, symbol: str = "BTCUSDT") -> str:
    new = NewMandate(
        scope=world.scope, currency="USDT", budget=Decimal(300), max_order=None, symbols=frozenset({symbol}),
        policy_digest="d1", policy_text="t", approval_seq=1, created_ms=world.clock_ms,
        expires_ms=world.clock_ms + 60 * MINUTE,
    )  # fmt: skip
    return world.attempt(lambda tx: tx.mandates.add(new, random_bytes=world.random_bytes)).id


def redeem(world: World, proposal_id: str) -> None:
    def work(tx: Transaction) -> None:
        entry = world.intent(tx)
        tx.orders.reserve(world.new_order(tx, entry, proposal_id=proposal_id))
        tx.proposals.redeem(proposal_id, str(entry.client_order_id))

    world.attempt(work)


def cancel(world: World, made: dict[str, str]) -> None:
    world.move(made["open"], OrderState.CANCELLED)


def note_absent(world: World, made: dict[str, str]) -> None:
    world.attempt(lambda tx: tx.orders.note_absent(made["open"], 5))


def report(state: OrderState, *, executed: str, order_id: int = 7) -> Callable[[World, dict[str, str]], None]:
    def work(world: World, made: dict[str, str]) -> None:
        seen = world.report(executed=executed, quote="75", order_id=order_id)
        world.attempt(lambda tx: tx.orders.move(made["open"], state, report=seen))

    return work


def issue(which: str) -> Callable[[World, dict[str, str]], None]:
    def work(world: World, made: dict[str, str]) -> None:
        world.attempt(
            lambda tx: tx.proposals.issue_token(made[which], token_digest="new", expires_ms=2**50, by_person=True)
        )

    return work


def assertion(counter: int) -> Callable[[World, dict[str, str]], None]:
    return lambda world, _: world.attempt(lambda tx: tx.approvers.count_assertion("c1", counter))


EDITS: dict[str, tuple[str, Callable[[World, dict[str, str]], object], str]] = {
    "an order counts nothing, and is cancelled": (
        "UPDATE orders SET notional = '0' WHERE client_order_id = :open", cancel,
        "order `{open}` in row N, which did not change that: `notional` is 0, row N has 53.94",
    ),
    "an order is another one's, and is cancelled": (
        "UPDATE orders SET account = 'a2', side = 'SELL' WHERE client_order_id = :open", cancel,
        ("order `{open}` in row N, which did not change that: "
        "`account` is a2, row N has a1; `side` is SELL, row N has BUY"),
    ),
    "an open order is called cancelled, and is asked for": (
        "UPDATE orders SET state = 'cancelled' WHERE client_order_id = :open", note_absent,
        "order `{open}` in row N, which did not change that: `state` is cancelled, row N has part_filled",
    ),
    "an order is called reserved, and its fill is noted": (
        "UPDATE orders SET state = 'not_placed' WHERE client_order_id = :open",
        report(OrderState.NOT_PLACED, executed="0.0015"),
        "order `{open}` in row N, which did not change that: `state` is not_placed, row N has part_filled",
    ),
    "an order that was filled is open again, and is cancelled": (
        "UPDATE orders SET state = 'open' WHERE client_order_id = :bought",
        lambda world, made: world.move(made["bought"], OrderState.CANCELLED),
        "order `{bought}` in row N: `state` was filled in row N and is cancelled, which guardian never does",
    ),
    "an order executed nothing, and executes a little": (
        "UPDATE orders SET executed_quantity = '0' WHERE client_order_id = :open",
        report(OrderState.PART_FILLED, executed="0.0005"),
        "order `{open}` in row N: `executed_quantity` was 0.001 in row N and is 0.0005, which guardian never does",
    ),
    "an order has no number at the exchange, and gets another one": (
        "UPDATE orders SET order_id = NULL WHERE client_order_id = :open",
        report(OrderState.FILLED, executed="0.002", order_id=9),
        "order `{open}` in row N: `order_id` was 7 in row N and is 9, which guardian never does",
    ),
    "an order is put into the table, and is cancelled": (
        ("INSERT INTO orders SELECT 'g1-new', 999, environment, account, 'c999', NULL, symbol, base_asset, "
        "quote_asset, side, order_type, wire_type, time_in_force, price, stop_price, quantity, quote_quantity, "
        "fingerprint, notional, quote_notional, currency, is_exit, confirmed, mandate_id, reserved_ms, sent_ms, state, "
        "order_id, executed_quantity, executed_quote_quantity, fee_quantity, updated_ms, corrections, created_ms, "
        "exchange_status, amended_quantity, absent_ms, given_up, adopted FROM orders WHERE client_order_id = :open"),
        lambda world, _: world.move("g1-new", OrderState.CANCELLED),
        "order `g1-new` was changed in row N, but no row before has it: it was put into the table",
    ),
    "the owner's reason is another one, and guardian adds to it": (
        "UPDATE control SET by = 'guardian', state = 'halted'",
        lambda world, _: world.attempt(lambda tx: tx.trading.halt("and more", by="guardian")),
        "control in row N, which did not change that: `state` is halted, row N has reducing",
    ),
    "a token lasts longer, and is used": (
        "UPDATE proposals SET token_expires_ms = 1900000000000 WHERE id = :waiting",
        lambda world, made: redeem(world, made["waiting"]),
        ("proposal `{waiting}` in row N, which did not change that: "
        "`token_expires_ms` is 1900000000000, row N has 1800000300000"),
    ),
    "a proposal is of another order, and is approved": (
        "UPDATE proposals SET side = 'SELL' WHERE id = :waiting",
        issue("waiting"),
        "proposal `{waiting}` in row N, which did not change that: `side` is SELL, row N has BUY",
    ),
    "a proposal that was rejected waits again, and is approved": (
        "UPDATE proposals SET state = 'waiting', reason = NULL WHERE id = :refused", issue("refused"),
        "proposal `{refused}` in row N, which did not change that: `reason` is nothing, row N has no",
    ),
    "a proposal that was rejected for nothing waits again, and is approved": (
        "UPDATE proposals SET state = 'waiting' WHERE id = :refused", issue("refused"),
        "proposal `{refused}` in row N: `state` was rejected in row N and is approved, which guardian never does",
    ),
    "the newest act of a person is another one": (
        "DELETE FROM acts WHERE id = 1",
        lambda world, _: world.attempt(lambda tx: tx.acts.record(None, "resume")),
        "act of a person `1` is new in row N, but row N has it: it was taken out of the table",
    ),
    "a denial over a limit is forgotten, and there is another": (
        "DELETE FROM slicing",
        lambda world, _: world.attempt(lambda tx: tx.slicing.mark(world.scope, "ETHUSDT", "BUY")),
        "denial over a limit `1` is new in row N, but row N has it: it was taken out of the table",
    ),
    "a passkey is put into the table, and is used": (
        "UPDATE passkeys SET credential_id = 'c0'; ", lambda world, _: world.attempt(
            lambda tx: tx.approvers.count_assertion("c0", 8)
        ),
        "passkey `phone` was changed in row N, but no row before has it: it was put into the table",
    ),
    "another key is behind a passkey, and is used": (
        "UPDATE passkeys SET public_key = 'k2'", assertion(8),
        "passkey `phone` in row N, which did not change that: `public_key` is k2, row N has k1",
    ),
    "a passkey's counter is set back for a copy of it": (
        "UPDATE passkeys SET sign_count = 0", assertion(5),
        "passkey `phone` in row N: `sign_count` was 7 in row N and is 5, which guardian never does",
    ),
    "wrong answers are forgotten, and there is another": (
        "UPDATE owner SET pin_tries = 0", lambda world, _: world.attempt(lambda tx: tx.approvers.count_try()),
        "the proofs of the owner in row N: `pin_tries` was 3 in row N and is 1, which guardian never does",
    ),
    "a change that was cancelled waits again, and takes effect": (
        "UPDATE owner_changes SET state = 'waiting'",
        lambda world, _: world.attempt(lambda tx: tx.approvers.end_change(1, "done")),
        ("waiting change of the owner's `1` in row N: "
        "`state` was cancelled in row N and is done, which guardian never does"),
    ),
    "a mandate allows more, and ends": (
        "UPDATE mandates SET budget = '9999', ended_ms = NULL WHERE id = :ended",
        lambda world, _: world.attempt(lambda tx: tx.mandates.end("over")),
        "mandate `{ended}` in row N, which did not change that: `budget` is 9999, row N has 300",
    ),
    "a mandate that ended is open again, and ends": (
        "UPDATE mandates SET ended_ms = NULL WHERE id = :ended",
        lambda world, _: world.attempt(lambda tx: tx.mandates.end("over")),
        ("mandate `{ended}` in row N: `ended_ms` was 1800000000000 in row N and is 1800000000000, "
        "which guardian never does"),
    ),
    "a position says what it cost, and there is more of it": (
        "UPDATE holdings SET last_price = '1' WHERE asset = 'USDT'",
        report(OrderState.PART_FILLED, executed="0.0015"),
        "holding `paper/a1/BTCUSDT/USDT` in row N, which did not change that: `last_price` is 1, row N has nothing",
    ),
}  # fmt: skip


def plain_words(message: str) -> str:
    """Without the numbers of rows."""
    return re.sub(r"\brow \d+", "row N", message)


@pytest.mark.parametrize("name", EDITS)
def test_edit_that_guardian_wrote_again_is_found_by_name(world: World, name: str) -> None:
    """Though the tables are then as the log says: one sentence has the row, the column, and what it was."""
    made = fill(world)
    statement, later, expected = EDITS[name]
    given = {key: value for key, value in made.items() if f":{key}" in statement}
    tamper(world, (statement, given))
    later(world, made)
    world.store.close()
    found = [finding for finding in verify(world.home).findings if finding.kind is FindingKind.STATE]
    assert expected.format(**made) in [plain_words(finding.message) for finding in found]
    assert f"row {found[0].seq}" in found[0].message


def test_quantity_that_guardian_wrote_again_is_no_sum_of_the_flows(world: World) -> None:
    """What is held is set as a sum with what was held before, so the ledger has to say that there is too much."""
    made = fill(world)
    tamper(world, "UPDATE holdings SET quantity = '5' WHERE asset = 'BTC'")
    report(OrderState.PART_FILLED, executed="0.0015")(world, made)
    world.store.close()
    (finding,) = verify(world.home).findings
    assert finding.kind is FindingKind.LEDGER
    assert finding.message == "what is held of BTCUSDT on `paper` is off by 4.99701 BTC"


def test_trigger_that_changes_what_guardian_writes_is_found_in_the_image(world: World) -> None:
    """A foreign trigger that runs first changes the row that guardian then reads back; it is gone again."""
    made = fill(world)
    trigger = (
        "CREATE TRIGGER tidy BEFORE UPDATE ON orders WHEN NEW.notional <> '0' BEGIN UPDATE orders SET notional = '0'"
    )
    fixed = known_parts()["trigger", "orders_fixed"]
    with closing(sqlite3.connect(world.home / "guardian.db", isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER orders_fixed")
        connection.execute(f"{trigger} WHERE client_order_id = OLD.client_order_id; END")
        cancel(world, made)
        assert world.order(made["open"]).notional == 0
        connection.execute("DROP TRIGGER tidy")
        connection.execute(fixed)
    world.store.close()
    (finding,) = verify(world.home).findings
    expected = "order `{open}` in row N, which did not change that: `notional` is 0, row N has 53.94"
    assert plain_words(finding.message) == expected.format(**made)


def test_edit_that_guardian_wrote_again_is_in_the_rebuilt_database_and_found_there(
    world: World, tmp_path: Path
) -> None:
    """The log has the edit, and also shows that it is one."""
    made = fill(world)
    tamper(world, ("UPDATE orders SET notional = '0' WHERE client_order_id = :open", {"open": made["open"]}))
    cancel(world, made)
    world.store.close()
    found = verify(world.home).findings
    assert len(found) == 1
    assert verify(rebuild(world.home, tmp_path / "rebuilt.db").path).findings == found


def test_order_of_a_halt_that_was_lifted_in_the_file_is_found_though_it_is_in_force_again(world: World) -> None:
    """The row is as the log says before and after; what shows it is the order that came in between."""
    fill(world)
    world.attempt(lambda tx: tx.trading.set(TradingState.HALTED, reason="enough", by="owner"))
    halted = verify(world.home).last_seq
    tamper(world, "UPDATE control SET state = 'active'")
    world.place()
    tamper(world, "UPDATE control SET state = 'halted'")
    world.place(spec=world.spec(price="1"))
    world.store.close()
    (finding,) = verify(world.home).findings
    assert finding.kind is FindingKind.STATE
    assert finding.message == (
        f"an order was reserved in row {finding.seq}, while trading was halted since row {halted}"
    )
    assert finding.seq == halted + 1


def set_trading(world: World, state: TradingState) -> None:
    world.attempt(lambda tx: tx.trading.set(state, reason="r", by="owner"))


def test_orders_before_a_halt_and_after_its_end_are_no_finding(world: World) -> None:
    """Whether the owner resumed at once, or in part at first."""
    for state in (TradingState.ACTIVE, TradingState.REDUCING):
        world.place()
        set_trading(world, TradingState.HALTED)
        set_trading(world, state)
        world.place()
    world.store.close()
    assert verify(world.home).is_intact


def test_baseline_of_a_log_that_tells_the_tables_already_hides_nothing(world: World) -> None:
    """STATE: whoever has the tables said anew, after an edit, has a row in the log that says just that."""
    made = fill(world)
    tamper(world, ("UPDATE orders SET notional = '0' WHERE client_order_id = :open", {"open": made["open"]}))
    world.attempt(lambda tx: tx.audit.append_baseline("migrated from version 5"))
    world.store.close()
    report = verify(world.home)
    (finding,) = report.findings
    assert finding.kind is FindingKind.STATE
    assert plain_words(finding.message) == (
        "row N says again what all tables hold, though rows before it do: what was edited would be hidden"
    )
    assert finding.seq == report.tables_proven_from


def state_rows(world: World) -> list[tuple[int, Any]]:
    """The rows of the log that say what the other tables hold: number and data."""
    with read_only(database_path(world.home)) as connection:
        rows = connection.execute("SELECT seq, body FROM audit WHERE phase = 'state' ORDER BY seq").fetchall()
    return [(seq, json.loads(body)["data"]) for seq, body in rows]


def found_in(world: World, state: TableState) -> set[tuple[int, str]]:
    with read_only(database_path(world.home)) as connection:
        return {*history_differences(connection, state), *image_differences(connection, state)}


@pytest.mark.parametrize("is_edited", [False, True])
def test_log_that_is_read_in_two_parts_shows_the_same(world: World, *, is_edited: bool) -> None:
    """Wherever it is cut, and though the part comes from another process as JSON: all that the whole shows."""
    made = fill(world)
    if is_edited:
        tamper(
            world,
            ("UPDATE orders SET notional = '0' WHERE client_order_id = :open", {"open": made["open"]}),
            "UPDATE passkeys SET credential_id = 'c0'",
            "DELETE FROM acts",
            "UPDATE owner SET pin_tries = 0",
        )
        cancel(world, made)
        world.attempt(lambda tx: tx.approvers.count_assertion("c0", 8))
        world.attempt(lambda tx: tx.acts.record(None, "resume"))
        world.attempt(lambda tx: tx.approvers.count_try())
        world.attempt(lambda tx: tx.trading.set(TradingState.HALTED, reason="r", by="owner"))
        tamper(world, "UPDATE control SET state = 'active'")
        world.place()
        tamper(world, "UPDATE control SET state = 'halted'")
        world.attempt(lambda tx: tx.audit.append_baseline("again"))
    rows = state_rows(world)
    whole = TableState()
    for seq, data in rows:
        whole.apply(seq, data)
    expected = found_in(world, whole)
    assert len(expected) == (6 if is_edited else 0)
    for cut in range(len(rows) + 1):
        first, second = TableState(), TableState(of_part=True)
        for state, part in ((first, rows[:cut]), (second, rows[cut:])):
            for seq, data in part:
                state.apply(seq, data)
        first.take_over(TableState.unpacked(json.loads(json.dumps(second.packed()))))
        assert found_in(world, first) == expected, cut
        assert first.tables == whole.tables, cut


@pytest.mark.parametrize("seed", range(10))
def test_what_guardian_does_is_no_edit(world: World, seed: int) -> None:
    """No image is in doubt after a random history, though each is compared with the one before it."""
    History(world, random.Random(seed)).run(60)
    state = TableState()
    for seq, data in state_rows(world):
        state.apply(seq, data)
    assert state.doubts == []


def test_missing_row_of_the_log_is_one_finding(world: World) -> None:
    """What the row said is not known, so the images after it are not compared with those before."""
    made = fill(world)
    cancel(world, made)
    first_of_order = next(
        seq for seq, data in state_rows(world)
        if any(image["client_order_id"] == made["open"] for image in data["tables"].get("orders", ()))
    )  # fmt: skip
    tamper(world, ("DELETE FROM audit WHERE seq = ?", (first_of_order,)))
    world.store.close()
    assert [finding.kind for finding in verify(world.home).findings] == [FindingKind.GAP]


# What the definitions say of columns


def test_columns_that_no_statement_sets_are_fixed() -> None:
    """By the text of the statements: each column that an UPDATE sets is named as changing, and no other."""
    found: dict[str, set[str]] = {name: set() for name in LOGGED}
    for statement in vars(sqlite_statements).values():
        if not isinstance(statement, CompiledStatement):
            continue
        match = re.match(r"UPDATE (\w+) SET (.*?) (?:WHERE|RETURNING)", statement.sql)
        assert (match is not None) == statement.sql.startswith("UPDATE")
        if match is None or match[1] not in LOGGED:
            assert statement.sets == frozenset()
            continue
        columns = set(re.findall(r"(\w+)\"?=", match[2])) & set(LOGGED[match[1]].columns)
        assert statement.sets == columns, statement.sql
        found[match[1]] |= columns
    assert {name: set(table.changing) for name, table in LOGGED.items()} == found
    fixed = {name: set(table.columns) - table.changing for name, table in LOGGED.items()}
    assert {"symbol", "side", "notional", "quantity", "account", "reserved_ms"} <= fixed["orders"]
    for name in ("acts", "accounts", "flows", "policies", "policy_approvals", "redemptions"):
        assert fixed[name] == set(LOGGED[name].columns), name


def test_columns_of_an_order_that_its_trigger_fixes_are_those_that_no_statement_sets() -> None:
    """Verification and the file's own interlock agree."""
    assert LOGGED["orders"].changing == CHANGING_ORDER_COLUMNS
