"""keyring's backends of macOS and Windows over the interfaces of these systems as documented.

Neither system was tried: keyring's own code runs here over a fake of the system's interface, with the limits that its
documents state. The contract of the credential store is the one that a real Secret Service passes.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator

import pytest

from guardian.credentials import backends
from guardian.credentials.item_format import MAX_VALUE_BYTES
from guardian.credentials.rotation_stage import RotationStage
from guardian.credentials.store import CredentialStore, open_credentials
from guardian.domain.secrets import KeyFamily, KeyKind, Secret
from guardian.errors import CredentialsError, KeyringUnavailable
from tests.credentials.support.system_apis import MOST_BLOB_BYTES, CredentialManager, Keychain
from tests.credentials.test_credential_store import (
    CANARY_KEY,
    CANARY_SECRET,
    everything_said,
    pair,
    rsa_key,
    test_demo_and_live_have_one_pair_for_both_families,
    test_ed25519_pair_comes_back,
    test_list_shows_neither_key_nor_secret,
    test_putting_again_replaces,
    test_remove_says_whether_there_was_a_key,
    test_rsa_pair_comes_back_and_is_one_item_of_each_system,
    test_stored_pair_comes_back_at_its_own_place_and_nowhere_else,
)
from tests.credentials.test_keyring_backends import NO_VAULT
from tests.credentials.test_rotation import PLACE, Killed, carry_on

__all__ = [
    "test_demo_and_live_have_one_pair_for_both_families",
    "test_ed25519_pair_comes_back",
    "test_list_shows_neither_key_nor_secret",
    "test_putting_again_replaces",
    "test_remove_says_whether_there_was_a_key",
    "test_rsa_pair_comes_back_and_is_one_item_of_each_system",
    "test_stored_pair_comes_back_at_its_own_place_and_nowhere_else",
]

System = CredentialManager | Keychain
NAMES = {"win32": "keyring.backends.Windows.WinVaultKeyring", "darwin": "keyring.backends.macOS.Keyring"}


@pytest.fixture(params=["win32", "darwin"])
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def system(platform: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """The interface of a system, under keyring's own backend, which is imported afresh over it."""
    if sys.platform == platform:
        pytest.skip("would reach the user's own keyring")
    fake: System = CredentialManager() if platform == "win32" else Keychain()
    package = NAMES[platform].rpartition(".")[0]
    before = {name: module for name, module in sys.modules.items() if name.startswith(package)}
    for name in before:
        del sys.modules[name]
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("platform.system", lambda: {"win32": "Windows", "darwin": "Darwin"}[platform])
    monkeypatch.setattr(backends, "sys", types.SimpleNamespace(platform=platform))
    yield fake
    for name in [name for name in sys.modules if name.startswith(package)]:
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def store(system: System, platform: str) -> CredentialStore:
    opened = open_credentials(home=NO_VAULT, timeout_s=5)
    assert opened.backend_name == NAMES[platform]
    return opened


def test_longest_pairs_fit_the_items_of_windows(store: CredentialStore, system: System) -> None:
    """An RSA key of 4096 bits and a long API key are under the limit that the system itself has."""
    assert MAX_VALUE_BYTES == MOST_BLOB_BYTES
    store.put(pair(kind=KeyKind.RSA, api_key=Secret("a" * 256), signing_key=rsa_key(4096)))
    (value,) = system.values().values()
    assert MOST_BLOB_BYTES // 2 < len(value.encode("utf-16-le")) <= MOST_BLOB_BYTES


def test_pair_that_the_system_would_refuse_does_not_reach_it(store: CredentialStore, system: System) -> None:
    """The limit of the one system holds on the other too, before anything is changed."""
    with pytest.raises(CredentialsError, match="too long"):
        store.put(pair(api_key=Secret("\\" * 512), signing_key=Secret('"' * 512)))
    assert system.values() == {}


def test_replaced_key_is_in_no_other_item(store: CredentialStore, system: System) -> None:
    """keyring moves what is there to `username@service` on Windows; guardian's items stay one for each pair."""
    store.put(pair())
    store.put(pair(api_key=Secret("B" * 64), signing_key=Secret("C" * 64)))
    assert list(system.values()) == ["guardian/binance/testnet"]
    assert CANARY_SECRET not in str(system.values())
    assert store.remove(*PLACE)
    assert system.values() == {}


def test_secret_of_another_program_under_the_same_name_is_not_taken(
    store: CredentialStore, system: System, platform: str
) -> None:
    """A credential of another user under guardian's service is not read as a key, and stays."""
    foreign = "another program's"
    if isinstance(system, CredentialManager):
        credential = {"Type": 1, "TargetName": "guardian/binance/demo", "UserName": "them", "CredentialBlob": foreign}
        system.write(credential, 0)
    else:
        system.set(None, "guardian/binance/demo", "them", foreign)
    assert store.get("demo", KeyFamily.SPOT) is None
    assert not store.remove("demo", KeyFamily.SPOT)
    assert foreign in system.values().values()


def test_secrets_stay_on_this_machine(store: CredentialStore, system: System) -> None:
    """On Windows each item is kept for this machine and does not roam with the user's profile."""
    store.put(pair())
    if isinstance(system, CredentialManager):
        assert [one["Persist"] for one in system.kept.values()] == [2]


@pytest.mark.parametrize("platform", ["darwin"], indirect=True)
@pytest.mark.parametrize("status", [-128, -25293, -25308])
def test_keychain_that_refuses_is_an_error_without_the_secret(
    store: CredentialStore, system: System, status: int
) -> None:
    """Denied, not signed, nobody to ask: each is KeyringUnavailable, for reading and for storing."""
    assert isinstance(system, Keychain)
    system.status = status
    with pytest.raises(KeyringUnavailable) as caught:
        store.put(pair())
    assert CANARY_KEY not in everything_said(caught.value)
    with pytest.raises(KeyringUnavailable):
        store.get("testnet", KeyFamily.SPOT)


@pytest.mark.parametrize("platform", ["win32"], indirect=True)
def test_credential_manager_that_fails_is_an_error_without_the_secret(store: CredentialStore, system: System) -> None:
    """A number of Windows that says nothing is KeyringUnavailable, with the name of the exception alone."""

    def fails() -> None:
        raise OSError("no space")

    system.before_change = fails
    with pytest.raises(KeyringUnavailable, match="OSError") as caught:
        store.put(pair())
    assert CANARY_KEY not in everything_said(caught.value)


def test_rotation_that_is_killed_leaves_a_working_key_on_each_system(store: CredentialStore, system: System) -> None:
    """On macOS a set removes before it adds; whichever change is the last, the old pair or the new one is read."""
    new = pair(kind=KeyKind.RSA, api_key=Secret("N" * 64), signing_key=rsa_key())
    store.put(pair())
    store._items._queue.call = lambda action, **_: action()  # a killed process catches nothing
    for last in range(20):
        left = iter(range(last))

        def change(left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Killed

        kept = dict(system.kept)
        system.before_change = change
        try:
            carry_on(store, new)
        except Killed:
            assert store.get(*PLACE) in {pair(), new}
        else:
            break
        system.kept = kept
    assert store.get(*PLACE) == new
    assert store.rotation(*PLACE).stage() is RotationStage.NONE
    assert list(system.values()) == ["guardian/binance/testnet"]
    assert json.loads(next(iter(system.values().values())))["kind"] == "rsa"
