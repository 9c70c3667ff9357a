"""`guardian keys token`: the owner makes and removes the token for HTTP, and sees it once."""

from __future__ import annotations

import json
import os
import re
import stat
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from guardian.cli.app import main
from guardian.cli.keys.command import command
from guardian.credentials import store as credential_store
from guardian.credentials.http_token import HttpToken
from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import Secret
from guardian.errors import OwnerNotPresent
from guardian.home.folder import home_folder
from guardian.store.opening import begin_log
from tests.cli.keys.support.answers import answer_with
from tests.e2e.support.processes import query
from tests.support.keyring import MemoryKeyring

TOKEN_COMMAND = import_module("guardian.cli.keys.token.command")
A_TOKEN = re.compile(r"guardian_[A-Za-z0-9_-]{43}")


class Owner:
    """Someone at a terminal who answers each question with `yes`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = CredentialStore(MemoryKeyring())
        self.yes = True
        self.questions: list[str] = []
        answer_with(monkeypatch, self.store, self.answers, lambda prompt: pytest.fail(prompt))
        monkeypatch.setattr(TOKEN_COMMAND, "open_store", lambda: self.store)
        monkeypatch.setattr(TOKEN_COMMAND, "require_owner", lambda action: None)
        monkeypatch.setattr(TOKEN_COMMAND, "is_terminal", lambda stream: True)
        begin_log(home_folder())

    def answers(self, question: str) -> bool:
        self.questions.append(question)
        return self.yes

    @property
    def token(self) -> HttpToken:
        return self.store.http_token(home_folder())


@pytest.fixture
def owner(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> Owner:
    return Owner(monkeypatch)


def matches(owner: Owner, text: str) -> bool:
    found = owner.token.get()
    assert found is not None
    return found.matches(text)


def test_token_is_shown_once_at_the_terminal(owner: Owner, capsys: pytest.CaptureFixture[str]) -> None:
    """The token alone is data; words say how it is sent. Another one takes its place, from the next start on."""
    assert main(["keys", "token", "create"]) == 0
    first, said = capsys.readouterr()
    assert A_TOKEN.fullmatch(first.strip())
    assert first.strip() not in said
    assert "Authorization: Bearer TOKEN" in said
    assert "restart it" in said
    assert matches(owner, first.strip())
    assert main(["keys", "token", "create"]) == 0
    second = capsys.readouterr().out.strip()
    assert not matches(owner, first.strip())
    assert matches(owner, second)
    assert len(owner.questions) == 2


def test_token_is_in_no_item_and_no_row(owner: Owner, capsys: pytest.CaptureFixture[str]) -> None:
    """The log says that one was made and removed, and nothing of it; the keyring has its digest."""
    assert main(["keys", "token", "create"]) == 0
    text = capsys.readouterr().out.strip()
    assert main(["keys", "token", "remove"]) == 0
    assert owner.token.get() is None
    kinds = [
        json.loads(row["body"])["data"]["kind"] for row in query(home_folder(), "SELECT body FROM audit ORDER BY seq")
    ]
    assert kinds == ["http token created", "http token removed"]
    for path in home_folder().rglob("*"):
        assert not path.is_file() or text.encode() not in path.read_bytes()
    assert main(["keys", "token", "remove"]) == 1
    assert "no token is stored" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["create"], ["create", "--out", "token"], ["remove"]])
def test_no_leaves_all_as_it_was(
    owner: Owner,
    capsys: pytest.CaptureFixture[str],
    own_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    """Nothing is made, removed or written, and the code is that of a no."""
    monkeypatch.chdir(own_home)
    assert main(["keys", "token", "create"]) == 0
    text = capsys.readouterr().out.strip()
    owner.yes = False
    assert main(["keys", "token", *arguments]) == 1
    said = capsys.readouterr()
    assert (said.out, "nothing was changed" in said.err) == ("", True)
    assert matches(owner, text)
    assert not Path("token").exists()


def test_token_goes_to_no_pipe_but_to_a_new_private_file(
    owner: Owner, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pipe is refused before anything is asked; a file that was asked for is the owner's alone and new."""
    monkeypatch.setattr(TOKEN_COMMAND, "is_terminal", lambda stream: False)
    assert main(["keys", "token", "create"]) == 1
    assert "--out FILE" in capsys.readouterr().err
    assert (owner.questions, owner.token.get()) == ([], None)
    file = tmp_path / "token"
    assert main(["keys", "token", "create", "--out", str(file)]) == 0
    said = capsys.readouterr()
    text = file.read_text("ascii").strip()
    assert matches(owner, text)
    assert text not in said.out + said.err
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for place in (file, tmp_path, tmp_path / "no such folder" / "token"):
        assert main(["keys", "token", "create", "--out", str(place)]) != 0
        assert matches(owner, text), "the token before was replaced by one that nobody has"
    assert "no token was made" in capsys.readouterr().err
    assert file.read_text("ascii").strip() == text


def test_link_is_not_written_through(owner: Owner, tmp_path: Path) -> None:
    """A name that leads elsewhere is somebody else's file."""
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    assert main(["keys", "token", "create", "--out", str(link)]) != 0
    assert not target.exists()
    assert owner.token.get() is None


@pytest.mark.parametrize("arguments", [["create"], ["create", "--out", "x"], ["remove"]])
def test_token_needs_a_person(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """Without a terminal none is made or removed, and the keyring is not opened."""

    def opened(**_: object) -> CredentialStore:
        raise AssertionError("the keyring was opened")

    monkeypatch.setattr(credential_store, "open_credentials", opened)
    result = CliRunner().invoke(command, ["token", *arguments], input="y\n")
    assert isinstance(result.exception, OwnerNotPresent)


def test_list_says_that_there_is_a_token_and_not_which(
    owner: Owner, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words and in JSON; a damaged one is said, and the rest is listed all the same."""
    assert main(["keys", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["http_token"] is None
    assert main(["keys", "token", "create"]) == 0
    text = capsys.readouterr().out.strip()
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr()
    assert "a token for this home's servers over HTTP is kept, made 0 h ago" in listed.err
    assert main(["keys", "list", "--json"]) == 0
    document = capsys.readouterr().out
    assert set(json.loads(document)["http_token"]) == {"created"}
    assert text not in listed.out + listed.err + document
    owner.store._items.put(owner.token.service, Secret("{}"))
    assert main(["keys", "list", "--json"]) == 0
    damaged = capsys.readouterr()
    assert "damaged" in damaged.err
    assert json.loads(damaged.out)["http_token"] is None
