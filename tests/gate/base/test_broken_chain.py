"""A broken chain as the assistant and the owner meet it: no create, every cancel, and the reason in each answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guardian.bootstrap import open_guardian
from guardian.domain.codes import Outcome
from guardian.domain.trading import TradingState
from guardian.errors import StoreCorrupt, StoreUnavailable
from guardian.gate.base.journal import EMERGENCY_REASON
from guardian.store.log.verify import verify
from guardian.store.log_findings import BROKEN_CHAIN, CHAIN_IS_BROKEN, Finding, FindingKind
from tests.gate.support.fakes import Room, denials
from tests.support.tamper import tamper

NO_QUESTIONS = {"confirmation": {"required_above": "1000000"}}


@pytest.fixture
def busy(room: Room) -> Room:
    """A room where orders need nobody's yes, with one open order."""
    room.policy(NO_QUESTIONS)
    assert room.ask().outcome is Outcome.DONE
    return room


def damage(room: Room) -> None:
    """Write over the header of the database: it is no database any more, for whoever opens it next."""
    room.journal.close()
    with (room.home / "guardian.db").open("r+b") as file:
        file.write(b"not a database at all")


def cut_one(room: Room) -> None:
    tamper(room, "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)")


def halts(room: Room) -> list[dict[str, Any]]:
    bodies = [json.loads(bytes(body))["data"] for (body,) in room.sql("SELECT body FROM audit WHERE phase = 'event'")]
    return [body for body in bodies if body["kind"] == "halted"]


def trading(room: Room) -> tuple[TradingState, str | None]:
    with room.journal.transaction() as tx:
        return room.journal.trading(tx)


def test_order_is_denied_for_the_halt_and_told_why(busy: Room) -> None:
    """The first order after the break is denied with the reason; so is the next, and the one after a restart."""
    cut_one(busy)
    for restart in (False, False, True):
        if restart:
            busy.again()
        refused = busy.ask(quantity="0.0016")
        assert denials(refused) == {"TRADING_HALTED"}
        assert CHAIN_IS_BROKEN in str(refused.error)
        assert "is gone" in str(refused.error)
    assert [body["cause"] for body in halts(busy)] == [BROKEN_CHAIN]
    assert len(busy.exchange.placed) == 1


def test_reads_and_cancels_go_on_and_are_written_down(busy: Room) -> None:
    """The log takes rows behind the break, and they are chained."""
    cut_one(busy)
    name = busy.last().client_order_id
    assert busy.cancel(client_order_id=name).outcome is Outcome.DONE
    assert busy.journal.emergency.is_empty()
    busy.journal.close()
    assert {finding.kind.value for finding in verify(busy.home).findings} == {"GAP"}


def test_cancel_goes_through_a_damaged_store_by_way_of_the_emergency_file(busy: Room) -> None:
    """A store that is no database any more takes no row: orders are refused, a cancel is sent and noted beside it."""
    name = busy.last().client_order_id
    damage(busy)
    with pytest.raises(StoreCorrupt):
        busy.open("create_order")
    with pytest.raises(StoreCorrupt):
        busy.open("get_balance")
    assert busy.cancel(client_order_id=name).outcome is Outcome.DONE
    kinds = [record["kind"] for record in busy.journal.emergency.pending()]
    assert kinds == [BROKEN_CHAIN, "call", "outcome"]
    assert len(busy.exchange.placed) == 1


def test_damaged_store_halts_the_processes_that_still_have_it_open(busy: Room) -> None:
    """One process finds the file damaged at its start: another, which has it open, denies orders, with the reason."""
    busy.journal.emergency.append({"kind": BROKEN_CHAIN, "reason": f"{CHAIN_IS_BROKEN}: `guardian.db` is damaged"})
    refused = busy.ask(quantity="0.0016")
    assert denials(refused) == {"TRADING_HALTED"}
    assert f"{CHAIN_IS_BROKEN}: `guardian.db` is damaged" in str(refused.error)


def test_store_that_is_restored_stays_halted_until_the_owner_resumes(busy: Room) -> None:
    """The start after the repair takes the emergency file into the log, and the halt with it."""
    busy.journal.close()
    whole = (busy.home / "guardian.db").read_bytes()
    damage(busy)
    for _ in range(3):  # found by each call, noted once
        with pytest.raises(StoreCorrupt):
            busy.open("get_balance")
    assert len(busy.journal.emergency.pending()) == 1
    (busy.home / "guardian.db").write_bytes(whole)
    for name in ("guardian.db-wal", "guardian.db-shm"):
        (busy.home / name).unlink(missing_ok=True)
    assert trading(busy)[0] is TradingState.HALTED
    for _ in range(2):
        busy.journal.close()
        guardian = open_guardian(busy.policy_path, home=busy.home, clock=busy.clock)
        busy.run(guardian.close())
        state, reason = trading(busy)
        assert (state, "is damaged" in str(reason)) == (TradingState.HALTED, True)
        assert busy.journal.emergency.is_empty()
    assert [body["cause"] for body in halts(busy)] == [BROKEN_CHAIN]
    assert denials(busy.ask(quantity="0.0016")) == {"TRADING_HALTED"}
    with busy.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")
    assert busy.ask(quantity="0.0016").outcome is Outcome.DONE


def test_record_of_another_kind_has_no_reason_of_its_own(busy: Room) -> None:
    """What the emergency file holds besides is reported as before."""
    busy.journal.emergency.append({"kind": "outcome", "reason": "whatever"})
    assert trading(busy) == (TradingState.HALTED, EMERGENCY_REASON)


def test_findings_halt_by_way_of_the_emergency_file_where_the_log_takes_nothing(
    busy: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `verify` found halts also where the store cannot be written; where nothing takes it, that is an error."""
    tamper(busy, "UPDATE audit SET tool = 'x' WHERE seq = 1")
    findings = verify(busy.home).findings
    damage(busy)
    assert busy.journal.halt_on_broken_chain(findings) is TradingState.HALTED
    assert busy.journal.halt_on_broken_chain(findings) is TradingState.HALTED
    reasons = [str(record["reason"]) for record in busy.journal.emergency.pending()]
    assert len(reasons) == 2
    assert "`tool` was changed" in reasons[1]
    monkeypatch.setattr(busy.journal.emergency, "append", lambda _record: False)
    monkeypatch.setattr(busy.journal.emergency, "pending", lambda: ())
    with pytest.raises(StoreCorrupt):
        busy.journal.halt_on_broken_chain(findings)


def test_what_verify_found_halts_by_way_of_the_log_and_once(busy: Room) -> None:
    """The state then is halted; reported again, nothing more is written, and the owner's resume holds."""
    finding = Finding(kind=FindingKind.CONTENT, seq=1, message="row 1 was changed: its digest is another one")
    assert busy.journal.halt_on_broken_chain([finding]) is TradingState.HALTED
    with busy.journal.transaction() as tx:
        tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")
    assert busy.journal.halt_on_broken_chain([finding]) is TradingState.ACTIVE
    assert len(halts(busy)) == 1


def test_store_that_is_found_corrupt_in_mid_work_halts_beside_it(busy: Room) -> None:
    """A transaction that finds the file damaged leaves its word in the emergency file: every process then is halted."""
    store = busy.journal.store()
    with pytest.raises(StoreCorrupt), busy.journal.transaction():
        raise StoreCorrupt("a page is damaged")
    assert not busy.journal.emergency.is_empty()
    assert busy.journal.store() is store


def test_store_that_another_call_is_opening_is_waited_for_no_longer_than_patience(busy: Room) -> None:
    """A cancel does not wait for a slow opening: it learns that the log cannot be written, and continues without it."""
    with busy.journal._lock, pytest.raises(StoreUnavailable, match="being opened"):
        busy.journal.store(patience_s=0.01)
