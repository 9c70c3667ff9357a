"""The table of attacks, each by its name: by a program that may write everything in the folder, and no keyring.

With the keyring each is a finding. Without it what the folder itself shows is found; of the rest `verify` says that the
log is not proven, and never that it is intact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import pytest

from guardian.gate.base.journal import Journal
from guardian.gate.seal.log_signer import EVERY_ROWS
from guardian.gate.seal.sealing import seal_log
from guardian.store.log.checkpoint import keep_note
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind, Report
from guardian.store.schema.records import CHECKPOINT_ORIGIN, Phase, Record
from guardian.store.seal.seal_keys import SealKeys
from tests.support.forgery import edited, files_of, put_back, rewrite, without_middle
from tests.support.present import present
from tests.support.sealed import SealedHome
from tests.support.tamper import tamper

Kind = FindingKind


class Attacked(SealedHome):
    """A sealed home with a log of three checkpoints and more, and a copy of it from after the first."""

    older: Mapping[str, bytes]

    def grow(self, journal: Journal, count: int) -> None:
        with journal.transaction() as tx:
            for _ in range(count):
                self.calls += 1
                row = Record(phase=Phase.CALL, call_id=f"c{self.calls}", tool="get_ticker", symbol="BTCUSDT")
                tx.audit.append(row)

    def begin(self) -> None:
        self.seal()
        with self.journal() as journal:
            journal.begin_seal()
            self.grow(journal, EVERY_ROWS)
            present(journal.seal).look()
        self.older = files_of(self.home)
        with self.journal() as journal:
            journal.begin_seal()
            for _ in range(2):
                self.grow(journal, EVERY_ROWS)
                present(journal.seal).look()

    def without_keyring(self) -> Report:
        return verify(self.home)


def cut(home: Attacked) -> None:
    tamper(home, f"DELETE FROM audit WHERE seq > {EVERY_ROWS + 20}")


def cut_with_checkpoints(home: Attacked) -> None:
    tamper(home, f"DELETE FROM audit WHERE seq > {EVERY_ROWS + 20}", "DELETE FROM checkpoints")


def cut_with_all_checkpoints(home: Attacked) -> None:
    cut_with_checkpoints(home)
    (home.home / "audit.checkpoint").write_bytes(home.older["audit.checkpoint"])


def restored(home: Attacked) -> None:
    put_back(home.home, home.older)


def begun_again(home: Attacked) -> None:
    put_back(home.home, {})
    with home.journal(has_key=False) as journal:
        home.grow(journal, 3)


def with_stolen_mac_key(home: Attacked) -> None:
    keys = present(home.evidence().keys)
    rewrite(home.home, partial(edited, seq=EVERY_ROWS + 40), keys.mac_of)
    tamper(home, "DELETE FROM checkpoints")
    (home.home / "audit.checkpoint").write_bytes(home.older["audit.checkpoint"])


def with_a_key_of_its_own(home: Attacked) -> None:
    """The whole log again under another public key, with its MACs and a checkpoint that this key signs."""
    done = verify(home.home)
    put_back(home.home, {})
    forger = Attacked(home.home)
    with forger.journal() as journal:
        forger.grow(journal, done.last_seq)
        seal_log(journal, forger.items(), lambda count: b"f" * count)


def unsigned_checkpoint(home: Attacked) -> None:
    report = verify(home.home)
    line = f"{CHECKPOINT_ORIGIN} {report.last_seq} {report.head}\n"
    (home.home / "audit.checkpoint").write_text(line)


def older_checkpoint(home: Attacked) -> None:
    (home.home / "audit.checkpoint").write_bytes(home.older["audit.checkpoint"])


def damaged_checkpoint(home: Attacked) -> None:
    (home.home / "audit.checkpoint").write_bytes(b"noise")


def foreign_checkpoint(home: Attacked) -> None:
    report = verify(home.home)
    keys = SealKeys(b"f" * 32, present(home.evidence().keys).log)
    assert keep_note(home.home, keys.note(report.last_seq, present(report.head)), replaces=True)


def forged_order(home: Attacked) -> None:
    with home.journal(has_key=False) as journal, journal.transaction() as tx:
        tx.audit.append(Record.event(None, {"kind": "approved", "by": "owner"}))


@dataclass(frozen=True)
class Attack:
    act: Callable[[Attacked], None]
    found: FindingKind
    """With the keyring."""
    in_folder: FindingKind | None
    """Without it; None where nothing in the folder shows it."""


def statements(*texts: str) -> Callable[[Attacked], None]:
    return lambda home: tamper(home, *texts)


ATTACKS = {
    "edit a body": Attack(
        statements("UPDATE audit SET body = CAST('{}' AS BLOB) WHERE seq = 40"), Kind.CONTENT, Kind.CONTENT
    ),
    "edit only an indexed column": Attack(
        statements("UPDATE audit SET outcome = 'denied' WHERE seq = 40"), Kind.COLUMN, Kind.COLUMN
    ),
    "delete 2 middle rows": Attack(statements("DELETE FROM audit WHERE seq IN (40, 41)"), Kind.GAP, Kind.GAP),
    "delete 2 middle rows and chain again": Attack(
        lambda home: rewrite(home.home, without_middle), Kind.MAC, Kind.TRUNCATED
    ),
    "swap two rows": Attack(
        statements(
            "UPDATE audit SET seq = -1 WHERE seq = 40",
            "UPDATE audit SET seq = 40 WHERE seq = 41",
            "UPDATE audit SET seq = 41 WHERE seq = -1",
        ),
        Kind.CHAIN,
        Kind.CHAIN,
    ),
    "cut the tail": Attack(cut, Kind.TRUNCATED, Kind.TRUNCATED),
    "cut the tail and the checkpoints in the database": Attack(cut_with_checkpoints, Kind.TRUNCATED, Kind.TRUNCATED),
    "cut the tail and roll all checkpoints back": Attack(cut_with_all_checkpoints, Kind.TRUNCATED, None),
    "put the whole folder back from a copy": Attack(restored, Kind.TRUNCATED, None),
    "delete everything and begin a new log": Attack(begun_again, Kind.TRUNCATED, None),
    "edit and chain again": Attack(lambda home: rewrite(home.home, edited), Kind.MAC, Kind.REWRITTEN),
    "edit and chain again with a stolen key of MACs": Attack(with_stolen_mac_key, Kind.REWRITTEN, None),
    "write all of it again under a key of its own": Attack(with_a_key_of_its_own, Kind.REWRITTEN, None),
    "take the MACs away": Attack(statements("UPDATE audit SET mac = NULL"), Kind.MAC, None),
    "forge an approval behind the last checkpoint": Attack(forged_order, Kind.MAC, None),
    "remove the checkpoint": Attack(
        lambda home: (home.home / "audit.checkpoint").unlink(), Kind.CHECKPOINT, Kind.CHECKPOINT
    ),
    "put an older checkpoint back": Attack(older_checkpoint, Kind.CHECKPOINT, Kind.CHECKPOINT),
    "damage the checkpoint": Attack(damaged_checkpoint, Kind.DAMAGED, Kind.DAMAGED),
    "put an unsigned checkpoint there": Attack(unsigned_checkpoint, Kind.CHECKPOINT, Kind.CHECKPOINT),
    "sign a checkpoint with another key": Attack(foreign_checkpoint, Kind.CHECKPOINT, Kind.CHECKPOINT),
    "remove the row of the public key": Attack(
        statements("UPDATE audit SET key = NULL WHERE key LIKE 'seal:key:%'"), Kind.SEAL, Kind.COLUMN
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Attacked, Mapping[str, bytes], dict[tuple[str, str], str]]:
    """One home for all of these tests, with its files and what its keyring has; an anchor is of one path."""
    home = Attacked(tmp_path_factory.mktemp("made") / "guardian")
    home.begin()
    return home, files_of(home.home), dict(home.keyring.items)


@pytest.fixture
def home(made: tuple[Attacked, Mapping[str, bytes], dict[tuple[str, str], str]]) -> Attacked:
    """The home as it was made."""
    home, files, items = made
    put_back(home.home, files)
    home.keyring.items = dict(items)
    return home


def test_home_that_nobody_attacked_is_proven(home: Attacked) -> None:
    """No alarm without an attack; what was signed is in the home, in the database and in the keyring."""
    report = home.verified()
    assert (report.findings, report.is_proven, report.unanchored) == ((), True, 0)
    assert {anchor.source for anchor in report.anchors} == {"audit.checkpoint", "guardian.db", "keyring"}
    alone = home.without_keyring()
    assert (alone.findings, alone.is_proven) == ((), False)


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_found_by_its_name_with_the_keyring(home: Attacked, name: str) -> None:
    """T1: every row of the table."""
    ATTACKS[name].act(home)
    report = home.verified()
    assert ATTACKS[name].found in {finding.kind for finding in report.findings}, report.findings
    assert not report.is_proven


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_found_or_the_log_is_not_proven_without_the_keyring(home: Attacked, name: str) -> None:
    """T1: what the folder itself shows is found; nothing is ever called intact."""
    attack = ATTACKS[name]
    attack.act(home)
    report = home.without_keyring()
    kinds = {finding.kind for finding in report.findings}
    assert kinds == set() if attack.in_folder is None else attack.in_folder in kinds, report.findings
    assert not report.is_proven


@pytest.mark.parametrize("name", ["put the whole folder back from a copy", "delete everything and begin a new log"])
def test_no_order_follows_a_rollback(home: Attacked, name: str) -> None:
    """T11: the next server finds it before its first order, and trading is halted in every process."""
    ATTACKS[name].act(home)
    with home.journal() as server:
        assert not server.has_begun_seal
        server.begin_seal()
        assert server.has_begun_seal
    with home.journal(has_key=False) as other, other.transaction() as tx:
        assert other.trading(tx)[0].value == "halted"
