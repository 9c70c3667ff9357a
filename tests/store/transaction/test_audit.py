"""The log: chained, append-only, and never short of a row because of what a model wrote."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import suppress
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from guardian.domain.secrets import Secret
from guardian.errors import StoreConflict
from guardian.store.database import Transaction
from guardian.store.log.encoding import MAX_BODY
from guardian.store.schema.records import Entry, Phase, Record
from tests.store.support.store_world import World
from tests.support.present import present


def rows(world: World, sql: str = "SELECT * FROM audit ORDER BY seq") -> list[sqlite3.Row]:
    connection = sqlite3.connect(world.home / "guardian.db")
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def append(world: World, **fields: Any) -> Entry:
    with world.store.transaction() as tx:
        return tx.audit.append(Record(**{"phase": Phase.EVENT, **fields}))


def test_digest_is_that_of_the_previous_row_the_number_and_the_body(world: World) -> None:
    """A row's digest is SHA-256 over the domain tag, the previous digest, the number and the stored bytes."""
    for number in range(3):
        append(world, body={"n": number})
    previous = bytes(32)
    for row in rows(world):
        framed = b"guardian/audit/entry/v1\0" + previous + row["seq"].to_bytes(8, "big")
        framed += len(row["body"]).to_bytes(4, "big") + row["body"]
        assert row["prev_hash"] == previous
        assert row["digest"] == sha256(framed).digest()
        previous = row["digest"]


def test_body_is_canonical_json_that_repeats_every_column(world: World) -> None:
    """The body has sorted keys, no spaces, and the value of every column of its row."""
    append(
        world,
        phase=Phase.OUTCOME,
        call_id="c1",
        tool="get_balance",
        symbol="BTCUSDT",
        outcome="done",
        environment="paper",
        account="a1",
        key="k1",
        body={"b": "1", "a": {"z": None, "y": [True, 2]}},
    )
    (row,) = rows(world)
    document = json.loads(row["body"])
    assert row["body"] == json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    for name in ("call_id", "phase", "ts_ms", "tool", "symbol", "outcome", "environment", "account", "key"):
        assert document[name] == row[name], name
    assert document["data"] == {"a": {"y": [True, 2], "z": None}, "b": "1"}


def test_client_order_id_is_derived_from_the_intent_digest(world: World) -> None:
    """An intent's client order id is `g1-` and 32 hex digits of its digest, as a column that nothing can set."""
    with world.store.transaction() as tx:
        entry = world.intent(tx)
    (row,) = rows(world)
    assert entry.client_order_id == "g1-" + row["digest"].hex()[:32] == row["client_order_id"]
    assert len(present(entry.client_order_id)) == 35


def test_other_phases_have_no_client_order_id(world: World) -> None:
    """Only an intent represents an order."""
    assert append(world).client_order_id is None
    assert rows(world)[0]["client_order_id"] is None


@pytest.mark.parametrize("phase", [Phase.CALL, Phase.INTENT, Phase.OUTCOME])
def test_second_row_of_a_phase_of_a_call_is_a_conflict(world: World, phase: Phase) -> None:
    """A call has at most one call, one intent and one outcome row."""
    append(world, phase=phase, call_id="c1")
    with pytest.raises(StoreConflict):
        append(world, phase=phase, call_id="c1")
    assert len(rows(world)) == 1
    append(world, phase=phase, call_id="c2")


def test_call_has_any_number_of_events(world: World) -> None:
    """Events are not limited to one a call."""
    append(world, call_id="c1")
    append(world, call_id="c1")
    assert len(rows(world)) == 2


def test_key_exists_once(world: World) -> None:
    """A row with a key that the log has already is a conflict."""
    append(world, key="k")
    with pytest.raises(StoreConflict):
        append(world, key="k")
    with world.store.transaction() as tx:
        assert tx.audit.has_key("k")
        assert not tx.audit.has_key("other")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET outcome = 'done'", "DELETE FROM audit", "UPDATE audit SET seq = 9 WHERE seq = 1"],
)
def test_log_is_append_only_by_trigger(world: World, statement: str) -> None:
    """The file itself refuses to change or delete a row."""
    append(world)
    connection = sqlite3.connect(world.home / "guardian.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


def test_fork_of_the_chain_is_an_error(world: World) -> None:
    """Two rows cannot follow on the same row."""
    append(world)
    append(world)
    connection = sqlite3.connect(world.home / "guardian.db")
    with pytest.raises(sqlite3.IntegrityError, match="prev_hash"):
        connection.execute(
            "INSERT INTO audit (seq, prev_hash, digest, phase, ts_ms, body) "
            "SELECT 3, prev_hash, x'00', 'event', 0, x'00' FROM audit WHERE seq = 2"
        )
    connection.close()


HOSTILE: dict[str, Any] = {
    "lone surrogate": {"symbol": "BTC\ud800USDT", "\udfff": 1},
    "huge integer": {"n": 10**5000, "m": -(10**400), "k": 2**53},
    "not a number": {"a": math.nan, "b": math.inf, "c": -math.inf},
    "megabyte": {"text": "x" * 1_000_000},
    "many": {"items": list(range(100_000))},
    "many names": {f"name{n}": n for n in range(100_000)},
    "wide": {f"n{n}": "\U0001f600" * 5000 for n in range(500)},
    "control": {"text": "\x00\x1b[31m\u202e\n\u2028"},
    "long names": {"n" * 500 + "1": 1, "n" * 500 + "2": 2},
    "decimals": {"a": Decimal("1E+999999999"), "b": Decimal("NaN"), "c": Decimal("0.10")},
    "foreign": {"a": object(), "b": Secret("canary-secret"), 3: 4, "s": {1, 2}, "y": b"x"},
}


def nested(depth: int) -> object:
    found: object = "bottom"
    for _ in range(depth):
        found = [{"x": found}]
    return found


@pytest.mark.parametrize("name", [*HOSTILE, "deep"])
def test_whatever_a_model_writes_there_is_a_row(world: World, name: str) -> None:
    """Lone surrogates, huge integers, NaN, a megabyte, deep nesting: the row is written, bounded, and verifies."""
    data = {"x": nested(5000)} if name == "deep" else HOSTILE[name]
    append(world, tool="t" * 1_000_000 + "\ud800", symbol="\ud800\0", body=data)
    (row,) = rows(world)
    assert len(row["body"]) <= MAX_BODY
    document = json.loads(row["body"])
    assert document["tool"] == row["tool"]
    assert document["symbol"] == row["symbol"] == "\\ud800\\x00"
    assert b"canary-secret" not in row["body"]


def test_long_names_that_begin_alike_are_both_kept(world: World) -> None:
    """Names are cut, and what they name is not lost where the rest of them is the same."""
    append(world, body=HOSTILE["long names"])
    assert sorted(json.loads(rows(world)[0]["body"])["data"].values()) == [1, 2]


def test_what_was_cut_is_said(world: World) -> None:
    """A cut text says how long it was, and the row counts what is missing."""
    append(world, body={"text": "x" * 1_000_000})
    document = json.loads(rows(world)[0]["body"])
    assert document["data"]["text"].endswith("(cut, 1000000 characters)")
    assert document["cut"] == 1_000_000 - 8192


def test_the_same_data_gives_the_same_bytes(world: World) -> None:
    """Writing down is deterministic: what differs between two rows of the same data is nothing."""
    append(world, body=HOSTILE["wide"])
    append(world, body=dict(reversed(HOSTILE["wide"].items())))
    first, second = (json.loads(row["body"]) for row in rows(world))
    assert first.keys() == second.keys()
    append(world, body=HOSTILE["wide"])
    assert rows(world)[2]["body"] == rows(world)[0]["body"]


def test_numbers_that_json_readers_round_are_strings(world: World) -> None:
    """An integer beyond 2^53 - 1 is written as a string, a smaller one as itself."""
    append(world, body={"big": 2**53, "small": 2**53 - 1})
    data = json.loads(rows(world)[0]["body"])["data"]
    assert data == {"big": "9007199254740992", "small": 9007199254740991}


def test_reads_and_creates_of_the_last_minute_are_counted_apart(world: World) -> None:
    """Opening a call says how many calls spent its budget within 60 s, this one included.

    Reads and creates have one each; cancels and the owner's own calls spend none. (All but cancels shared one.)
    """

    def call(number: int, tool: str, key: str | None = None) -> int:
        with world.store.transaction() as tx:
            return tx.audit.open_call(
                Record(phase=Phase.CALL, call_id=f"c{number}", tool=tool, key=key)
            ).calls_last_minute

    assert call(1, "get_ticker") == 1
    assert call(2, "cancel_order") == 0
    assert call(6, "create_order") == 1
    assert call(7, "create_order", key="owner:c7") == 0
    assert call(8, "create_order") == 2
    assert call(3, "no_such_tool") == 2
    world.clock_ms += 59_999
    assert call(4, "get_ticker") == 3
    world.clock_ms += 1
    assert call(5, "get_ticker") == 2


def test_window_time_never_goes_back(world: World) -> None:
    """When the clock steps back, window time does not move; the row says what the clock said."""
    first = append(world)
    world.clock_ms -= 3_600_000
    second = append(world)
    assert second.ts_ms == first.ts_ms
    assert json.loads(rows(world)[1]["body"])["clock_ms"] == world.clock_ms


def test_window_time_never_goes_back_over_a_restart(world: World) -> None:
    """Window time is kept by the last row, and by the store where a transaction wrote no row."""
    append(world)
    world.clock_ms += 500
    with world.store.transaction() as tx:
        tx.policies.remember("d", "text")  # writes, but appends no row
        latest = tx.now_ms
    world.clock_ms -= 3_600_000
    world.reopen()
    with world.store.transaction() as tx:
        assert tx.now_ms == latest


def test_window_time_goes_on_while_it_is_ahead_of_the_clock(world: World) -> None:
    """After the clock was a year ahead, window time continues with the time that passes: nothing stops."""
    world.clock_ms += 365 * 86_400_000
    ahead = append(world).ts_ms
    world.clock_ms -= 365 * 86_400_000
    for seconds in (0, 1, 30, 3600):
        world.clock_ms += seconds * 1000
        world.monotonic_s += seconds
        ahead += seconds * 1000
        assert append(world).ts_ms == ahead
    world.reopen()
    world.monotonic_s += 5
    assert append(world).ts_ms == ahead + 5000


def test_clock_a_little_behind_is_waited_for(world: World) -> None:
    """Where clocks differ by less than a second, window time does not run ahead of them both."""
    first = append(world).ts_ms
    world.clock_ms -= 1000
    world.monotonic_s += 0.5
    world.clock_ms += 500
    assert append(world).ts_ms == first


def test_window_time_of_a_mere_look_stands_for_this_process(world: World) -> None:
    """A time at which a budget was judged is not taken back by the next transaction."""
    world.clock_ms += 10_000
    with world.store.transaction() as tx:
        latest = tx.now_ms
    world.clock_ms -= 20_000
    with world.store.transaction() as tx:
        assert tx.now_ms == latest


def test_exception_leaves_nothing_behind(world: World) -> None:
    """What an exception leaves is rolled back: rows, orders, and the place in the chain."""
    append(world)

    def fail(tx: Transaction) -> None:
        world.intent(tx)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        world.attempt(fail)
    assert len(rows(world)) == 1
    assert append(world).seq == 2


def test_conflict_that_is_swallowed_still_records_nothing(world: World) -> None:
    """After a conflict the transaction is lost, even where the caller continues as if nothing were."""
    append(world, key="k")

    def go_on(tx: Transaction) -> None:
        tx.audit.append(Record(phase=Phase.EVENT, body={"first": 1}))
        with suppress(StoreConflict):
            tx.audit.append(Record(phase=Phase.EVENT, key="k"))

    with pytest.raises(StoreConflict):
        world.attempt(go_on)
    assert len(rows(world)) == 1


def test_transaction_is_over_after_its_end(world: World) -> None:
    """A transaction that was kept beyond its block does nothing."""
    with world.store.transaction() as tx:
        pass
    with pytest.raises(RuntimeError, match="over"):
        tx.trading.status()


def test_transaction_within_a_transaction_is_a_bug_and_says_so(world: World) -> None:
    """Instead of waiting for itself for ever, a nested transaction raises."""
    with world.store.transaction(), pytest.raises(RuntimeError, match="within"), world.store.transaction():
        pass
