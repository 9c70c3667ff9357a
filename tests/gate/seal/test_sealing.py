"""Sealing a log: the secret in the keyring, the public key in the log, and the first signed checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardian.credentials.log.home_items import HomeItems
from guardian.errors import CredentialsError, StoreCorrupt
from guardian.gate.seal.log_evidence import gather_evidence, seal_of_log
from guardian.gate.seal.sealing import name_folder
from guardian.store.log.checkpoint import copy_name, kept_checkpoint
from guardian.store.log.verify import verify
from guardian.store.log_findings import FindingKind
from guardian.store.schema.records import Checkpoint
from guardian.store.seal.note import parse_note
from guardian.store.seal.seal_keys import SealKeys
from tests.support.present import present
from tests.support.sealed import SealedHome
from tests.support.tamper import tamper


def test_sealed_log_is_proven(home: SealedHome) -> None:
    """An empty log gets a first row, the row of its key, a signed checkpoint and an anchor; `verify` needs no more."""
    done = home.seal()
    assert done.is_new
    assert done.is_signed
    seal = seal_of_log(home.home)
    assert seal.rows.verifier == done.verifier
    note = present(present(kept_checkpoint(home.home)).note)
    assert note.is_signed_by(done.verifier)
    assert note.log == seal.name
    anchor = present(home.items().anchor())
    assert (anchor.log, anchor.seq, anchor.digest) == (seal.name, note.seq, note.digest)
    report = home.verified()
    assert (report.findings, report.is_proven, report.unchecked) == ((), True, ())


def test_log_with_rows_is_sealed_as_it_is(home: SealedHome) -> None:
    """Every row up to the first checkpoint was verified, and the checkpoint is of the last row."""
    with home.journal() as journal:
        home.append(journal, 5)
    assert home.seal().is_signed
    assert present(kept_checkpoint(home.home)).seq == 6
    assert home.verified().is_proven


def test_sealing_twice_changes_no_key(home: SealedHome) -> None:
    """The second time only a newer checkpoint is signed."""
    first = home.seal()
    with home.journal() as journal:
        home.append(journal, 3)
    again = home.seal()
    assert again.verifier == first.verifier
    assert not again.is_new
    assert present(kept_checkpoint(home.home)).seq == 5
    assert len(seal_of_log(home.home).rows.keys) == 1


def test_log_that_is_not_intact_is_not_sealed(home: SealedHome) -> None:
    """A seal over forged rows would make them look proven; nothing is in the keyring then."""
    with home.journal() as journal:
        home.append(journal, 3)
    tamper(home, "UPDATE audit SET tool = 'x' WHERE seq = 2")
    with pytest.raises(StoreCorrupt, match="not intact"):
        home.seal()
    assert home.keyring.items == {}


def test_log_is_not_sealed_without_a_keyring(home: SealedHome) -> None:
    """The log is as before, and `verify` says what it could not check."""

    def no_keyring(_home: Path) -> HomeItems:
        raise CredentialsError("no keyring that guardian trusts works here")

    with home.journal() as journal:
        home.append(journal)
    report = verify(home.home, evidence=gather_evidence(home.home, items=no_keyring))
    assert report.is_intact
    assert not report.is_proven
    assert report.unchecked[0] == "no keyring that guardian trusts works here"


@pytest.mark.parametrize("after", ["key", "row", "note"])
def test_sealing_that_ended_early_is_finished_by_the_next(
    home: SealedHome, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """Killed after the secret, the row or the checkpoint: the next sealing finishes it, with the same key."""
    place = {
        "key": "guardian.gate.seal.sealing.write_key",
        "row": "guardian.gate.seal.log_signer.keep_note",
        "note": "guardian.credentials.log.home_items.HomeItems.mark_sealed",
    }[after]

    class Killed(BaseException):
        pass

    def dies(*_given: object, **_named: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(place, dies)
        with pytest.raises(Killed):
            home.seal()
    done = home.seal()
    assert done.is_signed
    assert len(seal_of_log(home.home).rows.keys) == 1
    assert home.verified().is_proven


def test_public_key_verifies_a_copy_without_the_secret(home: SealedHome, tmp_path: Path) -> None:
    """On a machine without the keyring: `--pubkey` alone makes it proven."""
    done = home.seal()
    alone = verify(home.home, evidence=gather_evidence(home.home, done.verifier, items=_none))
    assert alone.is_intact
    assert alone.proven_by == "the public key that was given"


def test_wrong_public_key_proves_nothing_and_accuses_nobody(home: SealedHome) -> None:
    """T5: neither intact nor tampered with: it could not be verified."""
    done = home.seal()
    other = SealKeys(b"x" * 32, done.verifier.name.rpartition("/")[2]).verifier
    report = verify(home.home, evidence=gather_evidence(home.home, other, items=_none))
    assert report.is_intact
    assert report.proven_by is None
    assert "the public key that was given is not the one that this log has" in report.unchecked


def _none(_home: Path) -> HomeItems:
    raise CredentialsError("no keyring here")


def test_second_folder_has_the_checkpoint_too(home: SealedHome, tmp_path: Path) -> None:
    """It is named in the log, written with each checkpoint, and held against the log."""
    folder = tmp_path / "stick"
    folder.mkdir()
    with home.journal() as journal:
        home.append(journal)
        name_folder(journal, str(folder))
    home.seal()
    name = present(seal_of_log(home.home).name)
    copy = parse_note((folder / copy_name(name)).read_text())
    assert copy == present(kept_checkpoint(home.home)).note
    assert {anchor.source for anchor in home.verified().anchors} == {
        "audit.checkpoint",
        "guardian.db",
        "keyring",
        str(folder),
    }


def test_second_folder_that_is_away_stops_nothing(home: SealedHome, tmp_path: Path) -> None:
    """Checkpoints are signed all the same; `verify` says that the copy is not there, and nothing is a finding."""
    folder = tmp_path / "stick"
    folder.mkdir()
    with home.journal() as journal:
        home.append(journal)
        name_folder(journal, str(folder))
    home.seal()
    folder.rename(tmp_path / "away")
    assert home.seal().is_signed
    report = home.verified()
    assert report.is_proven
    assert f"the second folder `{folder}` is not there" in report.unchecked[0]


def test_second_folder_shows_what_was_rolled_back(home: SealedHome, tmp_path: Path) -> None:
    """TRUNCATED, without the keyring's anchor: the stick knows of a later row."""
    folder = tmp_path / "stick"
    folder.mkdir()
    with home.journal() as journal:
        home.append(journal)
        name_folder(journal, str(folder))
    home.seal()
    before = (home.home / "audit.checkpoint").read_bytes()
    with home.journal() as journal:
        home.append(journal, 4)
    home.seal()
    tamper(home, "DELETE FROM audit WHERE seq > 4")
    (home.home / "audit.checkpoint").write_bytes(before)
    found = verify(home.home, evidence=gather_evidence(home.home, items=_none))
    assert {one.kind for one in found.findings} >= {FindingKind.TRUNCATED, FindingKind.CHECKPOINT}
    assert any(str(folder) in one.message for one in found.findings)


def test_given_checkpoint_may_be_a_note(home: SealedHome, tmp_path: Path) -> None:
    """What `guardian audit checkpoint` printed of a sealed log is held against it as a line is."""
    home.seal()
    note = present(present(kept_checkpoint(home.home)).note)
    good = Checkpoint(seq=note.seq, digest=note.digest)
    assert verify(home.home, good).is_proven
    bad = Checkpoint(seq=note.seq, digest="0" * 64)
    assert {one.kind for one in verify(home.home, bad).findings} == {FindingKind.REWRITTEN}


def test_no_secret_is_in_the_folder(home: SealedHome) -> None:
    """Neither the root secret nor a key of it is in any file of the home."""
    home.seal()
    value = json.loads(home.keyring.items[f"guardian/home/{seal_of_log(home.home).name}", "v1"])
    everything = b"".join(path.read_bytes() for path in home.home.iterdir() if path.is_file())
    assert value["root"].encode() not in everything
    assert b"r" * 32 not in everything
