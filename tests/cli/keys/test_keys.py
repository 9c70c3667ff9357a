"""`guardian keys`: pairs go into the keyring through a person's hands, and their secrets are shown nowhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import PrivateFormat, load_pem_public_key

from guardian.cli.app import main
from guardian.cli.keys.add import store_key
from guardian.cli.keys.command import command
from guardian.credentials import store as credential_store
from guardian.credentials.store import CredentialStore
from guardian.domain.secrets import KeyFamily, KeyKind, Secret
from guardian.domain.trading import Environment
from guardian.errors import KeyringUnavailable, OwnerNotPresent
from tests.support import prefork
from tests.support.keyring import MemoryKeyring
from tests.support.private_keys import PASSPHRASE, SEED, ed25519_key, private_pem, public_half, rsa_key
from tests.support.terminals import people

API_KEY = "CANARYkey0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
API_SECRET = "CANARYsecret6789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> CredentialStore:
    """The store that the commands open."""
    opened = CredentialStore(MemoryKeyring())
    monkeypatch.setattr(credential_store, "open_credentials", lambda **_: opened)
    return opened


def put(store: CredentialStore, environment: Environment = Environment.TESTNET) -> None:
    store_key(store, (environment, KeyFamily.SPOT), KeyKind.HMAC, Secret(API_KEY), Secret(API_SECRET))


# The commands, without a person.


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "testnet"],
        ["add", "live", "--kind", "hmac"],
        ["remove", "demo"],
        ["add", "testnet", "--from", __file__],
        ["add", "testnet", "--paste"],
        ["rotate", "testnet"],
        ["remove", "testnet", "--waiting"],
    ],
)
def test_changing_keys_needs_a_person(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Without a terminal nothing is added or removed, whatever is piped in, and the keyring is not even opened."""

    def opened(**_: object) -> CredentialStore:
        raise AssertionError("the keyring was opened")

    monkeypatch.setattr(credential_store, "open_credentials", opened)
    result = CliRunner().invoke(command, arguments, input=f"y\n{API_KEY}\n{API_SECRET}\n")
    assert isinstance(result.exception, OwnerNotPresent)
    monkeypatch.setattr("sys.stdin", None)
    assert main(["keys", *arguments]) == 1
    assert "no person is at a terminal" in capsys.readouterr().err
    sys.stdin.close()  # what `main` put in the place of the missing one


def test_paper_needs_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    """`keys add paper` says that there is nothing to add, and that is fine."""
    assert main(["keys", "add", "paper"]) == 0
    assert "`paper` needs no key" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["add"],
        ["add", "prod"],
        ["add", "live", "--family", "futures"],
        ["remove", "demo", "--family", "futures"],
        ["remove", "paper"],
        ["add", "testnet", "--kind", "dsa"],
        ["add", "testnet", "--kind", "hmac", "--paste"],
        ["add", "testnet", "--from", __file__, "--paste"],
        ["add", "testnet", "--from", __file__, "--stdin"],
        ["add", "testnet", "--from", "/nowhere/at/all"],
        ["rotate", "paper"],
        ["rotate", "live", "--family", "futures"],
        ["check", "paper"],
        ["check", "demo", "--family", "futures"],
        ["add", "testnet", API_KEY],
        ["add", "testnet", "--api-key", "x"],
    ],
)
def test_wrong_usage_is_two(arguments: list[str]) -> None:
    """Unknown environments, families, kinds and files are wrong usage, and so is a key as an argument."""
    assert main(["keys", *arguments]) == 2


def test_list_without_keys_says_how_to_add_one(store: CredentialStore, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty keyring is fine, gives no data, and leads to the command that adds a key."""
    assert main(["keys", "list"]) == 0
    assert capsys.readouterr() == ("", "no key is stored\nguardian: hint: `guardian keys add testnet`\n")


def test_list_shows_masks_and_no_secrets(store: CredentialStore, capsys: pytest.CaptureFixture[str]) -> None:
    """The table has one line a key with its mask and its fingerprint; the JSON has the same."""
    put(store)
    put(store, Environment.LIVE)
    assert main(["keys", "list"]) == 0
    out, said = capsys.readouterr()
    head, first, second = out.splitlines()
    assert head.split() == ["environment", "family", "kind", "key", "fingerprint", "item", "stored", "age"]
    assert first.split()[:4] == ["testnet", "spot", "hmac", "CANA****QRST"]
    assert first.split()[5] == "guardian/binance/testnet"
    assert first.endswith("0 h")
    assert second.startswith("live")
    assert "tests.support.keyring.MemoryKeyring" in said

    assert main(["keys", "list", "--json"]) == 0
    listed, _ = capsys.readouterr()
    document = json.loads(listed)
    assert [key["environment"] for key in document["keys"]] == ["testnet", "live"]
    assert set(document["keys"][0]) == {
        "environment", "family", "kind", "fingerprint", "masked_key", "item", "created"
    }  # fmt: skip
    assert document["rotations"] == []
    assert document["keys"][0]["fingerprint"] == store.list()[0].fingerprint
    for secret in (API_KEY, API_SECRET):
        assert secret not in out + said + listed


def test_keyring_that_cannot_be_asked_is_could_not_tell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A locked keyring is exit 3 with a hint, not an empty list."""

    def locked(*, home: Path, timeout_s: float) -> CredentialStore:
        assert timeout_s == 60
        raise KeyringUnavailable("the keyring is locked", hint="unlock it")

    monkeypatch.setattr(credential_store, "open_credentials", locked)
    assert main(["keys", "list", "--json"]) == 3
    assert capsys.readouterr() == ("", "guardian: error: the keyring is locked\nguardian: hint: unlock it\n")


def test_core_adds_and_removes(store: CredentialStore) -> None:
    """The functions behind the commands store, describe and remove one pair."""
    put(store)
    assert [key.environment for key in store.list()] == ["testnet"]
    assert store.remove("testnet", KeyFamily.SPOT) is True
    assert store.remove("testnet", KeyFamily.SPOT) is False


# The commands, with a person at a real pseudo-terminal.

PROGRAM = """
import fcntl, hashlib, json, sys, termios
fcntl.ioctl(2, termios.TIOCSCTTY, 0)  # so that Ctrl-C and /dev/tty work as in a terminal window
sys.path.insert(0, {here!r})
from guardian.credentials import store as credential_store
from pathlib import Path
from tests.cli.keys.test_keys import put
from tests.support.keyring import FileKeyring, MemoryKeyring
from guardian.cli.app import main
keyring = FileKeyring(Path({keyring!r})) if {keyring!r} else MemoryKeyring()
store = credential_store.CredentialStore(keyring)
if {full!r}:
    put(store)
if not {system!r}:
    credential_store.open_credentials = lambda **_: store
if {exchange!r}:
    from tests.e2e.support.testnet_in_a_box import divert
    class ForGood:
        setattr = staticmethod(setattr)
    divert(ForGood, {exchange!r})
else:
    from guardian.cli.keys.account import trial
    from guardian.errors import ExchangeUnavailable
    def unreachable(pair):
        raise ExchangeUnavailable("there is no network in this test")
    trial.try_key = unreachable
code = main(sys.argv[1:])
sys.stdout.flush()
items = {{place[0]: json.loads(value) for place, value in keyring.items.items()}}
for item in items.values():
    for half in ("api_key", "signing_key"):
        item[half] = hashlib.sha256(item[half].encode()).hexdigest()
print("@@" + json.dumps([code, items]))
"""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Person:
    """Someone at a terminal window who runs one `guardian` command; standard output goes to a pipe, as with `| cat`.

    With `full` the testnet's key is stored already; `keyring` is a file to keep the items in; `exchange` is the address
    of a paper exchange that answers in place of the testnet's; `piped` goes to standard input in place of the keyboard;
    with `system` the keys are in the keyring of the system.
    """

    def __init__(
        self,
        *arguments: str,
        full: bool = False,
        keyring: Path | None = None,
        exchange: str | None = None,
        piped: bytes | None = None,
        system: bool = False,
    ) -> None:
        import pty

        self._master, slave = pty.openpty()
        program = PROGRAM.format(
            here=str(Path(__file__).parents[3]),
            full=full,
            keyring=None if keyring is None else str(keyring),
            exchange=exchange,
            system=system,
        )
        stdin = slave
        if piped is not None:
            stdin, feed = os.pipe()
            os.write(feed, piped)
            os.close(feed)
        self._process = prefork.popen(
            [sys.executable, "-c", program, *arguments],
            stdin=stdin, stderr=slave, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        if stdin != slave:
            os.close(stdin)
        self.seen = ""
        self._out = ""

    def waits_for(self, text: str) -> None:
        """Read the screen until `text` is on it for the first time since the last wait."""
        start = len(self.seen)
        deadline = time.monotonic() + 20
        while text not in self.seen[start:]:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            more = self._read() if ready else ""
            assert more, f"{text!r} never came; on the screen: {self.seen!r}"
            self.seen += more

    def types(self, text: str) -> None:
        os.write(self._master, text.encode())

    def printed(self, pattern: re.Pattern[str]) -> str:
        """Waits for a text on standard output, and returns it."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + 20
        while not (found := pattern.findall(self._out)):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            more = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            assert more, f"{pattern.pattern} never came; on standard output: {self._out!r}"
            self._out += more.decode()
        return str(found[-1])

    def leaves(self) -> tuple[int, dict[str, dict[str, str]], str]:
        """The exit code, the keyring's items with both halves as digests, and what went to standard output."""
        out, _ = self._process.communicate(timeout=20)
        while chunk := self._read():
            self.seen += chunk
        data, _, report = (self._out + out.decode()).rpartition("@@")
        code, items = json.loads(report)
        return code, items, data

    def is_killed(self) -> str:
        """Ends it as `kill -9` does, and returns what went to standard output until then."""
        self._process.kill()
        out, _ = self._process.communicate(timeout=20)
        return self._out + str(out.decode())

    def is_gone(self) -> None:
        """Whatever happened, nothing is left of it."""
        self._process.kill()
        self._process.communicate()
        os.close(self._master)

    def _read(self) -> str:
        try:
            return os.read(self._master, 65536).decode()
        except OSError:  # how Linux tells that the other side was closed
            return ""


at_a_terminal = pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal module there")


@pytest.fixture
def sit_down() -> Iterator[Callable[..., Person]]:
    """Starts people at terminals; at the end of the test none is left."""
    with people(Person) as start:
        yield start


@at_a_terminal
def test_person_adds_an_hmac_key(sit_down: Callable[..., Person]) -> None:
    """Both halves are requested without being shown, and what was stored is described with a mask."""
    person = sit_down("keys", "add", "testnet", "--kind", "hmac")
    person.waits_for("API key (not shown): ")
    person.types(API_KEY + "\n")
    person.waits_for("API secret (not shown): ")
    person.types(API_SECRET + "\n")
    code, items, out = person.leaves()
    assert code == 0
    item = items["guardian/binance/testnet"]
    assert (item["kind"], item["api_key"], item["signing_key"]) == ("hmac", digest(API_KEY), digest(API_SECRET))
    assert "CANA****QRST" in out
    assert "never withdrawals" in person.seen
    assert "CANARY" not in person.seen + out


@at_a_terminal
def test_person_adds_an_ed25519_key_whose_secret_they_never_see(sit_down: Callable[..., Person]) -> None:
    """The public half is data on standard output; the private half that was stored belongs to it and is not shown."""
    person = sit_down("keys", "add", "testnet", "--family", "futures")
    person.waits_for("API key that Binance shows for it (not shown): ")
    person.types(API_KEY + "\n")
    code, items, out = person.leaves()
    assert code == 0
    assert list(items) == ["guardian/binance/testnet/futures"]
    item = items["guardian/binance/testnet/futures"]
    assert (item["kind"], item["family"], item["api_key"]) == ("ed25519", "futures", digest(API_KEY))
    pem = re.search(r"-----BEGIN PUBLIC KEY-----\n.*\n-----END PUBLIC KEY-----\n", out)
    assert pem is not None
    assert isinstance(load_pem_public_key(pem.group().encode()), ed25519.Ed25519PublicKey)
    assert "PRIVATE" not in out + person.seen
    assert "CANARY" not in out + person.seen


@at_a_terminal
def test_person_brings_a_key_of_their_own(sit_down: Callable[..., Person], tmp_path: Path) -> None:
    """A PEM with Windows line ends is stored as its raw key; guardian says that the file is not needed any more."""
    file = tmp_path / "key.pem"
    file.write_bytes(private_pem(ed25519_key()).replace("\n", "\r\n").encode())
    person = sit_down("keys", "add", "live", "--from", str(file))
    person.waits_for("(not shown): ")
    person.types(API_KEY + "\n")
    code, items, out = person.leaves()
    assert code == 0
    raw = base64.b64encode(SEED).decode()
    assert items["guardian/binance/live"]["signing_key"] == digest(raw)
    assert public_half(ed25519_key()).decode() in out
    assert "what the key may do could not be read: there is no network in this test" in person.seen
    assert "does not need" in person.seen
    assert raw not in out + person.seen


@at_a_terminal
def test_person_pipes_a_file_in_and_answers_at_the_terminal(sit_down: Callable[..., Person]) -> None:
    """With `--stdin` the key comes from a pipe; the questions are still put to the person, at the terminal itself."""
    person = sit_down("keys", "add", "testnet", "--stdin", full=True, piped=private_pem(ed25519_key()).encode())
    person.waits_for("replace it? [y/N] ")
    person.types("y\n")
    person.waits_for("API key that Binance shows for it (not shown): ")
    person.types(API_KEY + "\n")
    code, items, out = person.leaves()
    assert code == 0
    item = items["guardian/binance/testnet"]
    assert (item["kind"], item["api_key"]) == ("ed25519", digest(API_KEY))
    assert public_half(ed25519_key()).decode() in out
    assert "CANARY" not in person.seen + out


@at_a_terminal
def test_whole_pair_in_a_pipe_needs_no_question(sit_down: Callable[..., Person]) -> None:
    """A `.env` from a pipe is stored as it is; which of its lines are to be deleted is said."""
    env = f"BINANCE_API_KEY={API_KEY}\nBINANCE_API_SECRET={API_SECRET}\n"
    person = sit_down("keys", "add", "demo", "--stdin", piped=env.encode())
    code, items, out = person.leaves()
    assert code == 0
    item = items["guardian/binance/demo"]
    assert (item["kind"], item["signing_key"]) == ("hmac", digest(API_SECRET))
    assert "line 1 (`BINANCE_API_KEY`), line 2 (`BINANCE_API_SECRET`)" in person.seen
    assert "CANARY" not in (person.seen + out).replace("CANA****QRST", "")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no session without a terminal there")
def test_pipe_without_a_person_is_refused(tmp_path: Path) -> None:
    """A program that pipes a key in, in a session without a terminal, stores nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "guardian", "keys", "add", "testnet", "--stdin"],
        input=private_pem(ed25519_key()), capture_output=True, text=True, timeout=60, start_new_session=True,
        env={"GUARDIAN_HOME": str(tmp_path), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no person is at a terminal" in done.stderr


@at_a_terminal
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_person_pastes_an_rsa_key(sit_down: Callable[..., Person], passphrase: str | None) -> None:
    """A PEM of many lines is pasted without being shown, and its passphrase is asked for in the same way."""
    pem = private_pem(rsa_key(), PrivateFormat.TraditionalOpenSSL, passphrase)
    person = sit_down("keys", "add", "testnet", "--kind", "rsa")
    person.waits_for("(not shown): ")
    for line in pem.splitlines():
        person.types(line + "\n")
    if passphrase is not None:
        person.waits_for("passphrase of the private key (not shown): ")
        person.types(passphrase + "\n")
    person.waits_for("API key that Binance shows for it (not shown): ")
    person.types(API_KEY + "\n")
    code, items, out = person.leaves()
    assert code == 0
    assert items["guardian/binance/testnet"]["kind"] == "rsa"
    assert public_half(rsa_key()).decode() in out
    assert not [line for line in pem.splitlines() if line and line in person.seen + out]
    assert PASSPHRASE not in person.seen + out


@at_a_terminal
@pytest.mark.parametrize(("pasted", "said"), [("hello\n", "it is not a private key"), ("\n", "no answer")])
def test_what_is_pasted_and_no_key_is_named(sit_down: Callable[..., Person], pasted: str, said: str) -> None:
    """One line that is no key ends the question, and so does an empty one."""
    person = sit_down("keys", "add", "testnet", "--paste")
    person.waits_for("(not shown): ")
    person.types(pasted)
    code, items, _ = person.leaves()
    assert (code != 0, items) == (True, {})
    assert said in person.seen or "nothing in it" in person.seen


@at_a_terminal
def test_key_of_another_kind_than_was_said_is_not_stored(sit_down: Callable[..., Person], tmp_path: Path) -> None:
    """`--kind rsa` with an Ed25519 key is a mistake somewhere."""
    file = tmp_path / "key.pem"
    file.write_text(private_pem(ed25519_key()))
    person = sit_down("keys", "add", "testnet", "--kind", "rsa", "--from", str(file))
    code, items, _ = person.leaves()
    assert (code, items) == (3, {})
    assert "a key of kind `ed25519`, not `rsa`" in person.seen


@at_a_terminal
@pytest.mark.parametrize("options", [("--kind", "hmac"), ("--from",)])
def test_ctrl_c_leaves_nothing(sit_down: Callable[..., Person], options: tuple[str, ...], tmp_path: Path) -> None:
    """Whoever stops at the question has stored nothing, and the exit code says that it was stopped."""
    if options == ("--from",):
        (tmp_path / "key.pem").write_text(private_pem(ed25519_key()))
        options = ("--from", str(tmp_path / "key.pem"))
    person = sit_down("keys", "add", "testnet", *options)
    person.waits_for("(not shown): ")
    person.types("\x03")
    code, items, _ = person.leaves()
    assert (code, items) == (130, {})
    assert "guardian: stopped" in person.seen
    assert "Traceback" not in person.seen


@at_a_terminal
@pytest.mark.parametrize("end", ["ctrl-c", "kill -9"])
def test_key_pair_made_here_waits_for_its_api_key(sit_down: Callable[..., Person], end: str, tmp_path: Path) -> None:
    """Whoever goes to Binance's page and comes back another day continues with the same key pair."""
    keyring = tmp_path / "keyring"
    person = sit_down("keys", "add", "testnet", keyring=keyring)
    person.waits_for("(not shown): ")
    if end == "ctrl-c":
        person.types("\x03")
        code, items, out = person.leaves()
        assert (code, list(items)) == (130, ["guardian/binance/testnet/next"])
    else:
        out = person.is_killed()
    shown = re.findall(r"-----BEGIN PUBLIC KEY-----\n.*\n-----END PUBLIC KEY-----\n", out)
    person = sit_down("keys", "add", "testnet", keyring=keyring)
    person.waits_for("waits for its API key; continue with it? [y/N] ")
    person.types("y\n")
    person.waits_for("(not shown): ")
    person.types(API_KEY + "\n")
    code, items, out = person.leaves()
    assert code == 0
    assert shown[0] in out
    assert list(items) == ["guardian/binance/testnet"]
    assert items["guardian/binance/testnet"]["api_key"] == digest(API_KEY)


@at_a_terminal
def test_waiting_key_pair_is_given_up_for_a_new_one(sit_down: Callable[..., Person], tmp_path: Path) -> None:
    """A no makes another key pair, and `remove --waiting` leaves none."""
    keyring = tmp_path / "keyring"
    shown = []
    for answer in (None, "n\n"):
        person = sit_down("keys", "add", "testnet", keyring=keyring)
        if answer is not None:
            person.waits_for("continue with it? [y/N] ")
            person.types(answer)
        person.waits_for("(not shown): ")
        shown.append(person.is_killed())
    assert shown[0] != shown[1]
    person = sit_down("keys", "remove", "testnet", "--waiting", keyring=keyring)
    person.waits_for("[y/N] ")
    person.types("y\n")
    code, items, _ = person.leaves()
    assert (code, items) == (0, {})


@at_a_terminal
def test_slip_at_the_question_is_asked_again_and_three_are_the_end(sit_down: Callable[..., Person]) -> None:
    """A key that cannot be one is requested again, without being shown; the third failure ends the command."""
    person = sit_down("keys", "add", "testnet", "--kind", "hmac")
    for typed in ("${BINANCE_API_KEY_CANARY}", "CANARYshort", ""):
        person.waits_for("API key (not shown): ")
        person.types(typed + "\n")
    code, items, _ = person.leaves()
    assert (code, items) == (3, {})
    assert "placeholder" in person.seen
    assert "does not look like one" in person.seen
    assert "CANARY" not in person.seen


@at_a_terminal
def test_slip_then_the_right_key_is_stored(sit_down: Callable[..., Person]) -> None:
    """After a slip the same generated key is kept: what was registered at Binance is not for nothing."""
    person = sit_down("keys", "add", "testnet")
    person.waits_for("(not shown): ")
    person.types("short\n")
    person.waits_for("(not shown): ")
    person.types(API_KEY + "\n")
    code, items, out = person.leaves()
    assert code == 0
    assert items["guardian/binance/testnet"]["api_key"] == digest(API_KEY)
    assert out.count("BEGIN PUBLIC KEY") == 1


@at_a_terminal
def test_stored_key_is_replaced_only_after_a_yes(sit_down: Callable[..., Person]) -> None:
    """A key that is there already is kept unless the person says yes, before anything else is requested."""
    person = sit_down("keys", "add", "testnet", "--kind", "hmac", full=True)
    person.waits_for("replace it? [y/N] ")
    person.types("\n")
    code, items, _ = person.leaves()
    assert code == 1
    assert items["guardian/binance/testnet"]["api_key"] == digest(API_KEY)
    assert "nothing was changed" in person.seen

    person = sit_down("keys", "add", "testnet", "--kind", "hmac", full=True)
    person.waits_for("replace it? [y/N] ")
    person.types("yes\n")
    person.waits_for("API key (not shown): ")
    person.types("B" * 64 + "\n")
    person.waits_for("API secret (not shown): ")
    person.types("C" * 64 + "\n")
    code, items, _ = person.leaves()
    assert code == 0
    assert items["guardian/binance/testnet"]["api_key"] == digest("B" * 64)


@at_a_terminal
def test_person_removes_a_key_after_a_yes(sit_down: Callable[..., Person]) -> None:
    """Removing asks first, then says that the key is still valid at Binance."""
    person = sit_down("keys", "remove", "testnet", full=True)
    person.waits_for("remove the `testnet` spot key from the keyring? [y/N] ")
    person.types("n\n")
    code, items, _ = person.leaves()
    assert (code, len(items)) == (1, 1)

    person = sit_down("keys", "remove", "testnet", full=True)
    person.waits_for("[y/N] ")
    person.types("y\n")
    code, items, _ = person.leaves()
    assert (code, items) == (0, {})
    assert "still valid at Binance" in person.seen


@at_a_terminal
def test_answer_typed_before_the_question_is_no_answer(sit_down: Callable[..., Person]) -> None:
    """A yes that was in the keyboard's buffer before the question was shown does not count."""
    person = sit_down("keys", "remove", "testnet", full=True)
    person.types("y\n")
    person.waits_for("[y/N] ")
    person.types("n\n")
    code, items, _ = person.leaves()
    assert (code, len(items)) == (1, 1)


@at_a_terminal
def test_removing_what_is_not_there_is_a_no(sit_down: Callable[..., Person]) -> None:
    """There is nothing to remove: exit 1, and the person gets a message."""
    person = sit_down("keys", "remove", "live")
    person.waits_for("[y/N] ")
    person.types("y\n")
    code, items, _ = person.leaves()
    assert (code, items) == (1, {})
    assert "no `live` key is stored" in person.seen
