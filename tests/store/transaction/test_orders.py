"""Orders: reserved with their intent, moved on, never back."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from guardian.domain.order_states import CORRECTIONS, FINAL_STATES, IN_FLIGHT_MS, LIVE_STATES, ORDER_MOVES, OrderState
from guardian.domain.orders import Fees
from guardian.errors import StoreConflict
from guardian.store.database import Transaction
from guardian.store.schema.records import Phase, Record, found_key
from guardian.store.transaction.orders import UNKNOWN_FEES_MS, correction_key
from tests.store.support.store_world import World
from tests.support.present import present


def test_reserved_order_is_read_back_as_it_was_given(world: World) -> None:
    """Every field survives, amounts exactly."""
    with world.store.transaction() as tx:
        entry = world.intent(tx)
        order = world.new_order(
            tx,
            entry,
            price=Decimal("50000.10"),
            stop_price=Decimal("0.00000001"),
            quote_quantity=Decimal("99999999999999999999.00000001"),
            notional=Decimal("100.00000001"),
            is_exit=True,
            confirmed=True,
            proposal_id=None,
        )
        tx.orders.reserve(order)
    row = world.order(present(entry.client_order_id))
    for name in order.__dataclass_fields__:
        assert getattr(row, name) == getattr(order, name), name
    assert row.state is OrderState.RESERVED
    assert row.intent_seq == entry.seq
    assert row.executed_quantity == 0


def test_order_without_its_intent_is_not_reserved(world: World) -> None:
    """No row of the log, no order."""
    with pytest.raises(StoreConflict):
        world.place(client_order_id="g1-" + "0" * 32)
    with pytest.raises(StoreConflict):
        world.place(call_id="another call")
    with world.store.transaction() as tx:
        assert tx.orders.newest(world.scope) == ()


def test_found_order_is_not_entered_by_a_report_that_contradicts_it(world: World) -> None:
    """The gate refuses such a report; one that comes through all the same changes nothing."""
    name = "g1-" + "a" * 32

    def enter(quantity: str) -> None:
        with world.store.transaction() as tx:
            entry = tx.audit.append(Record.event(world.scope, {}, key=found_key(world.scope.environment, name)))
            order = world.new_order(tx, entry, client_order_id=name, call_id=None)
            tx.orders.enter_found(order, replace(world.report(quantity=quantity), client_order_id=name))

    with pytest.raises(StoreConflict, match="contradicts"):
        enter("0.003")
    with world.store.transaction() as tx:
        assert tx.orders.newest(world.scope) == ()
        assert not tx.audit.has_key(found_key(world.scope.environment, name))
    enter("0.002")
    assert world.order(name).state is OrderState.OPEN


def test_order_is_reserved_at_the_time_of_its_transaction(world: World) -> None:
    """An order cannot be dated back out of a window."""
    with pytest.raises(StoreConflict), world.store.transaction() as tx:
        tx.orders.reserve(world.new_order(tx, world.intent(tx), reserved_ms=tx.now_ms - 1))


def test_order_is_reserved_once(world: World) -> None:
    """The same intent, or the same proposal, never makes two orders."""

    def twice(tx: Transaction) -> None:
        order = world.new_order(tx, world.intent(tx))
        tx.orders.reserve(order)
        tx.orders.reserve(order)

    with pytest.raises(StoreConflict):
        world.attempt(twice)
    world.place(proposal_id="P1")
    with pytest.raises(StoreConflict):
        world.place(proposal_id="P1")


@pytest.mark.parametrize("before", list(OrderState))
def test_only_the_listed_moves_are_made(world: World, before: OrderState) -> None:
    """An order moves along ORDER_MOVES and no other way, whatever a late report says."""
    for after in OrderState:
        name = world.place()
        if before is not OrderState.RESERVED:
            path = [before] if before in ORDER_MOVES[OrderState.RESERVED] else []
            for state in path:
                assert world.move(name, state)
        moved = world.move(name, after)
        assert moved is (after in ORDER_MOVES[before]), after
        assert world.order(name).state is (after if moved else before), after


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
def test_file_itself_refuses_to_undo_a_final_state(world: World, state: OrderState) -> None:
    """Nothing leaves a final state, not even past the code."""
    name = world.place()
    world.move(name, state)
    connection = sqlite3.connect(world.home / "guardian.db")
    with pytest.raises(sqlite3.IntegrityError, match="final"):
        connection.execute("UPDATE orders SET state = 'open'")
    with pytest.raises(sqlite3.IntegrityError, match="never changes"):
        connection.execute("UPDATE orders SET notional = '0'")
    with pytest.raises(sqlite3.IntegrityError, match="kept"):
        connection.execute("DELETE FROM orders")
    connection.close()


@pytest.mark.parametrize("before", list(OrderState))
def test_file_itself_enforces_every_move(world: World, before: OrderState) -> None:
    """The database has the whole table of moves: past the code, too, an order makes the listed ones and no other."""
    name = world.place()
    assert before is OrderState.RESERVED or world.move(name, before)
    connection = sqlite3.connect(world.home / "guardian.db")
    try:
        for after in OrderState:
            connection.execute("BEGIN")
            if after in ORDER_MOVES[before] or after is before:
                connection.execute("UPDATE orders SET state = ?", (after.value,))
            else:
                with pytest.raises(sqlite3.IntegrityError, match="not a listed move"):
                    connection.execute("UPDATE orders SET state = ?", (after.value,))
            connection.rollback()
    finally:
        connection.close()


def contradicted(world: World, name: str, state: str = "NEW", **fields: Any) -> bool:
    """One reconciliation: the row of the log, and the correction; whether it was one."""
    report = replace(world.report(**fields), status=state)

    def correct(tx: Transaction) -> bool:
        row = tx.orders.get(name)
        tx.audit.append(Record(phase=Phase.EVENT, key=correction_key(present(row))))
        return tx.orders.correct(name, report)

    return world.attempt(correct)


@pytest.mark.parametrize("before", list(OrderState))
@pytest.mark.parametrize("status", ["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED", "REJECTED", "ODD"])
def test_only_the_listed_corrections_are_made(world: World, before: OrderState, status: str) -> None:
    """An order whose end is wrong is set right along CORRECTIONS and no other way, and counts as what it is then."""
    name = world.place()
    assert before is OrderState.RESERVED or world.move(name, before)
    report = replace(world.report(executed="0.001", quote="50"), status=status)
    listed = report.state in CORRECTIONS.get(before, ())
    assert contradicted(world, name, status, executed="0.001", quote="50") is listed
    row = world.order(name)
    assert (row.state, row.corrections) == ((report.state, 1) if listed else (before, 0))
    if listed:
        assert world.usage().position == Decimal("0.001")
        assert world.usage().entered[5 * 60_000] == 100
        assert world.usage().open_notional == (50 if row.state in LIVE_STATES else 0)


def test_correction_without_its_row_in_the_log_is_refused(world: World) -> None:
    """Neither `move_order`, nor `correct_order` by itself, nor a hand in the file, takes an order out of its end."""
    name = world.place()
    world.move(name, OrderState.NOT_PLACED)
    assert not world.attempt(lambda tx: tx.orders.move(name, OrderState.OPEN, report=world.report()))
    with pytest.raises(StoreConflict):
        world.attempt(lambda tx: tx.orders.correct(name, world.report()))
    connection = sqlite3.connect(world.home / "guardian.db")
    for change in ("state = 'open'", "state = 'open', corrections = 1", "corrections = 1", "corrections = 5"):
        with pytest.raises(sqlite3.IntegrityError, match="not a listed move"):
            connection.execute(f"UPDATE orders SET {change}")
    connection.close()
    assert contradicted(world, name)
    world.move(name, OrderState.EXPIRED)
    with pytest.raises(StoreConflict):  # the row of the first correction is none for another
        world.attempt(lambda tx: tx.orders.correct(name, world.report()))
    connection = sqlite3.connect(world.home / "guardian.db")
    with pytest.raises(sqlite3.IntegrityError, match="not a listed move"):
        connection.execute("UPDATE orders SET state = 'open'")
    connection.close()
    assert contradicted(world, name)


def test_another_order_under_the_same_id_corrects_nothing(world: World) -> None:
    """The exchange's own id distinguishes orders where both sides have it."""
    name = world.place()
    world.attempt(lambda tx: tx.orders.move(name, OrderState.CANCELLED, order_id=7))
    assert not contradicted(world, name, order_id=8)


def test_marks_are_set_once_and_taken_away(world: World) -> None:
    """A mark keeps its moment over restarts, until it is taken away."""
    assert world.attempt(lambda tx: tx.timestamps.get("gone")) is None
    first = world.attempt(lambda tx: tx.timestamps.set_once("gone"))
    world.clock_ms += 60_000
    world.reopen()
    assert (
        world.attempt(lambda tx: tx.timestamps.set_once("gone"))
        == first
        == world.attempt(lambda tx: tx.timestamps.get("gone"))
    )
    world.attempt(lambda tx: tx.timestamps.clear("gone"))
    world.attempt(lambda tx: tx.timestamps.clear("gone"))
    assert world.attempt(lambda tx: tx.timestamps.set_once("gone")) == first + 60_000
    world.clock_ms += 60_000
    assert world.attempt(lambda tx: tx.timestamps.set("gone")) == first + 120_000


def test_order_begins_as_reserved(world: World) -> None:
    """No order appears in the file in the middle of its life."""
    world.place()
    connection = sqlite3.connect(world.home / "guardian.db")
    names = [row[1] for row in connection.execute("PRAGMA table_info(orders)")]
    values = dict(zip(names, connection.execute("SELECT * FROM orders").fetchone(), strict=True))
    values |= {"client_order_id": "g1-other", "intent_seq": 99, "call_id": "other", "state": "filled"}
    marks = ", ".join("?" for _ in values)
    with pytest.raises(sqlite3.IntegrityError, match="begins as reserved"):
        connection.execute(f"INSERT INTO orders ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))
    connection.close()


def test_order_that_is_just_being_sent_is_not_in_doubt(world: World) -> None:
    """Reserved is in doubt once sending takes too long, unknown at once; both are unresolved all the time."""
    first, second = world.place(), world.place()
    world.move(second, OrderState.UNKNOWN)

    def doubted(tx: Transaction) -> list[str]:
        assert {row.client_order_id for row in tx.orders.unresolved()} == {first, second}
        return [row.client_order_id for row in tx.orders.in_doubt(world.scope)]

    assert world.attempt(doubted) == [second]
    world.clock_ms += IN_FLIGHT_MS - 1
    assert world.attempt(doubted) == [second]
    world.clock_ms += 1
    assert world.attempt(doubted) == [first, second]


def test_orders_whose_fees_are_not_known_are_found(world: World) -> None:
    """Executed, and the fees known of less than that: wanted until they are known, within the time requested."""
    name = world.place()
    world.place()

    def wanted(tx: Transaction) -> list[str]:
        return [row.client_order_id for row in tx.orders.with_unknown_fees(world.scope)]

    assert world.attempt(wanted) == []
    world.move(name, OrderState.FILLED, executed="0.0020")
    assert world.attempt(wanted) == [name]
    world.attempt(lambda tx: tx.orders.move(name, OrderState.FILLED, fees=Fees(quantity=Decimal("0.001"), by_asset={})))
    assert world.attempt(wanted) == [name]
    world.attempt(lambda tx: tx.orders.move(name, OrderState.FILLED, fees=Fees(quantity=Decimal("0.002"), by_asset={})))
    assert world.attempt(wanted) == []
    other = world.place(scope=world.other)
    world.move(other, OrderState.FILLED, executed="0.002")
    assert world.attempt(wanted) == []
    assert world.attempt(lambda tx: tx.orders.has_pending("testnet"))
    assert world.attempt(lambda tx: [row.client_order_id for row in tx.orders.with_unknown_fees(world.other)]) == [
        other
    ]
    world.clock_ms += UNKNOWN_FEES_MS
    assert world.attempt(lambda tx: tx.orders.with_unknown_fees(world.other)) == ()
    assert not world.attempt(lambda tx: tx.orders.has_pending("testnet"))


def test_symbols_of_recent_and_of_pending_orders_are_known(world: World) -> None:
    """However old, a symbol with an order that is not final is among them; others only while they are recent."""
    world.place(spec=world.spec(symbol="ETHUSDT"))
    done = world.place()
    world.move(done, OrderState.FILLED, executed="0.002")
    now = world.clock_ms
    assert world.attempt(lambda tx: tx.orders.known_symbols(world.scope, now - 1)) == ("BTCUSDT", "ETHUSDT")
    assert world.attempt(lambda tx: tx.orders.known_symbols(world.scope, now)) == ("ETHUSDT",)
    assert world.attempt(lambda tx: tx.orders.known_symbols(world.other, 0)) == ()


def test_report_out_of_date_never_shrinks_what_was_executed(world: World) -> None:
    """Executed quantities and fees only grow."""
    name = world.place()
    assert world.move(name, OrderState.PART_FILLED, executed="0.001", fee="0.000001")
    assert not world.move(name, OrderState.PART_FILLED, executed="0.0005", fee="0.0000005")
    assert world.order(name).executed_quantity == Decimal("0.001")
    assert world.attempt(lambda tx: tx.ledger.fees_of(name)) == {"BTC": Decimal("0.000001")}
    assert world.move(name, OrderState.CANCELLED, executed="0.0007")
    assert world.order(name).executed_quantity == Decimal("0.001")
    assert world.order(name).state is OrderState.CANCELLED


def test_late_fill_of_a_cancelled_order_is_noted(world: World) -> None:
    """The same final state with more executed is news; another state is not taken."""
    name = world.place()
    world.move(name, OrderState.CANCELLED, executed="0.001")
    assert world.move(name, OrderState.CANCELLED, executed="0.0015")
    assert not world.move(name, OrderState.FILLED, executed="0.002")
    assert world.order(name).executed_quantity == Decimal("0.0015")


def test_move_that_changes_nothing_says_so(world: World) -> None:
    """The second time, the same report is no news."""
    name = world.place()
    assert world.move(name, OrderState.OPEN, executed="0")
    assert not world.move(name, OrderState.OPEN, executed="0")
    assert not world.move("g1-" + "0" * 32, OrderState.OPEN)


def test_order_is_found_by_the_exchange_id(world: World) -> None:
    """By the number that the exchange gave it, within its scope; the newest where a testnet began again."""
    first, second = world.place(), world.place(spec=world.spec(price="50001"))
    for name in (first, second):
        world.move(name, OrderState.OPEN, executed="0")
    with world.store.transaction() as tx:
        assert present(tx.orders.by_exchange_id(world.scope, "BTCUSDT", 7)).client_order_id == second
        assert tx.orders.by_exchange_id(world.scope, "ETHUSDT", 7) is None
        assert tx.orders.by_exchange_id(world.other, "BTCUSDT", 7) is None


def test_orders_are_listed_newest_last(world: World) -> None:
    """The newest come, in their order, narrowed by symbol and state, within the scope."""
    names = [world.place(spec=world.spec(price=str(50000 + n))) for n in range(4)]
    world.place(scope=world.other)
    world.move(names[1], OrderState.REJECTED)
    with world.store.transaction() as tx:
        assert [row.client_order_id for row in tx.orders.newest(world.scope, limit=3)] == names[1:]
        found = tx.orders.newest(world.scope, symbol="BTCUSDT", states={OrderState.REJECTED})
        assert [row.client_order_id for row in found] == [names[1]]
        assert tx.orders.newest(world.scope, symbol="ETHUSDT") == ()


def test_unresolved_and_live_orders_are_told_apart(world: World) -> None:
    """Reserved and unknown orders are unresolved, open and part-filled ones live; of one scope or of all."""
    reserved, unknown, opened, filled = (world.place(spec=world.spec(price=str(50000 + n))) for n in range(4))
    elsewhere = world.place(scope=world.other)
    world.move(unknown, OrderState.UNKNOWN)
    world.move(opened, OrderState.OPEN)
    world.move(filled, OrderState.FILLED)
    with world.store.transaction() as tx:
        assert [row.client_order_id for row in tx.orders.unresolved(world.scope)] == [reserved, unknown]
        assert [row.client_order_id for row in tx.orders.unresolved()] == [reserved, unknown, elsewhere]
        assert [row.client_order_id for row in tx.orders.live(world.scope)] == [opened]
        assert tx.orders.has_pending("paper")
        assert not tx.orders.has_pending("live")


def test_nothing_is_pending_when_all_is_final(world: World) -> None:
    """An environment whose orders are all final has nothing to ask for."""
    world.move(world.place(), OrderState.NOT_PLACED)
    with world.store.transaction() as tx:
        assert not tx.orders.has_pending("paper")
