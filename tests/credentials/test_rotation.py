"""A pair is replaced by another with one working pair at every moment, whatever interrupts it and wherever."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from guardian.credentials import key_checks
from guardian.credentials.item_format import KeptKey, WaitingKey
from guardian.credentials.rotation_stage import RotationStage
from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.errors import CredentialsError
from tests.credentials.test_credential_store import ED25519_KEY, pair, rsa_key
from tests.support.keyring import MemoryKeyring
from tests.support.present import present

OLD = pair()
NEW = pair(kind=KeyKind.ED25519, api_key=Secret("N" * 64), signing_key=Secret(ED25519_KEY))
NEW_RSA = pair(kind=KeyKind.RSA, api_key=Secret("R" * 64), signing_key=rsa_key())
PLACE = ("testnet", KeyFamily.SPOT)


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


class FragileKeyring(MemoryKeyring):
    """Its process is killed after a number of changes. As on macOS, setting an item is removing and adding it."""

    def __init__(self, items: dict[tuple[str, str], str], changes: int) -> None:
        super().__init__()
        self.items = items
        self._left = changes

    def set_password(self, service: str, username: str, password: str) -> None:
        if (service, username) in self.items:
            self._change(lambda: self.items.pop((service, username)))
        self._change(lambda: self.items.update({(service, username): password}))

    def delete_password(self, service: str, username: str) -> None:
        self._change(lambda: self.items.pop((service, username)))

    def _change(self, change: Callable[[], object]) -> None:
        if self._left == 0:
            raise Killed
        self._left -= 1
        change()


def store_on(items: dict[tuple[str, str], str], changes: int = -1) -> CredentialStore:
    """A process that opens the keyring, and is killed after that number of changes (-1: never)."""
    store = CredentialStore(FragileKeyring(items, changes))
    # The queue turns whatever a backend raises into an error; a killed process catches nothing.
    store._items._queue.call = lambda action, **_: action()
    return store


def carry_on(store: CredentialStore, new: ApiKeyPair) -> None:
    """What `guardian keys rotate` does with the keyring, from whatever stage an earlier run has left."""
    rotation = store.rotation(*PLACE)
    stage = rotation.stage()
    if stage is RotationStage.NONE and store.get(*PLACE) != new:
        rotation.begin(new.kind, new.signing_key)
        stage = rotation.stage()
    if stage is RotationStage.WAITS_FOR_API_KEY:
        rotation.offer(new)
        stage = rotation.stage()
    if stage in {RotationStage.NOT_TRIED, RotationStage.SWAPPING}:
        rotation.swap(keep_old=True)
    if rotation.stage() is RotationStage.OLD_REMAINS:
        rotation.forget_old()


def changes_of_a_whole_rotation(new: ApiKeyPair) -> int:
    items: dict[tuple[str, str], str] = {}
    store_on(items).put(OLD)
    for changes in range(100):
        copy = dict(items)
        try:
            carry_on(store_on(copy, changes), new)
        except Killed:
            continue
        return changes
    raise AssertionError("it does not end")


@pytest.fixture
def rsa_keys_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An RSA key that was found sound is not checked again at each reading: that takes longer than all else."""
    monkeypatch.setattr(key_checks, "_check_rsa", cache(key_checks._check_rsa))


@pytest.mark.usefixtures("rsa_keys_are_checked_once")
@pytest.mark.parametrize("new", [NEW, NEW_RSA], ids=["ed25519", "rsa"])
def test_rotation_that_is_killed_at_any_change_leaves_a_working_key_and_continues(new: ApiKeyPair) -> None:
    """After each change, also of a second run, a reader gets the old pair or the new one; the next run ends it."""
    steps = changes_of_a_whole_rotation(new)
    assert steps == 8  # as many as on macOS, where setting is removing and adding
    for first in range(steps):
        for second in range(steps - first):
            items: dict[tuple[str, str], str] = {}
            store_on(items).put(OLD)
            for changes in (first, second):
                with pytest.raises(Killed):
                    carry_on(store_on(items, changes), new)
                found = store_on(items).get(*PLACE)
                assert found in {OLD, new}, (first, second)
                # The old one is given up only once the new one is in its place.
                if found != new:
                    assert any(name.endswith(("testnet", "/old")) for name, _ in items)
            carry_on(store_on(items), new)
            assert store_on(items).get(*PLACE) == new
            assert [name for name, _ in items] == ["guardian/binance/testnet"]


def test_stages_follow_from_what_is_there() -> None:
    """Each step is one item more or less, and the stage is read from the items alone."""
    store = CredentialStore(MemoryKeyring())
    store.put(OLD)
    rotation = store.rotation(*PLACE)
    assert rotation.stage() is RotationStage.NONE
    rotation.begin(NEW.kind, NEW.signing_key)
    assert rotation.stage() is RotationStage.WAITS_FOR_API_KEY
    waiting = rotation.new()
    assert isinstance(waiting, WaitingKey)
    assert (waiting.kind, waiting.signing_key) == (NEW.kind, NEW.signing_key)
    rotation.offer(NEW)
    assert rotation.stage() is RotationStage.NOT_TRIED
    assert store.get(*PLACE) == OLD
    swapped = rotation.swap(keep_old=True)
    assert (swapped.pair, rotation.stage()) == (NEW, RotationStage.OLD_REMAINS)
    assert (store.get(*PLACE), present(rotation.old()).pair) == (NEW, OLD)
    assert rotation.forget_old()
    assert rotation.stage() is RotationStage.NONE
    assert not rotation.forget()


def test_first_pair_is_put_in_its_place_without_an_old_one() -> None:
    """Where none was stored, the new one takes the place and nothing else is left."""
    keyring = MemoryKeyring()
    rotation = CredentialStore(keyring).rotation(*PLACE)
    rotation.offer(NEW)
    rotation.swap(keep_old=True)
    assert [name for name, _ in keyring.items] == ["guardian/binance/testnet"]


def test_nothing_is_swapped_where_no_new_pair_is_there() -> None:
    """A private key without its API key does not take the place of a pair that works."""
    store = CredentialStore(MemoryKeyring())
    store.put(OLD)
    rotation = store.rotation(*PLACE)
    for is_waiting in (False, True):
        if is_waiting:
            rotation.begin(NEW.kind, NEW.signing_key)
        with pytest.raises(CredentialsError, match="no new pair waits"):
            rotation.swap(keep_old=True)
        assert store.get(*PLACE) == OLD


def test_waiting_key_is_never_taken_for_a_pair() -> None:
    """A private key that waits for its API key, at the place of a pair, is an error."""
    keyring = MemoryKeyring()
    store = CredentialStore(keyring)
    store.rotation(*PLACE).begin(NEW.kind, NEW.signing_key)
    assert store.get(*PLACE) is None
    keyring.items["guardian/binance/testnet", "v1"] = keyring.items.pop(("guardian/binance/testnet/next", "v1"))
    with pytest.raises(CredentialsError, match="damaged"):
        store.get(*PLACE)


@pytest.mark.parametrize("act", ["put", "remove"])
def test_storing_or_removing_ends_a_rotation(act: str) -> None:
    """After a pair was added or removed by itself, no new and no old one is left."""
    keyring = MemoryKeyring()
    store = CredentialStore(keyring)
    store.put(OLD)
    rotation = store.rotation(*PLACE)
    rotation.offer(NEW)
    rotation.swap(keep_old=True)
    rotation.begin(NEW.kind, NEW.signing_key)
    if act == "put":
        store.put(NEW_RSA)
        assert [name for name, _ in keyring.items] == ["guardian/binance/testnet"]
    else:
        assert store.remove(*PLACE) is True
        assert keyring.items == {}


@pytest.mark.parametrize(
    "change", [{"environment": "demo"}, {"family": KeyFamily.FUTURES}, {"api_key": Secret("short")}]
)
def test_pair_of_another_place_or_form_is_not_kept(change: dict[str, Any]) -> None:
    """Nothing is written for a pair that does not belong there."""
    keyring = MemoryKeyring()
    rotation = CredentialStore(keyring).rotation(*PLACE)
    with pytest.raises(CredentialsError):
        rotation.offer(pair(**change))
    assert "set" not in keyring.asked


def test_new_pair_of_another_environment_is_not_used() -> None:
    """An item that was copied from another environment's place is an error."""
    keyring = MemoryKeyring()
    store = CredentialStore(keyring)
    store.rotation("demo", KeyFamily.SPOT).offer(pair("demo"))
    keyring.items["guardian/binance/testnet/next", "v1"] = keyring.items["guardian/binance/demo/next", "v1"]
    with pytest.raises(CredentialsError, match="another environment"):
        store.rotation(*PLACE).new()


def test_pair_in_use_is_read_although_the_new_one_is_there() -> None:
    """A reader gets the pair in use, not the one that was not tried."""
    store = CredentialStore(MemoryKeyring())
    store.put(OLD)
    store.rotation(*PLACE).offer(NEW)
    assert store.get(*PLACE) == OLD
    assert isinstance(store.rotation(*PLACE).new(), KeptKey)
    assert len(store.list()) == 1
