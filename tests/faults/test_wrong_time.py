"""A time in the log that no clock is near to: trading halts for it with the reason, and the owner's resume mends it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guardian.domain.milliseconds import DAY_MS, HOUR_MS, LATEST_MS, MINUTE_MS
from guardian.domain.requests import GetTickerPrice
from guardian.errors import StoreCorrupt
from guardian.store.log.verify import verify
from guardian.store.log_times import MAX_AHEAD_MS
from guardian.store.waiting_proposals import WaitingProposals
from tests.faults.support.changed_home import NotUtf8
from tests.faults.support.owner import resumes
from tests.gate.support.fakes import Room, denials
from tests.support.present import present
from tests.support.tamper import tamper


def put_window(room: Room, value: Any) -> None:
    written = "CAST(? AS TEXT)" if isinstance(value, NotUtf8) else "?"
    tamper(room, (f"UPDATE control SET window_ms = {written}", (getattr(value, "raw", value),)))


def status(room: Room) -> tuple[str, str]:
    ((state, reason),) = room.sql("SELECT state, reason FROM control")
    return str(state), str(reason)


def latest_ms(room: Room) -> int:
    """Window time, as the next transaction has it."""
    with room.journal.transaction() as tx:
        return tx.now_ms


def bodies(room: Room, kind: str) -> list[dict[str, Any]]:
    rows = [json.loads(bytes(body))["data"] for (body,) in room.sql("SELECT body FROM audit WHERE phase = 'event'")]
    return [data for data in rows if data.get("kind") == kind]


@pytest.mark.parametrize(
    "value", ["soon", 2**62, 2**63 - 1, -1, -(2**63), LATEST_MS + 1, b"\x00\xff", 1.5, NotUtf8(b"\xff")]
)
def test_window_time_that_is_no_time_halts_once_and_is_put_right(room: Room, value: Any) -> None:
    """One number of 2^62 wedged the log for good; now nothing is sent, the reason is said, and resuming is enough."""
    assert room.ask().outcome.value == "done"
    put_window(room, value)
    refused = room.ask(price="59000")
    assert denials(refused) == {"TRADING_HALTED"}
    assert "`control.window_ms` held no time" in str(refused.error)
    assert status(room)[0] == "halted"
    assert len(room.exchange.placed) == 1
    assert room.call(GetTickerPrice(symbol="BTCUSDT")).outcome.value == "done"
    assert latest_ms(room) == room.clock.wall
    assert "held no time" in resumes(room)
    assert room.ask(price="59000").outcome.value == "done"
    assert len(bodies(room, "halted")) == 1
    assert verify(room.home).is_intact


@pytest.mark.parametrize("ahead", [MAX_AHEAD_MS + MINUTE_MS, 365 * DAY_MS, LATEST_MS])
def test_log_that_is_far_ahead_of_the_clock_halts_and_resuming_sets_it_back(room: Room, ahead: int) -> None:
    """Until then the log's time stays; afterwards it is the clock's, in every process, and a row says so."""
    assert room.ask().outcome.value == "done"
    other = Room.__new__(Room)
    other.__dict__.update(room.__dict__)
    other.start()  # a second process of the same home
    put_window(room, min(room.clock.wall + ahead, LATEST_MS))
    refused = room.ask(price="59000")
    assert denials(refused) == {"TRADING_HALTED"}
    assert "ahead of this machine's clock" in str(refused.error)
    assert denials(other.ask(price="59000")) == {"TRADING_HALTED"}
    assert latest_ms(other) > room.clock.wall + MAX_AHEAD_MS
    assert len(bodies(room, "halted")) == 1
    found = verify(room.home, now_ms=room.clock.wall).findings
    assert [finding.kind.value for finding in found] == ["TIME"]
    assert "set the clock right" in resumes(room)
    assert verify(room.home, now_ms=room.clock.wall).is_intact
    assert latest_ms(room) == latest_ms(other) == room.clock.wall
    (row,) = bodies(room, "time_set_back")
    assert (row["by"], row["to_ms"]) == ("owner", room.clock.wall)
    assert other.ask(price="59000").outcome.value == "done"
    room.again()
    assert latest_ms(room) == room.clock.wall
    assert room.ask(price="58500").outcome.value == "done"
    assert verify(room.home).is_intact
    other.journal.close()


@pytest.mark.parametrize("ahead", [HOUR_MS, 14 * HOUR_MS, MAX_AHEAD_MS])
def test_clock_in_the_wrong_zone_halts_nothing(room: Room, ahead: int) -> None:
    """A log that is a day ahead at most keeps its time, and window time continues from it."""
    room.clock.wall += ahead
    assert room.ask().outcome.value == "done"
    latest = latest_ms(room)
    room.clock.wall -= ahead
    assert room.ask(price="59000").outcome.value == "done"
    assert latest_ms(room) >= latest
    assert status(room)[0] == "active"


def test_clock_of_2038_that_comes_back_leaves_nothing_behind_for_good(room: Room) -> None:
    """What was ordered, asked and denied in 2038 counts for as long as its window is, from the owner's resume on.

    (Before: its orders, its calls of a minute and its denials would have counted for twelve years.)
    """
    room.policy(
        {"limits": {"max_calls_per_minute": 5, "max_orders": [{"window": "24h", "max": 2}]}},
        {"symbols": {"BTCUSDT": {"max_notional": "100"}}},
    )
    ahead = 12 * 365 * DAY_MS
    room.clock.wall += ahead
    assert room.ask().outcome.value == "done"
    assert "NOTIONAL_EXCEEDS_MAX" in denials(room.ask(quantity="0.002"))
    for _ in range(3):
        room.call(GetTickerPrice(symbol="BTCUSDT"))
    with room.journal.transaction() as tx:
        tx.timestamps.set("something")
        assert tx.leases.take("a lease", "somebody", 30_000)
    room.clock.wall -= ahead
    assert "TRADING_HALTED" in denials(room.ask(price="59000"))
    resumes(room)
    entered = room.entered()
    assert entered > 0
    room.clock.forward(61)
    assert room.call(GetTickerPrice(symbol="BTCUSDT")).outcome.value == "done"
    assert room.entered() == entered  # it still counts: only the owner says when that was
    with room.journal.transaction() as tx:
        assert tx.timestamps.get("something") <= tx.now_ms  # type: ignore[operator]  # it is set
        assert tx.leases.take("a lease", "another", 30_000)
    room.clock.forward(DAY_MS / 1000)
    assert room.entered() == 0
    assert room.ask(price="59000").outcome.value == "done"
    assert room.ask(price="59500").outcome.value == "done"
    assert "ORDER_COUNT_EXCEEDS_MAX" in denials(room.ask(price="59100"))
    assert verify(room.home).is_intact


def test_orders_that_wait_end_when_the_time_is_set_back(room: Room) -> None:
    """A token of 2038 would be good for twelve years."""
    room.policy({"confirmation": {"required_above": "0", "channel": "chat"}})
    room.clock.wall += 400 * DAY_MS
    token = room.propose().confirmation_token
    assert token is not None
    room.clock.wall -= 400 * DAY_MS
    assert "TRADING_HALTED" in denials(room.ask(price="59000"))
    resumes(room)
    assert room.use(token).outcome.value != "done"
    assert room.sql("SELECT DISTINCT state FROM proposals") == [("burnt",)]
    assert room.exchange.placed == []


def test_readers_of_the_page_take_no_wrong_time(room: Room) -> None:
    """What waits is read by the time that the next transaction would have."""
    room.ask()
    for value in (2**62, b"\xff", -7):
        put_window(room, value)
        assert WaitingProposals(room.home, room.clock).all().now_ms == room.clock.wall


def test_trading_state_that_is_gone_is_named(room: Room) -> None:
    """Without its row nothing is sent, and the message says which row is gone and what to do."""
    assert room.ask().outcome.value == "done"
    tamper(room, "DELETE FROM control")
    with pytest.raises(StoreCorrupt, match="has lost its trading state, the row of `control`") as refused:
        room.ask(price="59000")
    assert "restore" in present(refused.value.hint)
    assert len(room.exchange.placed) == 1
    messages = [finding.message for finding in verify(room.home).findings]
    assert any("`control` has 0 rows" in message for message in messages), messages
