"""Accepting a loss: what halted trading is named in a signed row, and new damage is told from it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from guardian.domain.owner.proof import Proof, ProofGiven
from guardian.errors import CredentialsError, GuardianError, KeyringUnavailable
from guardian.gate.base.journal import Journal
from guardian.gate.seal.accepted_loss import ACCEPTABLE, accept_loss, require_no_loss, unaccepted_losses
from guardian.store.log.checkpoint import kept_checkpoint
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind, Report
from guardian.store.schema.records import Checkpoint
from tests.support.keyring import MemoryKeyring
from tests.support.present import present
from tests.support.sealed import SealedHome
from tests.support.tamper import tamper

YES = ProofGiven(kind=Proof.TERMINAL)


def files_of(home: SealedHome) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in home.home.iterdir() if path.is_file()}


def put_back(home: SealedHome, files: Mapping[str, bytes]) -> None:
    """The whole folder as it was, as a backup does it."""
    for path in home.home.iterdir():
        path.unlink()
    for name, content in files.items():
        (home.home / name).write_bytes(content)


def rolled_back(home: SealedHome) -> None:
    """A sealed home of 6 rows, of which a copy with 2 is put back; a server has begun since."""
    home.seal()
    old = files_of(home)
    with home.journal() as journal:
        journal.begin_seal()
        home.append(journal, 4)
    put_back(home, old)
    with home.journal() as journal:
        journal.begin_seal()


def accept(home: SealedHome, journal: Journal) -> Report:
    findings = [one for one in home.verified().findings if one.kind in ACCEPTABLE]
    return accept_loss(journal, home.items(), findings, "a copy was put back", YES, lambda count: b"r" * count)


def test_resume_is_refused_until_the_loss_is_accepted(home: SealedHome) -> None:
    """The hint names the command; afterwards nothing stands in the way."""
    rolled_back(home)
    with home.journal() as journal:
        with journal.transaction() as tx, pytest.raises(GuardianError, match="rows of the log are gone") as refused:
            require_no_loss(tx)
        assert "accept-loss" in present(refused.value.hint)
        accept(home, journal)
        with journal.transaction() as tx:
            require_no_loss(tx)


def test_accepted_loss_is_a_note_and_the_log_is_proven_again(home: SealedHome) -> None:
    """Exit 0 with what was accepted; the checkpoint and the anchor are of the log as it is now, and go on."""
    rolled_back(home)
    assert FindingKind.TRUNCATED in home.kinds()
    with home.journal() as journal:
        accept(home, journal)
        journal.begin_seal()
        home.append(journal, 3)
    report = home.verified()
    assert report.is_proven
    assert report.unanchored == 0
    note = present(kept_checkpoint(home.home))
    assert (note.seq, present(home.items().anchor()).seq) == (report.last_seq, report.last_seq)


def test_checkpoint_of_the_lost_rows_that_was_kept_elsewhere_is_accepted_too(home: SealedHome) -> None:
    """It names the very row that the owner accepted the loss of."""
    home.seal()
    old = files_of(home)
    with home.journal() as journal:
        journal.begin_seal()
        home.append(journal, 4)
    kept = present(kept_checkpoint(home.home))
    put_back(home, old)
    with home.journal() as journal:
        journal.begin_seal()
        accept(home, journal)
    given = present(kept.note)
    report = verify(home.home, Checkpoint(seq=given.seq, digest=given.digest), evidence=home.evidence())
    assert report.is_intact
    assert {one.kind for one in report.accepted} == {FindingKind.TRUNCATED}


def test_new_damage_is_told_from_accepted_damage(home: SealedHome) -> None:
    """A row that is changed afterwards is a finding; what was accepted is none."""
    home.seal()
    with home.journal() as journal:
        home.append(journal, 4)
    home.seal()
    tamper(home, "UPDATE audit SET tool = 'x' WHERE seq = 3")
    with home.journal() as journal:
        accept(home, journal)
    assert home.verified().is_proven
    tamper(home, "UPDATE audit SET tool = 'x' WHERE seq = 4")
    report = home.verified()
    assert [(one.kind, one.seq) for one in report.findings] == [(FindingKind.COLUMN, 4)]
    assert [(one.kind, one.seq) for one in report.accepted] == [(FindingKind.COLUMN, 3)]


def test_acceptance_that_is_not_signed_counts_for_nothing(home: SealedHome) -> None:
    """A program that writes the folder appends such a row to a sealed log: what it did stays a finding."""
    home.seal()
    with home.journal() as journal:
        home.append(journal, 4)
    home.seal()
    tamper(home, "UPDATE audit SET tool = 'x' WHERE seq = 3")
    identities = home.verified().findings
    forger = SealedHome(home.home)
    with forger.journal() as journal:
        accept_loss(journal, forger.items(), identities, "forged", YES, lambda count: b"f" * count)
    assert {FindingKind.COLUMN, FindingKind.SEAL} <= home.kinds()


def test_sealed_log_accepts_nothing_without_its_key(home: SealedHome) -> None:
    """Without the keyring nothing is written."""
    rolled_back(home)
    before = home.verified().last_seq
    with home.journal() as journal, pytest.raises(KeyringUnavailable):
        accept_loss(journal, None, home.verified().findings, "why", YES, lambda count: b"r" * count)
    assert home.verified().last_seq == before


def test_log_that_replaced_a_lost_one_can_be_accepted(home: SealedHome) -> None:
    """Everything deleted, and a new log begun: halted by the anchor, accepted by the owner, sealed as the new log."""
    home.seal()
    with home.journal() as journal:
        home.append(journal, 4)
    home.seal()
    put_back(home, {})
    with home.journal() as journal:
        home.append(journal)
        journal.begin_seal()
        with journal.transaction() as tx:
            assert unaccepted_losses(tx)
            assert journal.trading(tx)[0].value == "halted"
        accept(home, journal)
        with journal.transaction() as tx:
            assert unaccepted_losses(tx) == []
    assert home.verified().is_proven


def test_log_whose_secret_is_lost_gets_a_new_one(home: SealedHome) -> None:
    """On a new machine: sealing is refused, nothing is proven, and the owner accepts a new key."""
    home.seal()
    home.keyring = MemoryKeyring()
    assert "the log is sealed, and the keyring does not have its secret" in home.verified().unchecked
    assert not home.verified().is_proven
    with pytest.raises(CredentialsError, match="does not have"):
        home.seal()
    with home.journal() as journal:
        accept_loss(journal, home.items(), [], "a new machine", YES, lambda count: b"n" * count)
    report = home.verified()
    assert report.is_proven
    assert [one.kind for one in report.accepted] == [FindingKind.SEAL]


def test_loss_without_a_seal_is_accepted_without_a_signature(home: SealedHome) -> None:
    """Without a keyring the same command works; nothing is proven by that."""
    home.keyring = MemoryKeyring()
    with home.journal() as journal:
        home.append(journal, 6)
    tamper(home, "DELETE FROM audit WHERE seq > 3")
    with home.journal() as journal:
        home.append(journal)
        with journal.transaction() as tx:
            assert unaccepted_losses(tx)
        found = verify(home.home).findings
        assert {one.kind for one in found} == {FindingKind.GAP}
        accept_loss(journal, None, found, "why", YES, lambda count: b"r" * count)
        with journal.transaction() as tx:
            require_no_loss(tx)
    report = verify(home.home)
    assert (report.is_intact, report.is_proven) == (True, False)
    assert {one.kind for one in report.accepted} == {FindingKind.GAP}
