"""`guardian keys check` and `rotate`, with an exchange that verifies each signature in place of the testnet's."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.cli.keys.account import trial
from guardian.cli.keys.account.trial import try_key
from guardian.cli.keys.add import store_key
from guardian.cli.keys.reading.signing_keys import signing_key_of
from guardian.credentials.rotation_stage import RotationStage
from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import ApiKeyPair, KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.home.folder import home_folder
from guardian.paper.host.standalone import PaperServer
from guardian.paper.keys import HmacVerifier, verifier_of
from guardian.store.history.call_filter import CallFilter
from guardian.store.history.history import open_history
from tests.cli.keys.support.answers import answer_with
from tests.cli.keys.test_keys import Person, at_a_terminal
from tests.e2e.support.testnet_in_a_box import divert
from tests.support.keyring import FileKeyring, MemoryKeyring
from tests.support.live_play import LivePlay, live_play
from tests.support.present import present
from tests.support.private_keys import ed25519_key, private_pem, public_half, rsa_key
from tests.support.terminals import people

SPOT = ("testnet", KeyFamily.SPOT)
SLOT = (Environment.TESTNET, KeyFamily.SPOT)
PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----\n.*?-----END PUBLIC KEY-----\n", re.DOTALL)
NEW_KEY = "N" * 64


class Desk:
    """A person at their desk: the keyring, the exchange, and what they answer to each question in turn."""

    def __init__(self, paper: PaperServer, capsys: pytest.CaptureFixture[str]) -> None:
        self.paper = paper
        self.store = CredentialStore(MemoryKeyring())
        self.yes: Callable[[str], bool] = lambda question: True
        self.registers = NEW_KEY
        """The API key that Binance's page shows for the public key that is pasted there."""
        self._capsys = capsys
        self.out = self.err = ""

    def types(self, prompt: str) -> Secret:
        """Registers the public key that is on the screen, and copies the API key from the page."""
        self.read_screen()
        public = PUBLIC.findall(self.out)[-1]
        self.paper.venue.keys[self.registers] = verifier_of(public.encode())  # type: ignore[index]  # a dict there
        return Secret(self.registers)

    def read_screen(self) -> str:
        out, err = self._capsys.readouterr()
        self.out, self.err = self.out + out, self.err + err
        return self.err

    def runs(self, *arguments: str) -> int:
        """Returns the exit code; the screen is empty before."""
        self.out = self.err = ""
        code = main(["keys", *arguments])
        self.read_screen()
        return code

    def deletes(self, api_key: str) -> None:
        """Deletes a key on Binance's page."""
        del self.paper.venue.keys[api_key]  # type: ignore[attr-defined]  # a dict there

    @property
    def stage(self) -> RotationStage:
        return self.store.rotation(*SPOT).stage()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_home: Path) -> Iterator[Desk]:
    """With an HMAC key of the testnet in the keyring, which works."""
    with PaperServer() as paper:
        divert(monkeypatch, paper.url)
        made = Desk(paper, capsys)
        store_key(made.store, SLOT, KeyKind.HMAC, paper.api_key, paper.api_secret)
        answer_with(monkeypatch, made.store, lambda question: made.yes(question), lambda prompt: made.types(prompt))
        yield made
        assert paper.troubles == []


def in_use(desk: Desk) -> str:
    return present(desk.store.get(*SPOT)).api_key.reveal()


# check


@pytest.mark.parametrize("kind", KeyKind)
def test_check_asks_the_exchange_with_a_key_of_each_kind(desk: Desk, kind: KeyKind) -> None:
    """HMAC, Ed25519 and RSA: the exchange verifies the signature, and its answer names the account."""
    if kind is not KeyKind.HMAC:
        key = ed25519_key() if kind is KeyKind.ED25519 else rsa_key()
        desk.paper.venue.keys[NEW_KEY] = verifier_of(public_half(key))  # type: ignore[index]  # a dict there
        signing = signing_key_of(key)
        store_key(desk.store, SLOT, signing.kind, Secret(NEW_KEY), signing.value)
    assert desk.runs("check", "testnet", "--json") == 0
    (row,) = json.loads(desk.out)["keys"]
    assert (row["works"], row["safe"], row["account"]) == (True, None, f"uid-{desk.paper.venue.uid}")
    assert row["problems"] == []


@pytest.mark.parametrize("family", ["spot", "futures"])
def test_check_says_why_a_key_does_not_work(desk: Desk, family: str) -> None:
    """A key that the exchange does not know, and one whose secret is another, are exit 1 with the exchange's words."""
    options = ("--family", family)
    slot = (Environment.TESTNET, KeyFamily(family))
    store_key(desk.store, slot, KeyKind.HMAC, desk.paper.api_key, Secret("x" * 64))
    assert desk.runs("check", "testnet", *options) == 1
    assert "-1022" in desk.err
    store_key(desk.store, slot, KeyKind.HMAC, Secret("y" * 64), Secret("x" * 64))
    assert desk.runs("check", "testnet", *options) == 1
    assert ("-2008" if family == "spot" else "-2015") in desk.err
    assert "x" * 10 not in desk.out + desk.err


def test_check_without_a_name_checks_all_and_one_that_fails_is_a_no(desk: Desk) -> None:
    """Each stored key has its row; the answer is no where any does not work."""
    assert desk.runs("check") == 0
    store_key(desk.store, (Environment.TESTNET, KeyFamily.FUTURES), KeyKind.HMAC, Secret("y" * 64), Secret("x" * 64))
    assert desk.runs("check", "--json") == 1
    assert [row["works"] for row in json.loads(desk.out)["keys"]] == [True, False]


def test_check_of_an_exchange_that_is_down_could_not_tell(desk: Desk) -> None:
    """No answer about the key is exit 3, not a key that does not work."""
    desk.paper.controls.fault("GET", "/api/v3/account", "html_502", times=9)
    assert desk.runs("check", "testnet", "--json") == 3
    (row,) = json.loads(desk.out)["keys"]
    assert row["works"] is None
    desk.paper.controls.clear_faults()


def test_check_of_a_damaged_item_is_a_no_and_asks_nothing(desk: Desk) -> None:
    """What is not a key is not sent anywhere."""
    keyring = desk.store._backend
    assert isinstance(keyring, MemoryKeyring)
    keyring.items["guardian/binance/testnet", "v1"] = "{}"
    assert desk.runs("check", "testnet") == 1
    assert "damaged" in desk.err


def test_check_of_nothing_is_a_no(desk: Desk) -> None:
    """Where no key is stored there is nothing that works."""
    assert desk.runs("check", "live") == 1
    assert "`guardian keys add live`" in desk.err


def test_check_of_live_reads_the_permissions_of_the_key(tmp_path: Path) -> None:
    """On `live` a key that works may be unsafe all the same; each reason is said."""
    with live_play(tmp_path) as play:
        answer = try_key(play.pair, network=play.network)
        assert (answer.works, answer.problems) == (True, ())
        play.controls.set_permissions(enableWithdrawals=True, ipRestrict=False)
        answer = try_key(play.pair, network=play.network)
        assert answer.works
        assert any("withdraw" in problem for problem in answer.problems)
        assert any("address" in warning for warning in answer.warnings)


class LiveDesk(Desk):
    """At a play of `live`, whose key is in `file`."""

    def __init__(self, play: LivePlay, capsys: pytest.CaptureFixture[str], file: Path) -> None:
        super().__init__(play.paper, capsys)
        self.play = play
        self.file = file

    def adds(self) -> int:
        return self.runs("add", "live", "--from", str(self.file))


@pytest.fixture
def live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_home: Path
) -> Iterator[LiveDesk]:
    with live_play(tmp_path) as play:
        monkeypatch.setattr(trial, "try_key", functools.partial(trial.try_key, network=play.network))
        pair = play.pair
        text = f"BINANCE_API_KEY={pair.api_key.reveal()}\nBINANCE_API_SECRET={pair.signing_key.reveal()}\n"
        (tmp_path / "live.env").write_text(text)
        made = LiveDesk(play, capsys, tmp_path / "live.env")
        answer_with(monkeypatch, made.store, lambda question: True, made.types)
        yield made


def permission_rows() -> list[str]:
    with open_history(home_folder()) as log:
        return [
            line.detail or "" for line in log.newest(CallFilter()).lines if "key_permissions" in (line.detail or "")
        ]


def test_key_of_live_is_stored_once_its_permissions_were_read(live: LiveDesk) -> None:
    """A safe key is stored, its warnings are said, and the answer is a row of the log."""
    live.play.controls.set_permissions(ipRestrict=False)
    assert live.adds() == 0
    assert "warning: the key works from every address" in live.err
    assert present(live.store.get("live", KeyFamily.SPOT)) == live.play.pair
    assert len(permission_rows()) == 1


@pytest.mark.parametrize(
    "permission",
    ["enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer", "enableMargin", "enableNew"],
)
def test_key_of_live_that_is_not_safe_is_not_stored(live: LiveDesk, permission: str) -> None:
    """Each permission that moves money, is not in the policy or is not known refuses the key, with its name."""
    live.play.controls.set_permissions(**{permission: True})
    assert live.adds() == 1
    assert f"`{permission}` is on" in live.err
    assert "the key was not stored" in live.err
    assert live.store.get("live", KeyFamily.SPOT) is None
    assert len(permission_rows()) == 1


def test_key_of_live_that_the_exchange_refuses_is_not_stored(live: LiveDesk) -> None:
    """A key that does not sign is found out before it is stored."""
    live.file.write_text(f"{live.play.pair.api_key.reveal()}\n{'x' * 64}\n")
    assert live.adds() == 1
    assert "-1022" in live.err
    assert live.store.get("live", KeyFamily.SPOT) is None


# rotate


def test_key_is_replaced_once_the_new_one_has_worked(desk: Desk, own_home: Path) -> None:
    """The new pair is made, registered, tried and put in place; the old one is dropped once Binance refuses it."""
    old = in_use(desk)

    def yes(question: str) -> bool:
        assert question == "is it deleted there?"
        assert (in_use(desk), desk.stage) == (NEW_KEY, RotationStage.OLD_REMAINS)
        desk.deletes(old)
        return True

    desk.yes = yes
    assert desk.runs("rotate", "testnet") == 0
    assert desk.stage is RotationStage.NONE
    assert present(desk.store.get(*SPOT)).kind is KeyKind.ED25519
    assert f"`{old[:4]}****{old[-4:]}`" in desk.err
    assert "refuses the old key" in desk.err
    assert desk.runs("check", "testnet") == 0
    with open_history(home_folder()) as log:
        assert [line.detail for line in log.newest(CallFilter()).lines] == ["key rotated"]


def test_new_key_that_does_not_work_changes_nothing(desk: Desk) -> None:
    """The stored key stays in use; the new one waits, and the next run tries it again."""
    old = in_use(desk)
    mistyped = "M" * 64
    desk.registers, whole = mistyped, desk.types

    def types(prompt: str) -> Secret:
        value = whole(prompt)
        verifier = desk.paper.venue.keys[mistyped]
        desk.deletes(mistyped)  # not active yet
        desk.later = verifier  # type: ignore[attr-defined]  # for below
        return value

    desk.types = types
    assert desk.runs("rotate", "testnet") == 1
    assert "the new key is not used" in desk.err
    assert (in_use(desk), desk.stage) == (old, RotationStage.NOT_TRIED)
    assert desk.runs("list") == 0
    assert "waits to be tried" in desk.err
    desk.paper.venue.keys[mistyped] = desk.later  # type: ignore[index, attr-defined]  # a dict there
    desk.yes = lambda question: False
    assert desk.runs("rotate", "testnet") == 0
    assert "was not tried yet" in desk.err
    assert (in_use(desk), desk.stage) == (mistyped, RotationStage.OLD_REMAINS)


def test_exchange_that_is_down_leaves_the_new_key_waiting(desk: Desk) -> None:
    """Not tried is not used: exit 3, and the next run continues."""
    old = in_use(desk)
    desk.paper.controls.fault("GET", "/api/v3/account", "html_502", times=9)
    assert desk.runs("rotate", "testnet") == 3
    assert (in_use(desk), desk.stage) == (old, RotationStage.NOT_TRIED)
    desk.paper.controls.clear_faults()
    desk.yes = lambda question: False
    assert desk.runs("rotate", "testnet") == 0
    assert in_use(desk) == NEW_KEY


def test_key_of_another_account_does_not_take_the_place(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders and budgets belong to an account; the person is told to add such a key instead."""
    old = in_use(desk)
    accounts = iter(["uid-1", "uid-2"])

    async def account_name(self: object) -> str:
        return next(accounts)

    monkeypatch.setattr("guardian.exchange.exchange.Exchange.account_name", account_name)
    assert desk.runs("rotate", "testnet") == 1
    assert "of another account" in desk.err
    assert (in_use(desk), desk.stage) == (old, RotationStage.NOT_TRIED)


def test_api_key_in_use_is_not_taken_for_the_new_one(desk: Desk) -> None:
    """Whoever pastes the API key that is stored already has not registered the new one."""
    old = in_use(desk)
    verifier = desk.paper.venue.keys[old]
    desk.registers = old
    assert desk.runs("rotate", "testnet") == 3
    assert "the API key that is in use" in desk.err
    desk.paper.venue.keys[old] = verifier  # type: ignore[index]  # a dict there
    assert (in_use(desk), desk.stage) == (old, RotationStage.WAITS_FOR_API_KEY)


def test_old_key_that_still_works_is_kept(desk: Desk) -> None:
    """What the person says is deleted is tried; while the exchange takes it, it stays in the keyring."""
    old = in_use(desk)
    assert desk.runs("rotate", "testnet") == 1
    assert "still takes the old key" in desk.err
    assert present(desk.store.rotation(*SPOT).old()).pair.api_key == Secret(old)
    desk.deletes(old)
    assert desk.runs("rotate", "testnet") == 0
    assert desk.stage is RotationStage.NONE


def test_swap_that_was_interrupted_is_finished_without_a_question(desk: Desk) -> None:
    """Old and new are both there: the new one had worked, so it takes its place now."""
    rotation = desk.store.rotation(*SPOT)
    old = present(rotation.current())
    desk.paper.venue.keys[NEW_KEY] = HmacVerifier(Secret("s" * 64))  # type: ignore[index]  # a dict there
    new = ApiKeyPair(
        environment="testnet", family=KeyFamily.SPOT, kind=KeyKind.HMAC,
        api_key=Secret(NEW_KEY), signing_key=Secret("s" * 64),
    )  # fmt: skip
    rotation.offer(new)
    keyring = desk.store._backend
    assert isinstance(keyring, MemoryKeyring)
    keyring.items["guardian/binance/testnet/old", "v1"] = keyring.items.pop(("guardian/binance/testnet", "v1"))
    assert present(desk.store.get(*SPOT)) == old.pair  # macOS removes before it adds; the old one still works
    desk.yes = lambda question: False
    assert desk.runs("rotate", "testnet") == 0
    assert "was interrupted" in desk.err
    assert in_use(desk) == NEW_KEY


def test_nothing_is_rotated_where_nothing_is_stored(desk: Desk) -> None:
    """The first key is added, not rotated."""
    assert desk.runs("rotate", "demo") == 1
    assert "`guardian keys add demo`" in desk.err


def test_pair_from_a_file_is_rotated_in_and_its_lines_are_named(desk: Desk, tmp_path: Path) -> None:
    """A key that is somewhere in the open already comes in the same way, and the file says where it still is."""
    desk.paper.venue.keys[NEW_KEY] = verifier_of(public_half(rsa_key()))  # type: ignore[index]  # a dict there
    file = tmp_path / ".env"
    file.write_text(f"BINANCE_API_KEY={NEW_KEY}\nBINANCE_PRIVATE_KEY='{private_pem(rsa_key())}'\n")
    desk.yes = lambda question: False
    assert desk.runs("rotate", "testnet", "--from", str(file)) == 0
    assert (in_use(desk), present(desk.store.get(*SPOT)).kind) == (NEW_KEY, KeyKind.RSA)
    assert f"`{file}`: line 1 (`BINANCE_API_KEY`), lines 2 to " in desk.err
    assert NEW_KEY not in desk.out + desk.err


def spoiled(desk: Desk, suffix: str) -> None:
    """Has an item beside the key that nobody can read."""
    keyring = desk.store._backend
    assert isinstance(keyring, MemoryKeyring)
    keyring.items[f"guardian/binance/testnet{suffix}", "v1"] = "{}"


def test_damaged_new_key_is_named_and_removed_without_touching_the_one_in_use(desk: Desk) -> None:
    """It stops neither the list nor the key in use; the hint leads out."""
    old = in_use(desk)
    spoiled(desk, "/next")
    assert desk.runs("list") == 0
    assert "`guardian/binance/testnet/next` in the keyring is damaged" in desk.err
    assert desk.runs("rotate", "testnet") == 3
    assert "`guardian keys remove testnet --waiting`" in desk.err
    assert desk.runs("remove", "testnet", "--waiting") == 0
    assert (in_use(desk), desk.stage) == (old, RotationStage.NONE)


def test_damaged_old_key_is_removed_after_a_yes(desk: Desk) -> None:
    """What cannot be read cannot be tried."""
    spoiled(desk, "/old")
    desk.yes = lambda question: False
    assert desk.runs("rotate", "testnet") == 0
    assert desk.stage is RotationStage.OLD_REMAINS
    desk.yes = lambda question: True
    assert desk.runs("rotate", "testnet") == 0
    assert desk.store.rotation(*SPOT).old() is None


def test_new_key_is_not_removed_half_way_in_its_place(desk: Desk) -> None:
    """Without it there might be no key that works."""
    rotation = desk.store.rotation(*SPOT)
    rotation.offer(
        ApiKeyPair(
            environment="testnet", family=KeyFamily.SPOT, kind=KeyKind.HMAC,
            api_key=Secret(NEW_KEY), signing_key=Secret("s" * 64),
        )
    )  # fmt: skip
    spoiled(desk, "/old")
    assert desk.runs("remove", "testnet", "--waiting") == 1
    assert desk.stage is RotationStage.SWAPPING


# Killed, as real processes.


@at_a_terminal
def test_rotation_is_killed_at_each_question_and_continues(tmp_path: Path) -> None:
    """After `kill -9` at a question, the keyring has one working key; the next run says where it is and ends it."""
    keyring = tmp_path / "keyring"
    store = CredentialStore(FileKeyring(keyring))

    def works(paper: PaperServer) -> str:
        pair = present(store.get(*SPOT))
        assert pair.api_key.reveal() in paper.venue.keys
        return pair.api_key.reveal()

    with PaperServer() as paper, people(Person) as start:
        old = paper.api_key.reveal()
        store_key(store, SLOT, KeyKind.HMAC, paper.api_key, paper.api_secret)

        def rotate() -> Person:
            return start("keys", "rotate", "testnet", keyring=keyring, exchange=paper.url)

        person = rotate()
        person.waits_for("API key that Binance shows for it (not shown): ")
        public = PUBLIC.findall(person.is_killed())[-1]
        assert works(paper) == old

        paper.venue.keys[NEW_KEY] = verifier_of(public.encode())  # type: ignore[index]  # a dict there
        person = rotate()
        person.waits_for("waits for its API key; continue with it? [y/N] ")
        person.types("y\n")
        person.waits_for("(not shown): ")
        person.types(NEW_KEY + "\n")
        person.waits_for("is it deleted there? [y/N] ")
        person.is_killed()
        assert works(paper) == NEW_KEY

        del paper.venue.keys[old]  # type: ignore[attr-defined]  # a dict there
        person = rotate()
        person.waits_for("is it deleted there? [y/N] ")
        assert "an earlier run has replaced the key" in person.seen
        person.types("y\n")
        code, items, _ = person.leaves()
        assert (code, list(items)) == (0, ["guardian/binance/testnet"])
        assert works(paper) == NEW_KEY
