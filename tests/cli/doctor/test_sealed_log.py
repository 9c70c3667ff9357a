"""What `guardian doctor` says of the seal of the log, and what it says to do next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from guardian.cli.doctor.checks.sealed_log import check_seal
from guardian.cli.doctor.findings import Finding, Health
from guardian.credentials.log.home_items import HomeItems
from guardian.credentials.turns import KeyringQueue, Turn
from guardian.errors import KeyringUnavailable
from guardian.gate.seal.sealing import name_folder
from tests.cli.doctor.test_faults import examined, write_policy
from tests.support.forgery import files_of, put_back
from tests.support.keyring import MemoryKeyring
from tests.support.sealed import SealedHome


@pytest.fixture
def home(tmp_path: Path) -> SealedHome:
    return SealedHome(tmp_path / "guardian")


def found(home: SealedHome, items: Callable[[Path], HomeItems] | None = None) -> dict[str, Finding]:
    before = files_of(home.home)
    findings = list(check_seal(examined(home.home, open_log_items=items or home.items)))
    assert files_of(home.home) == before
    return {one.name: one for one in findings}


def is_said(finding: Finding, health: Health, text: str, remedy: str | None = None) -> bool:
    return finding.health is health and text in finding.text and (remedy or "") in (finding.remedy or "")


def test_sealed_log_says_up_to_which_row_and_where_else_that_is_known(home: SealedHome, tmp_path: Path) -> None:
    """Checkpoint, anchor, and a second folder that may be named."""
    home.seal()
    with home.journal() as journal:
        home.append(journal, 3)
    said = found(home)
    assert is_said(said["seal"], Health.OK, "signed up to row 2 of 5")
    assert is_said(said["seal.anchor"], Health.OK, "row 2")
    assert is_said(said["seal.folder"], Health.OK, "--folder DIR")
    folder = tmp_path / "stick"
    folder.mkdir()
    with home.journal() as journal:
        name_folder(journal, str(folder))
    home.seal()
    assert is_said(found(home)["seal.folder"], Health.OK, "has the checkpoint of row 6")
    (copy,) = folder.iterdir()
    copy.write_bytes(b"noise")
    assert is_said(found(home)["seal.folder"], Health.PROBLEM, "is not a checkpoint", "guardian audit verify")
    folder.rename(tmp_path / "away")
    assert is_said(found(home)["seal.folder"], Health.WARNING, "is not there", "attach it")


def test_log_that_was_never_sealed_says_how_to(home: SealedHome) -> None:
    """With a keyring or without one; on paper it is no warning."""

    def no_keyring(_home: Path) -> HomeItems:
        raise KeyringUnavailable("no keyring that guardian trusts works here")

    with home.journal() as journal:
        home.append(journal)
    write_policy(home.home, "testnet")
    assert is_said(found(home)["seal"], Health.WARNING, "never sealed", "`guardian audit seal`")
    assert is_said(found(home, no_keyring)["seal"], Health.WARNING, "never sealed", "guardian keys vault create")
    write_policy(home.home, "paper")
    assert is_said(found(home)["seal"], Health.OK, "`guardian audit seal` seals it")


def test_rows_that_the_keyring_knows_of_are_a_problem(home: SealedHome) -> None:
    """A folder that was put back, from before or after the log was sealed."""
    with home.journal() as journal:
        home.append(journal)
    unsealed = files_of(home.home)
    home.seal()
    sealed = files_of(home.home)
    with home.journal() as journal:
        journal.begin_seal()
        home.append(journal, 3)
    for older in (unsealed, sealed):
        put_back(home.home, older)
        finding = next(check_seal(examined(home.home, open_log_items=home.items)))
        assert is_said(finding, Health.PROBLEM, "is gone", "accept-loss")


@pytest.mark.parametrize("content", [None, b"noise"])
def test_signed_checkpoint_that_is_missing_is_a_problem(home: SealedHome, content: bytes | None) -> None:
    """Removed, or of noise."""
    home.seal()
    path = home.home / "audit.checkpoint"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    assert is_said(found(home)["seal"], Health.PROBLEM, "no signed checkpoint", "guardian audit verify")


def test_key_that_is_away_is_named(home: SealedHome) -> None:
    """Another keyring, one that is locked, and one that keeps no anchors."""
    home.seal()

    class Locked(HomeItems):
        def asks_nothing(self) -> bool:
            return False

    class OnMac(HomeItems):
        @property
        def keeps_anchors(self) -> bool:
            return False

    def of(kind: type[HomeItems]) -> Callable[[Path], HomeItems]:
        return lambda place: kind(home.keyring, KeyringQueue(3.0, Turn()), place)

    assert is_said(found(home, of(Locked))["seal.key"], Health.COULD_NOT_TELL, "was not asked", "unlock")
    assert is_said(found(home, of(OnMac))["seal.anchor"], Health.WARNING, "gets no anchor", "--folder DIR")
    home.keyring = MemoryKeyring()
    said = found(home)
    assert is_said(said["seal.key"], Health.PROBLEM, "does not have the secret", "accept-loss")
    assert is_said(said["seal.anchor"], Health.WARNING, "no anchor", "guardian audit seal")


def test_home_without_a_log_has_nothing_to_seal(tmp_path: Path) -> None:
    """Before `guardian init`."""
    (said,) = check_seal(examined(tmp_path / "none"))
    assert is_said(said, Health.OK, "no log yet")
