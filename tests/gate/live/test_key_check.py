"""What the key of live may do: when it is read, how long an answer holds, and what is written down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from guardian.connector import Connection
from guardian.domain.accounts import KeyPermissions
from guardian.domain.trading import Environment
from guardian.errors import ExchangeUnavailable, NoCredentials, StoreUnavailable
from guardian.gate.live.key_check import check_forever, ensure_checked, judged_key, key_problems
from guardian.policy.permissions import FRESH_MS, KNOWN, KeyJudgement
from tests.gate.support.fakes import Room

SAFE = {name: name in {"enableReading", "enableSpotAndMarginTrading", "ipRestrict"} for name in KNOWN}
HOURS = 3600


class LiveKey:
    """The exchange's answers about the key of a room that is on live."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.flags = dict(SAFE)
        self.failure: Exception | None = None
        self.reads = 0
        room.connector.environment = Environment.LIVE
        room.policy({"environment": "live", "confirmation": {"channel": "terminal", "proof": "pin"}})
        room.again()
        exchange: Any = room.exchange
        exchange.key_permissions = self.answer

    async def answer(self) -> KeyPermissions:
        self.reads += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return KeyPermissions(flags=dict(self.flags), unreadable=frozenset(), expires_ms=1_900_000_000_000)

    def run(self, work: Callable[[Connection], Awaitable[object]]) -> None:
        async def connected() -> None:
            await work(await self.room.connector.connect(needs_keys=True))

        self.room.run(connected())

    def check(self, times: int = 1) -> None:
        """What `times` orders at once do before they are judged."""
        policy = self.room.policy_file.current().policy
        self.run(
            lambda connection: asyncio.gather(
                *(ensure_checked(self.room.context, connection, policy) for _ in range(times))
            )
        )

    def judged(self) -> tuple[KeyJudgement | None, str]:
        policy = self.room.policy_file.current().policy
        connection = self.room.run(self.room.connector.connect(needs_keys=True))
        return judged_key(self.room.context, connection, policy)

    def rows(self) -> list[dict[str, Any]]:
        found = self.room.sql("SELECT body FROM audit WHERE phase = 'event' ORDER BY seq")
        events = [json.loads(body)["data"] for (body,) in found]
        return [event for event in events if event["kind"].startswith("key_permissions")]


@pytest.fixture
def key(room: Room) -> LiveKey:
    return LiveKey(room)


def test_permissions_are_read_once_for_orders_at_once_and_for_six_hours(key: LiveKey) -> None:
    """One request, one row; until then nothing is known."""
    assert key.judged() == (None, "this was not looked up")
    key.check(times=5)
    assert key.judged() == (KeyJudgement(problems=(), warnings=()), "")
    key.room.clock.forward(6 * HOURS - 1)
    key.check()
    assert key.reads == 1
    (row,) = key.rows()
    assert (row["kind"], row["reason"], row["expires_ms"]) == ("key_permissions", "the key is safe", "1900000000000")
    assert row["permissions"] == SAFE
    key.room.clock.forward(1)
    assert key.judged() == (None, "this was not looked up")
    key.check()
    assert key.reads == 2


def test_answer_holds_no_longer_by_either_clock(key: LiveKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that was set back, or that jumped, makes what was read unknown."""
    key.check()
    (reading,) = key.room.context.key_checks.readings.values()
    now_ms, now_s = key.room.clock.now_ms(), key.room.clock.monotonic()
    for wall_ms, ran_s in ((now_ms - 1, now_s), (now_ms + FRESH_MS, now_s), (now_ms, now_s + FRESH_MS / 1000)):
        monkeypatch.setattr(key.room.clock, "now_ms", lambda value=wall_ms: value)
        monkeypatch.setattr(key.room.clock, "monotonic", lambda value=ran_s: value)
        assert key.judged()[0] is None
    assert reading.read_ms == now_ms


def test_unsafe_key_is_read_again_after_a_minute(key: LiveKey) -> None:
    """Its owner may have mended it; the row of each answer says what was wrong."""
    key.flags["enableWithdrawals"] = True
    key.check()
    key.check()
    assert key.reads == 1
    assert key_problems(key.room.context, key.room.policy_file.current().policy) == (
        "the key may withdraw to any address (`enableWithdrawals` is on)",
    )
    key.flags["enableWithdrawals"] = False
    key.room.clock.forward(60)
    key.check()
    judgement, _ = key.judged()
    assert judgement == KeyJudgement(problems=(), warnings=())
    assert [row["reason"] for row in key.rows()] == [
        "the key may withdraw to any address (`enableWithdrawals` is on)",
        "the key is safe",
    ]


def test_failure_is_tried_again_at_each_order_and_written_down_once(key: LiveKey) -> None:
    """The reason is what the denial says; a new reason is a new row."""
    key.failure = ExchangeUnavailable("the exchange did not answer")
    for _ in range(3):
        key.check()
    assert key.reads == 3
    assert key.judged() == (None, "the exchange did not answer")
    key.failure = NoCredentials("no key is stored")
    key.check()
    assert [(row["kind"], row["reason"]) for row in key.rows()] == [
        ("key_permissions_unread", "the exchange did not answer"),
        ("key_permissions_unread", "no key is stored"),
    ]
    key.failure = None
    key.check()
    assert key.judged() == (KeyJudgement(problems=(), warnings=()), "")


def test_answer_that_cannot_be_logged_does_not_count(key: LiveKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row, no answer; a failure that cannot be logged is kept all the same."""

    async def transact(*_: object, **__: object) -> None:
        raise StoreUnavailable("the log is locked")

    monkeypatch.setattr(key.room.journal, "transact", transact)
    key.check()
    assert key.judged() == (None, "the answer could not be logged: the log is locked")
    key.failure = ExchangeUnavailable("the exchange did not answer")
    key.check()
    assert key.judged() == (None, "the exchange did not answer")


def rounds(key: LiveKey, count: int) -> list[float]:
    """The pauses of the background's first rounds."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        key.room.clock.forward(seconds)
        if len(pauses) == count:
            raise asyncio.CancelledError

    key.room.clock.pause = pause
    with pytest.raises(asyncio.CancelledError):
        key.room.run(check_forever(key.room.context))
    return pauses


def test_background_reads_at_the_start_and_before_an_answer_is_too_old(key: LiveKey) -> None:
    """Every ten minutes less than six hours, so that no order waits for it."""
    assert rounds(key, 1) == [300.0]
    assert key.reads == 1
    rounds(key, 69)
    assert key.reads == 1
    rounds(key, 2)
    assert key.reads == 2


def test_background_waits_for_keys(key: LiveKey) -> None:
    """Without a key there is nothing to read, and the calls say so."""
    key.room.connector.failure = NoCredentials("no key is stored")
    rounds(key, 2)
    assert key.reads == 0


def test_nothing_is_read_elsewhere_than_on_live(room: Room) -> None:
    """Neither by an order nor in the background: the exchange of the room has no such request."""
    policy = room.policy_file.current().policy

    async def order() -> None:
        await ensure_checked(room.context, await room.connector.connect(needs_keys=True), policy)

    room.run(order())
    room.run(check_forever(room.context))
    assert room.context.key_checks.readings == {}
