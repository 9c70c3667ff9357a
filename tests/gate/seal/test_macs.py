"""The MAC of each row: written with the key alone, and needed by what lets money move."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from guardian.domain.trading import TradingState
from guardian.errors import StoreUnavailable
from guardian.gate.base.journal import Journal
from guardian.gate.seal.keeping import ASK_AGAIN_S, SealKeeper
from guardian.store.database import Transaction
from guardian.store.log_findings import FindingKind
from guardian.store.schema.records import Phase, Record
from guardian.store.seal.macs import LOOSENING, loosens, needs_mac
from tests.support.keyring import MemoryKeyring
from tests.support.sealed import SealedHome
from tests.support.tamper import tamper

INTENT = Record(phase=Phase.INTENT, call_id="i", tool="create_order", symbol="BTCUSDT")
APPROVED = Record.event(None, {"kind": "approved", "by": "owner"})
HALTED = Record.event(None, {"kind": "halted", "by": "owner"})


def write(journal: Journal, record: Record) -> None:
    with journal.transaction() as tx:
        tx.audit.append(record)


def macs(home: SealedHome) -> dict[int, bytes | None]:
    with closing(sqlite3.connect(home.home / "guardian.db")) as connection:
        return dict(connection.execute("SELECT seq, mac FROM audit ORDER BY seq").fetchall())


def test_rows_have_macs_from_the_seal_on(home: SealedHome) -> None:
    """The row of the key has one, and every row of a process with the key; what was written before has none."""
    with home.journal() as journal:
        home.append(journal, 2)
    home.seal()
    with home.journal() as journal:
        journal.begin_seal()
        home.append(journal, 2)
    found = macs(home)
    assert [found[1], found[2]] == [None, None]
    assert all(len(mac or b"") == 32 for seq, mac in found.items() if seq > 2)
    report = home.verified()
    assert (report.is_proven, report.without_mac) == (True, 0)


def test_command_without_the_key_only_tightens(home: SealedHome) -> None:
    """`guardian halt` asks no keyring: its row has no MAC, which is counted and no finding."""
    home.seal()
    home.keyring.asked.clear()
    with home.journal() as journal:
        write(journal, HALTED)
        home.append(journal)
    assert home.keyring.asked == []
    report = home.verified()
    assert (report.is_proven, report.without_mac) == (True, 2)


def test_command_that_loosens_asks_the_keyring_once(home: SealedHome) -> None:
    """Its row has a MAC, and so has every row that it writes after that."""
    home.seal()
    with home.journal() as journal:
        write(journal, APPROVED)
        home.append(journal, 2)
        asked = home.keyring.asked.count("get")
        write(journal, INTENT)
        assert home.keyring.asked.count("get") == asked
    assert None not in [mac for seq, mac in macs(home).items() if seq > 1]
    assert FindingKind.MAC not in home.kinds()


@pytest.mark.parametrize("record", [INTENT, APPROVED])
def test_sealed_log_takes_nothing_that_loosens_without_its_key(home: SealedHome, record: Record) -> None:
    """A locked keyring: refused before anything is sent, with what to do; what tightens is written all the same."""
    home.seal()
    home.keyring, kept = MemoryKeyring(), home.keyring
    before = home.verified().last_seq
    with home.journal() as journal:
        with pytest.raises(StoreUnavailable, match="does not give its key"):
            write(journal, record)
        write(journal, HALTED)
    home.keyring = kept
    assert home.verified().last_seq == before + 1
    assert home.verified().is_proven


def test_keyring_that_gives_no_key_is_left_alone_for_a_while(home: SealedHome) -> None:
    """Each order would wait for it otherwise; once it is unlocked the next one passes."""
    home.seal()
    home.keyring, kept = MemoryKeyring(), home.keyring
    clock = [100.0]
    with home.journal(has_key=False) as journal:
        journal.use_seal(SealKeeper(journal, items=home.items, monotonic=lambda: clock[0]))
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                write(journal, INTENT)
        assert home.keyring.asked.count("get") <= 2
        home.keyring = kept
        clock[0] += ASK_AGAIN_S
        write(journal, INTENT)
    assert FindingKind.MAC not in home.kinds()


def test_log_that_is_not_sealed_asks_nothing(home: SealedHome) -> None:
    """Without a seal no row has a MAC, and no keyring is asked for one."""
    with home.journal() as journal:
        write(journal, INTENT)
    assert home.keyring.asked == []
    assert set(macs(home).values()) == {None}


def test_server_uses_the_key_of_a_log_that_is_sealed_meanwhile(home: SealedHome) -> None:
    """It looks every few seconds; from then on its rows have MACs."""
    with home.journal() as server:
        home.append(server)
        server.begin_seal()
        home.seal()
        assert server.seal is not None
        server.seal.look()
        home.append(server)
    assert macs(home)[home.verified().last_seq] is not None


def test_forged_row_is_found_without_any_checkpoint_after_it(home: SealedHome) -> None:
    """MAC: appended behind the last checkpoint, chained as it should be, and without the key."""
    home.seal()
    with home.journal(has_key=False) as forger:
        write(forger, INTENT)
    assert [(one.kind, one.seq) for one in home.verified().findings if one.kind is FindingKind.MAC] == [
        (FindingKind.MAC, 3)
    ]


def test_wrong_mac_is_found_on_any_row(home: SealedHome) -> None:
    """Also on one that needs none."""
    home.seal()
    with home.journal() as journal:
        journal.begin_seal()
        home.append(journal, 2)
    tamper(home, "UPDATE audit SET mac = zeroblob(32) WHERE seq = 3")
    assert [(one.kind, one.seq) for one in home.verified().findings] == [(FindingKind.MAC, 3)]


def test_macs_that_were_taken_away_are_missed(home: SealedHome) -> None:
    """T6: a log without MACs, whose public key and whose secret are there, is a downgrade and no older log."""
    home.seal()
    with home.journal() as journal:
        journal.begin_seal()
        home.append(journal, 2)
    tamper(home, "UPDATE audit SET mac = NULL")
    assert (FindingKind.MAC, 2) in [(one.kind, one.seq) for one in home.verified().findings]


def test_nothing_is_signed_over_a_forged_row(home: SealedHome) -> None:
    """The next server does not make it look proven: the checkpoint stays before it."""
    home.seal()
    with home.journal(has_key=False) as forger:
        write(forger, INTENT)
    with home.journal() as server:
        server.begin_seal()
        home.append(server, 3)
    report = home.verified()
    assert next(anchor.seq for anchor in report.anchors if anchor.source == "audit.checkpoint") == 2
    assert FindingKind.MAC in {one.kind for one in report.findings}


def test_what_needs_a_mac() -> None:
    """Intents, and the events that let money move; no call, no outcome and no halt."""
    assert needs_mac("intent", None)
    assert all(needs_mac("event", kind) for kind in LOOSENING)
    assert not needs_mac("event", "halted")
    assert not needs_mac("call", "approved")
    assert not needs_mac("outcome", None)


def halt(tx: Transaction) -> None:
    tx.trading.set(TradingState.HALTED, reason="enough", by="owner")


def halt_and_resume(tx: Transaction) -> None:
    halt(tx)
    tx.trading.set(TradingState.ACTIVE, reason="resumed", by="owner")


@pytest.mark.parametrize(
    ("work", "is_found"),
    [
        (halt, False),
        (halt_and_resume, True),
        (lambda tx: tx.audit.append_baseline("migrated"), True),
    ],
)
def test_table_that_opens_trading_needs_the_key(
    home: SealedHome, work: Callable[[Transaction], object], *, is_found: bool
) -> None:
    """MAC: the log says it of a table, and no event does. What halts is written without the key."""
    home.seal()
    with home.journal(has_key=False) as forger:
        with forger.transaction() as tx:
            halt(tx)
        with forger.transaction() as tx:
            work(tx)
    found = [one for one in home.verified().findings if one.kind is FindingKind.MAC]
    assert [one.seq for one in found] == ([home.verified().last_seq] if is_found else [])
    if is_found:
        assert "has no MAC" in found[0].message


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, False),
        ({"tables": "no"}, False),
        ({"tables": {"control": "no", "orders": [{"state": "open"}]}}, False),
        ({"tables": {"control": ["no", {"state": "active"}]}, "set": {"control": [[], ["reason"]]}}, False),
        ({"tables": {"control": ["no", {"state": "active"}]}, "set": {"control": [[], ["state"]]}}, True),
        ({"tables": {"proposals": [{"state": "waiting"}]}, "set": {"proposals": [["state"]]}}, False),
        ({"tables": {"proposals": [{"state": "approved"}]}, "set": {"proposals": [["state"]]}}, True),
        ({"tables": {"mandates": [{"id": "m"}]}}, True),
        ({"tables": {"mandates": [{"id": "m", "ended_ms": 1}]}, "set": {"mandates": [["ended_ms"]]}}, False),
        ({"tables": {}, "baseline": 1}, True),
    ],
)
def test_what_a_process_without_the_key_may_not_say_of_the_tables(data: dict[str, Any], *, expected: bool) -> None:
    """Whatever the cell holds."""
    assert loosens(data) is expected
