"""Where the owner's PIN is demanded, it is demanded of each change of a key as well."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.credentials.owner_items import OwnerItems
from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import KeyFamily, Secret
from guardian.home.folder import home_folder, ready_made_policy
from guardian.store.history.call_filter import CallFilter
from guardian.store.history.history import open_history
from guardian.store.opening import begin_log
from tests.cli.keys.support.answers import answer_with
from tests.support.keyring import MemoryKeyring
from tests.support.present import present

PIN = "a pin of 24680"


class Owner:
    """Someone who has set a PIN; `pin` is what they type when they are asked for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = CredentialStore(MemoryKeyring())
        self.pin = PIN
        self.letter = "a"
        self.prompts: list[str] = []
        answer_with(monkeypatch, self.store, lambda question: True, self.types)
        changing = import_module("guardian.cli.owner.changing")
        items = OwnerItems(self.store._backend, self.store._queue, home="")
        monkeypatch.setattr(changing, "open_owner_items", lambda home: items)
        monkeypatch.setattr(changing, "ask_yes", lambda question: True)
        monkeypatch.setattr(changing, "ask_secret", lambda prompt: Secret(PIN))
        monkeypatch.setattr("guardian.cli.owner.pin.require_owner", lambda action: None)
        begin_log(home_folder())
        assert main(["pin", "set"]) == 0
        policy = ready_made_policy("testnet").read_text("utf-8")
        assert "[confirmation]\n" in policy
        file = home_folder() / "policy.toml"
        file.write_text(policy.replace("[confirmation]\n", '[confirmation]\nproof = "pin"\n'), "utf-8")
        file.chmod(0o600)

    def types(self, prompt: str) -> Secret:
        self.prompts.append(prompt)
        if "PIN" in prompt:
            return Secret(self.pin)
        self.letter = chr(ord(self.letter) + 1)
        return Secret(self.letter * 64)


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> Owner:
    return Owner(monkeypatch)


def test_key_is_added_and_removed_with_the_pin(owner: Owner) -> None:
    """The PIN is requested once the key is known, with its fingerprint in the question."""
    assert main(["keys", "add", "testnet", "--kind", "hmac"]) == 0
    pair = present(owner.store.get("testnet", KeyFamily.SPOT))
    assert pair.fingerprint in owner.prompts[-1]
    assert main(["keys", "remove", "testnet"]) == 0
    assert owner.store.get("testnet", KeyFamily.SPOT) is None


@pytest.mark.parametrize("pin", ["a pin of 13579", ""])
def test_key_is_neither_added_nor_removed_with_another_pin(owner: Owner, pin: str) -> None:
    """A wrong PIN, or none, changes nothing."""
    assert main(["keys", "add", "testnet", "--kind", "hmac"]) == 0
    stored = owner.store.get("testnet", KeyFamily.SPOT)
    owner.pin = pin
    assert main(["keys", "add", "testnet", "--kind", "hmac"]) == 1
    assert main(["keys", "remove", "testnet"]) == 1
    assert owner.store.get("testnet", KeyFamily.SPOT) == stored
    if pin:
        with open_history(home_folder()) as log:
            assert "proof_refused" in [line.detail for line in log.newest(CallFilter()).lines]


def test_log_that_cannot_be_read_opens_nothing_where_a_home_guards_the_keys(owner: Owner) -> None:
    """Whether a PIN is demanded is not known then; that the keys are guarded is, from the keyring."""
    assert main(["keys", "add", "testnet", "--kind", "hmac"]) == 0
    stored = owner.store.get("testnet", KeyFamily.SPOT)
    (home_folder() / "guardian.db").write_bytes(b"no log at all " * 400)
    assert main(["keys", "add", "testnet", "--kind", "hmac"]) == 3
    assert main(["keys", "remove", "testnet"]) == 3
    assert owner.store.get("testnet", KeyFamily.SPOT) == stored


@pytest.mark.parametrize("is_new", [True, False])
def test_keys_that_a_home_guards_are_not_changed_from_another(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_new: bool
) -> None:
    """A home that any program can make demands no PIN; the keyring knows whose keys they are."""
    assert main(["keys", "add", "testnet", "--kind", "hmac"]) == 0
    stored = owner.store.get("testnet", KeyFamily.SPOT)
    monkeypatch.setenv("GUARDIAN_HOME", str(tmp_path / "another"))
    if not is_new:
        begin_log(tmp_path / "another")
    assert main(["keys", "add", "testnet", "--kind", "hmac"]) == 3
    assert main(["keys", "remove", "testnet"]) == 3
    assert owner.store.get("testnet", KeyFamily.SPOT) == stored
