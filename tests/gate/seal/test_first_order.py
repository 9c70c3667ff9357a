"""The first order of a process waits until the keyring was asked whether the log has lost rows."""

from __future__ import annotations

from guardian.credentials.log.home_items import HomeItems
from guardian.credentials.turns import KeyringQueue, Turn
from guardian.domain.codes import Outcome
from guardian.gate.seal.keeping import SealKeeper, keep_seal
from guardian.gate.seal.sealing import seal_log
from tests.gate.support.fakes import denials
from tests.gate.support.room import Room
from tests.support.forgery import files_of, put_back
from tests.support.keyring import MemoryKeyring


def items_of(room: Room, keyring: MemoryKeyring) -> HomeItems:
    return HomeItems(keyring, KeyringQueue(3.0, Turn()), room.home)


def start(room: Room, keyring: MemoryKeyring) -> None:
    """A server's start: the gate with a seal whose keyring was not asked yet."""
    room.again()
    room.journal.use_seal(SealKeeper(room.journal, items=lambda _home: items_of(room, keyring)))


def seal(room: Room, keyring: MemoryKeyring) -> None:
    seal_log(room.journal, items_of(room, keyring), lambda count: b"r" * count)


def test_order_of_a_sealed_log_has_macs_and_is_proven(room: Room) -> None:
    """Call, intent and outcome: each row after the look at the keyring has a MAC."""
    keyring = MemoryKeyring()
    seal(room, keyring)
    start(room, keyring)
    assert room.ask().outcome is Outcome.DONE
    assert room.journal.has_begun_seal
    found = dict(room.sql("SELECT phase, mac IS NOT NULL FROM audit WHERE phase <> 'event'"))
    assert (found["intent"], found["outcome"]) == (1, 1)


def test_first_order_after_a_rollback_is_denied_and_nothing_is_sent(room: Room) -> None:
    """T11: a copy of the whole folder was put back; the first order finds it and halts, a second one too."""
    keyring = MemoryKeyring()
    seal(room, keyring)
    start(room, keyring)
    room.journal.close()
    older = files_of(room.home)
    room.start()
    start(room, keyring)
    assert room.ask().outcome is Outcome.DONE
    sent = len(room.exchange.placed)
    room.again()
    room.journal.close()
    put_back(room.home, older)
    room.start()
    start(room, keyring)
    for _ in range(2):
        assert "TRADING_HALTED" in denials(room.ask(price="59990"))
    assert len(room.exchange.placed) == sent


def test_locked_keyring_of_a_sealed_log_lets_no_order_out(room: Room) -> None:
    """Nothing is sent, nothing is reserved, and cancels and reads go on."""
    keyring = MemoryKeyring()
    seal(room, keyring)
    start(room, MemoryKeyring())
    reply = room.ask()
    assert reply.outcome is not Outcome.DONE
    assert room.exchange.placed == []
    assert "intent" not in room.phases()


def test_keeping_without_a_seal_ends_at_once(room: Room) -> None:
    """A journal that nobody gave a seal to has nothing to keep."""
    assert room.journal.has_begun_seal
    room.run(keep_seal(room.journal))
