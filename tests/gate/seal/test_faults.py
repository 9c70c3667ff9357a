"""The seal beside what fails: a keyring that is locked, refuses or has something else, a full disk, a damaged log."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from guardian.credentials.log.home_items import HomeItems
from guardian.credentials.turns import KeyringQueue, Turn
from guardian.errors import CredentialsError, KeyringUnavailable, StoreUnavailable
from guardian.gate.base.journal import Journal
from guardian.gate.base.order_views import iso
from guardian.gate.seal import keeping
from guardian.gate.seal.accepted_loss import unaccepted_losses
from guardian.gate.seal.keeping import ASK_AGAIN_S, SealKeeper, keep_seal
from guardian.gate.seal.log_evidence import NOT_ASKED, evidence_of, seal_of_log
from guardian.gate.seal.log_signer import LogSigner
from guardian.gate.seal.sealing import seal_log
from guardian.store.log.checkpoint import kept_checkpoint
from guardian.store.schema.records import Record
from tests.support.forgery import files_of, put_back
from tests.support.keyring import MemoryKeyring
from tests.support.present import present
from tests.support.sealed import SealedHome
from tests.support.tamper import tamper

INTENT = Record.event(None, {"kind": "approved", "by": "owner"})


class Lockable(HomeItems):
    """A keyring with a window to unlock it, which nobody answers while it is locked."""

    is_locked = True

    def asks_nothing(self) -> bool:
        return not self.is_locked

    @property
    def keeps_anchors(self) -> bool:
        return not self.is_locked


class OnMac(HomeItems):
    """A keychain in which a new value takes "Always Allow" away."""

    @property
    def keeps_anchors(self) -> bool:
        return False


def items_of(home: SealedHome, kind: type[HomeItems]) -> HomeItems:
    return kind(home.keyring, KeyringQueue(3.0, Turn()), home.home)


@contextmanager
def server(home: SealedHome, items: HomeItems, clock: list[float]) -> Iterator[Journal]:
    with home.journal(has_key=False) as journal:
        journal.use_seal(SealKeeper(journal, items=lambda _home: items, monotonic=lambda: clock[0]))
        yield journal


def signed(home: SealedHome) -> int:
    return present(kept_checkpoint(home.home)).seq


def rolled_back(home: SealedHome) -> None:
    """A sealed home whose folder is put back from a copy; the keyring has the anchor of a later row."""
    home.seal()
    old = files_of(home.home)
    with home.journal() as journal:
        journal.begin_seal()
        home.append(journal, 4)
    put_back(home.home, old)


def is_halted(journal: Journal) -> bool:
    with journal.transaction() as tx:
        return journal.trading(tx)[0].value == "halted"


def test_locked_keyring_is_not_asked_and_that_is_said(home: SealedHome) -> None:
    """No window opens where nobody may be there to answer it."""
    home.seal()
    home.keyring.asked.clear()
    found = evidence_of(items_of(home, Lockable), seal_of_log(home.home).name, asks_nothing=True)
    assert (found.unchecked, home.keyring.asked) == ((NOT_ASKED,), [])


def test_keyring_that_is_unlocked_later_shows_the_rollback_before_the_first_order(home: SealedHome) -> None:
    """It was locked at the start; the next look after a while, or the first order, asks it and halts."""
    rolled_back(home)
    items, clock = items_of(home, Lockable), [0.0]
    assert isinstance(items, Lockable)
    with server(home, items, clock) as journal:
        journal.begin_seal()
        assert not journal.has_begun_seal
        items.is_locked = False
        present(journal.seal).look()
        assert not is_halted(journal)
        clock[0] += ASK_AGAIN_S
        present(journal.seal).look()
        assert journal.has_begun_seal
        assert is_halted(journal)


def test_what_loosens_is_refused_over_lost_rows(home: SealedHome) -> None:
    """A command that asks the keyring for the key sees the anchor too: it signs nothing, and names the way out."""
    rolled_back(home)
    with home.journal() as journal, pytest.raises(StoreUnavailable, match="is gone") as refused:
        journal.append(INTENT)
    assert "accept-loss" in present(refused.value.hint)
    assert signed(home) == 2


def test_server_looks_at_the_keyring_once(home: SealedHome) -> None:
    """The second call of a concurrent first order has nothing left to do."""
    home.seal()
    asked: list[Path] = []

    def items(folder: Path) -> HomeItems:
        asked.append(folder)
        return home.items()

    with home.journal(has_key=False) as journal:
        journal.use_seal(SealKeeper(journal, items=items))
        journal.begin_seal()
        journal.begin_seal()
        present(journal.seal).begin()
    assert asked == [home.home]


def test_look_at_a_log_that_did_not_grow_signs_nothing(home: SealedHome) -> None:
    """The checkpoint is of the last row already."""
    home.seal()
    with home.journal() as journal:
        journal.begin_seal()
        before = (home.home / "audit.checkpoint").stat().st_ino
        present(journal.seal).look()
        assert (home.home / "audit.checkpoint").stat().st_ino == before


def test_deleted_database_is_lost_rows(home: SealedHome) -> None:
    """T11: the keyring has an anchor and there is no file: the log that is begun then is halted from its first row."""
    home.seal()
    put_back(home.home, {})
    with home.journal() as journal:
        journal.begin_seal()
        assert is_halted(journal)


def test_log_that_cannot_be_read_accuses_nobody(home: SealedHome) -> None:
    """Noise in the place of the database: no order passes there anyway, and no halt can be written in it."""
    home.seal()
    (home.home / "guardian.db").write_bytes(b"noise" * 4096)
    with home.journal() as journal:
        journal.begin_seal()
        assert present(journal.seal).mac_of(bytes(32)) is None


def test_secret_of_a_wrong_size_is_no_key(home: SealedHome) -> None:
    """Somebody edited the item: nothing is verified or signed with it, and it is named."""
    home.seal()
    place = (f"guardian/home/{seal_of_log(home.home).name}", "v1")
    kept = json.loads(home.keyring.items[place])
    home.keyring.items[place] = json.dumps({**kept, "root": "cnI="})
    report = home.verified()
    assert not report.is_proven
    assert "is damaged or was not made by guardian" in report.unchecked[0]


class Refusing(MemoryKeyring):
    """A keyring that keeps nothing new."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise OSError("full")


def test_keyring_that_keeps_no_anchor_stops_no_checkpoint(home: SealedHome) -> None:
    """The anchor is only older then."""
    home.seal()
    refusing = Refusing()
    refusing.items = home.keyring.items
    home.keyring = refusing
    with home.journal(signs_at_end=True) as journal:
        home.append(journal, 2)
    assert (signed(home), present(home.items().anchor()).seq) == (4, 2)
    assert home.verified().is_proven


def test_keyring_of_a_vault_or_mac_gets_no_anchor_as_the_log_grows(home: SealedHome) -> None:
    """On macOS one is set when the log is sealed, which names the log of this home, and none after it."""
    with home.journal() as journal:
        seal_log(journal, items_of(home, OnMac), lambda count: b"r" * count)
    first = present(home.items().anchor())
    assert first.log == seal_of_log(home.home).name
    with server(home, items_of(home, OnMac), [0.0]) as journal:
        home.append(journal, 3)
    assert signed(home) > first.seq
    assert home.items().anchor() == first
    with home.journal() as journal:
        seal_log(journal, items_of(home, OnMac), lambda count: b"r" * count)
    assert home.items().anchor() == first


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can be written beside the database."""

    def refuse(_path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("guardian.store.log.checkpoint.replace_file", refuse)
        yield


def test_seal_without_a_checkpoint_is_unfinished(home: SealedHome) -> None:
    """The disk is full when the first checkpoint would be signed: that is said, and the next sealing finishes it."""
    with full_disk():
        done = home.seal()
    assert (done.is_new, done.is_signed) == (True, False)
    assert not home.verified().is_proven
    assert home.seal().is_signed
    assert home.verified().is_proven


def test_checkpoint_that_cannot_be_written_stays_older(home: SealedHome) -> None:
    """Nothing is kept in the keyring either, which must not be ahead of the home's own."""
    home.seal()
    with full_disk(), home.journal(signs_at_end=True) as journal:
        home.append(journal, 2)
    assert (signed(home), present(home.items().anchor()).seq) == (2, 2)
    assert home.verified().is_proven


def test_signer_of_a_log_that_is_away_signs_nothing(home: SealedHome) -> None:
    """The database was renamed under it: neither a checkpoint nor an exception."""
    home.seal()
    signer = LogSigner(home.home, present(home.evidence().keys), None, None)
    (home.home / "guardian.db").rename(home.home / "elsewhere.db")
    assert not signer.advance()
    assert not signer.advance_if_due()
    signer.close()
    assert signed(home) == 2


def test_log_without_its_first_row_is_not_sealed(home: SealedHome) -> None:
    """Its name is gone with it, so there is nothing to sign."""
    with home.journal() as journal:
        home.append(journal, 3)
    tamper(home, "DELETE FROM audit WHERE seq = 1")
    with pytest.raises(StoreUnavailable, match="lost its first row"):
        home.seal()


@pytest.mark.parametrize("body", ["'noise'", "'{}'", '\'{"data":{"marks":"LOST x"}}\'', "'[]'"])
def test_acceptance_that_cannot_be_read_accepts_nothing(home: SealedHome, body: str) -> None:
    """The row of an accepted loss was damaged: the loss is one that nobody accepted."""
    with home.journal() as journal:
        home.append(journal, 6)
    tamper(home, "DELETE FROM audit WHERE seq > 3")
    with home.journal() as journal:
        home.append(journal)
        journal.append(Record.event(None, {"kind": "loss_accepted", "marks": []}, key="seal:loss:99"))
    tamper(home, f"UPDATE audit SET body = CAST({body} AS BLOB) WHERE key = 'seal:loss:99'")
    with home.journal() as journal, journal.transaction() as tx:
        assert unaccepted_losses(tx)


def test_server_without_any_keyring_asks_for_none_again(home: SealedHome) -> None:
    """A machine without one: it began, and the log continues without signatures."""

    def no_keyring(_home: Path) -> HomeItems:
        raise KeyringUnavailable("no keyring that guardian trusts works here")

    with home.journal(has_key=False) as journal:
        journal.use_seal(SealKeeper(journal, items=no_keyring))
        journal.begin_seal()
        assert journal.has_begun_seal
        home.append(journal)
        present(journal.seal).look()
        assert home.verified().last_seq == 1


def test_locked_vault_gives_no_evidence(home: SealedHome) -> None:
    """What it raises is said, and nothing else of the keyring is taken."""

    class Broken(HomeItems):
        def asks_nothing(self) -> bool:
            raise CredentialsError("the vault is locked")

    found = evidence_of(items_of(home, Broken), None, asks_nothing=True)
    assert found.unchecked == ("the vault is locked",)


def test_server_signs_as_the_log_grows(home: SealedHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """`keep_seal` looks again and again, until the server ends."""
    home.seal()
    monkeypatch.setattr(keeping, "LOOK_S", 0.01)
    monkeypatch.setattr("guardian.gate.seal.log_signer.EVERY_ROWS", 1)

    async def serve(journal: Journal) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(keep_seal, journal)
            with anyio.fail_after(20):
                while not journal.has_begun_seal:
                    await anyio.sleep(0.01)
                home.append(journal, 2)
                while signed(home) < 4:
                    await anyio.sleep(0.01)
            group.cancel_scope.cancel()

    with home.journal() as journal:
        anyio.run(serve, journal)


def test_time_that_no_calendar_has_is_shown_as_a_number() -> None:
    """Whoever writes the folder can put any integer in a cell of a time."""
    assert str(2**62) in iso(2**62)
