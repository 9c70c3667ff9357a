"""The root secret of a log and its anchor, as the keyring keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardian.credentials.log.home_items import HomeItems, KeptAnchor
from guardian.credentials.turns import KeyringQueue, Turn
from guardian.errors import CredentialsError, KeyringUnavailable
from tests.support.keyring import MemoryKeyring
from tests.support.present import present

LOG, OTHER = "0123456789abcdef" * 2, "f" * 32
ANCHOR = KeptAnchor(log=LOG, seq=12, digest="ab" * 32)


def items_of(keyring: MemoryKeyring, home: Path) -> HomeItems:
    return HomeItems(keyring, KeyringQueue(3.0, Turn()), home)


def test_root_is_made_once_for_each_log(tmp_path: Path) -> None:
    """A second call returns the same secret; another log has its own."""
    keyring = MemoryKeyring()
    items = items_of(keyring, tmp_path)
    assert items.root(LOG) is None
    made = items.make_root(LOG, lambda count: b"r" * count)
    assert made.key_bytes == b"r" * 32
    assert items.make_root(LOG, lambda count: b"x" * count) == made
    assert items.root(OTHER) is None
    assert set(keyring.items) == {(f"guardian/home/{LOG}", "v1")}
    assert "r" * 32 not in repr(made)


def test_root_remembers_that_its_log_is_sealed(tmp_path: Path) -> None:
    """The mark stays with the secret, which does not change."""
    items = items_of(MemoryKeyring(), tmp_path)
    made = items.make_root(LOG, lambda count: b"r" * count)
    assert not made.is_sealed
    items.mark_sealed(LOG)
    assert present(items.root(LOG)).is_sealed
    assert present(items.root(LOG)).value == made.value
    items.mark_sealed(OTHER)
    assert items.root(OTHER) is None


def test_anchor_belongs_to_the_path_of_the_home(tmp_path: Path) -> None:
    """It is found whatever log is there now, and not from another folder."""
    keyring = MemoryKeyring()
    items = items_of(keyring, tmp_path / "a")
    assert items.anchor() is None
    items.set_anchor(ANCHOR)
    assert items.anchor() == ANCHOR
    assert items_of(keyring, tmp_path / "b").anchor() is None


@pytest.mark.parametrize(
    "value",
    [
        "", "[]", "{}", "nonsense", json.dumps({"v": 2, "log": LOG, "seq": 1, "digest": "ab" * 32}),
        json.dumps({"v": 1, "log": LOG, "seq": True, "digest": "ab" * 32}),
        json.dumps({"v": 1, "log": LOG, "seq": 0, "digest": "ab" * 32}),
        json.dumps({"v": 1, "log": "x", "seq": 1, "digest": "ab" * 32}),
        json.dumps({"v": 1, "log": LOG, "seq": 1, "digest": "ab"}),
        json.dumps({"v": 1, "root": "AAAA", "sealed": True}),
        json.dumps({"v": 1, "root": "A" * 43 + "=", "sealed": 1}),
    ],
)  # fmt: skip
def test_damaged_item_is_not_taken_for_none(tmp_path: Path, value: str) -> None:
    """What guardian did not write is an error that names the item, and no reason to begin again."""
    keyring = MemoryKeyring()
    items = items_of(keyring, tmp_path)
    keyring.items[items.anchor_service, "v1"] = value
    keyring.items[f"guardian/home/{LOG}", "v1"] = value
    with pytest.raises(CredentialsError, match=items.anchor_service):
        items.anchor()
    with pytest.raises(CredentialsError, match=f"guardian/home/{LOG}"):
        items.root(LOG)
    with pytest.raises(CredentialsError):
        items.make_root(LOG, lambda count: b"r" * count)
    assert keyring.items[f"guardian/home/{LOG}", "v1"] == value


class Forgetful(MemoryKeyring):
    """A keyring that keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        self.asked.append("set")


def test_root_that_is_not_kept_is_an_error(tmp_path: Path) -> None:
    """Nothing may be sealed with a secret that is gone tomorrow."""
    items = items_of(Forgetful(), tmp_path)
    with pytest.raises(CredentialsError, match="did not keep it"):
        items.make_root(LOG, lambda count: b"r" * count)


class Silent(MemoryKeyring):
    """A keyring that fails."""

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError("no bus")


def test_keyring_that_fails_is_unavailable(tmp_path: Path) -> None:
    """The reason is guardian's own exception, whatever the backend raises."""
    with pytest.raises(KeyringUnavailable):
        items_of(Silent(), tmp_path).anchor()
