"""What is done to keys is in the log, and the keys are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.cli.keys.add import store_key
from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.home.folder import home_folder
from guardian.store.history.call_filter import CallFilter
from guardian.store.history.history import open_history
from tests.cli.keys.support.answers import answer_with


class MemoryBackend:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.items[service, username]


CANARY_KEY, CANARY_SECRET = "canarykey" * 7, "canarysecret" * 5


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> CredentialStore:
    made = CredentialStore(MemoryBackend())
    answers = iter([Secret(CANARY_KEY), Secret(CANARY_SECRET)])
    answer_with(monkeypatch, made, lambda question: True, lambda prompt: next(answers))
    return made


def test_keys_added_and_removed_are_in_the_log_and_no_key_is(store: CredentialStore, own_home: Path) -> None:
    """Adding and removing a key each leave a row with what was done, by whose fingerprint, and without the key."""
    assert main(["keys", "add", "testnet", "--kind", "hmac"]) == 0
    assert store.get(Environment.TESTNET, KeyFamily.SPOT) is not None
    assert main(["keys", "remove", "testnet"]) == 0
    with open_history(home_folder()) as log:
        lines = log.newest(CallFilter()).lines
    assert [line.detail for line in lines] == ["key added", "key removed"]
    for path in own_home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert CANARY_KEY.encode() not in content
            assert CANARY_SECRET.encode() not in content


def test_a_key_is_stored_also_where_the_log_cannot_take_the_row(
    store: CredentialStore, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was done is done; that the log does not have it is said."""
    own_home.joinpath("guardian").write_text("a file where the folder should be")
    stored = store_key(
        store, (Environment.DEMO, KeyFamily.SPOT), KeyKind.HMAC, Secret(CANARY_KEY), Secret(CANARY_SECRET)
    )
    assert stored.environment == "demo"
    assert main(["keys", "remove", "demo"]) == 0
    assert "not in the log" in capsys.readouterr().err
