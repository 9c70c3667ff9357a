"""Signed checkpoints as the log grows: of verified rows alone, never back, and never waiting for a keyring."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from guardian.gate.seal.log_signer import EVERY_ROWS, EVERY_S, LogSigner
from guardian.store.log.checkpoint import kept_checkpoint
from guardian.store.log_findings import FindingKind
from tests.support.keyring import MemoryKeyring
from tests.support.present import present
from tests.support.sealed import SealedHome
from tests.support.tamper import tamper


def signer_of(home: SealedHome, monotonic: list[float] | None = None) -> LogSigner:
    clock = monotonic or [0.0]
    return LogSigner(home.home, present(home.evidence().keys), home.items(), None, monotonic=lambda: clock[0])


def signed(home: SealedHome) -> int:
    return present(kept_checkpoint(home.home)).seq


def test_checkpoint_follows_the_log(home: SealedHome) -> None:
    """`advance` signs the last row, and the anchor follows."""
    home.seal()
    signer = signer_of(home)
    with home.journal() as journal:
        home.append(journal, 3)
    assert signer.advance()
    signer.close()
    assert signed(home) == 5
    assert present(home.items().anchor()).seq == 5
    assert home.verified().unanchored == 0


def test_checkpoint_is_due_after_rows_or_time(home: SealedHome) -> None:
    """After 64 rows at once, and after 60 s for any."""
    home.seal()
    clock = [0.0]
    signer = signer_of(home, clock)
    signer.advance()
    with home.journal() as journal:
        home.append(journal, EVERY_ROWS - 1)
        signer.advance_if_due()
        assert signed(home) == 2
        home.append(journal)
        signer.advance_if_due()
        assert signed(home) == 2 + EVERY_ROWS
        home.append(journal)
        clock[0] += EVERY_S - 1
        signer.advance_if_due()
        assert signed(home) == 2 + EVERY_ROWS
        clock[0] += 1
        signer.advance_if_due()
        assert signed(home) == 3 + EVERY_ROWS
    signer.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET body = CAST('{}' AS BLOB) WHERE seq = 4",
        "UPDATE audit SET tool = 'get_balance' WHERE seq = 4",
        "DELETE FROM audit WHERE seq = 4",
        "DELETE FROM audit WHERE seq <= 2",
    ],
)
def test_nothing_is_signed_over_what_does_not_follow(home: SealedHome, statement: str) -> None:
    """A changed or missing row after the last signed one, or that one itself gone: the checkpoint stays where it is."""
    home.seal()
    signer = signer_of(home)
    with home.journal() as journal:
        home.append(journal, 4)
    tamper(home, statement)
    assert not signer.advance()
    assert signed(home) == 2
    signer.close()
    assert signed(home) == 2


def test_rolled_back_checkpoint_is_not_what_the_signer_goes_by(home: SealedHome) -> None:
    """A signer knows what it signed: a folder that is put back under it is not signed again."""
    home.seal()
    old = {path.name: path.read_bytes() for path in home.home.iterdir() if path.is_file()}
    signer = signer_of(home)
    with home.journal() as journal:
        home.append(journal, 4)
    assert signer.advance()
    for name, content in old.items():
        (home.home / name).write_bytes(content)
    with home.journal() as journal:
        home.append(journal, 2)
    assert not signer.advance()
    signer.close()
    assert FindingKind.CHECKPOINT in home.kinds()


def test_unsigned_line_does_not_replace_a_note(home: SealedHome) -> None:
    """A process without the key, such as `guardian halt`, leaves the signed checkpoint as it is."""
    home.seal()
    before = (home.home / "audit.checkpoint").read_bytes()
    with home.journal() as journal:
        home.append(journal, 3)
    assert (home.home / "audit.checkpoint").read_bytes() == before
    assert home.verified().is_proven


class SlowKeyring(MemoryKeyring):
    """A keyring that answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def get_password(self, service: str, username: str) -> str | None:
        assert self.may_answer.wait(30)
        return super().get_password(service, username)


def test_signing_waits_for_no_keyring(home: SealedHome) -> None:
    """The checkpoint is on disk while the keyring still hangs; of what piled up only the newest is kept there."""
    home.keyring = slow = SlowKeyring()
    home.seal()
    signer = signer_of(home)
    slow.may_answer.clear()
    asked = slow.asked.count("set")
    try:
        with home.journal() as journal:
            for _ in range(5):
                home.append(journal)
                assert signer.advance()
        assert signed(home) == 7
    finally:
        slow.may_answer.set()
    signer.close()
    assert present(home.items().anchor()).seq == 7
    assert slow.asked.count("set") - asked <= 2


def test_server_signs_from_its_start_to_its_end(home: SealedHome) -> None:
    """At the start for what others wrote, after an order, and once more when it ends."""
    home.seal()
    with home.journal() as journal:
        home.append(journal)
        journal.begin_seal()
        assert signed(home) == 3
        home.append(journal)
        with journal.transaction() as tx:
            head = tx.head
        journal.anchor(head)
        assert signed(home) == 4
        home.append(journal)
    assert signed(home) == 5
    assert present(home.items().anchor()).seq == 5


def test_server_without_a_keyring_signs_nothing_and_serves(home: SealedHome, tmp_path: Path) -> None:
    """The signed checkpoint is older then, which is no finding."""
    home.seal()
    keyring, home.keyring = home.keyring, MemoryKeyring()
    with home.journal() as journal:
        journal.begin_seal()
        assert present(journal.seal).mac_of(bytes(32)) is None
        home.append(journal, 2)
    home.keyring = keyring
    assert signed(home) == 2
    assert home.verified().is_proven


def test_anchor_ahead_of_the_log_halts_trading_at_the_start(home: SealedHome) -> None:
    """T11: a folder that was put back from a copy: no order, and the reason names the keyring."""
    home.seal()
    old = {path.name: path.read_bytes() for path in home.home.iterdir() if path.is_file()}
    with home.journal() as journal:
        journal.begin_seal()
        home.append(journal, 4)
    for name, content in old.items():
        (home.home / name).write_bytes(content)
    with home.journal() as journal:
        journal.begin_seal()
        assert present(journal.seal).mac_of(bytes(32)) is None
        with journal.transaction() as tx:
            state, reason = journal.trading(tx)
    assert state.value == "halted"
    assert "row 6 of the checkpoint (keyring) is gone" in present(reason)
