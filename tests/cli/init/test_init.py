"""`guardian init`: at a terminal it asks three things, and writes nothing before they are answered."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.home.folder import ready_made_policy
from guardian.policy.loading.load import load_policy
from guardian.policy.model import Policy
from tests.e2e.support.processes import Person
from tests.support.terminals import people

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(own_home: Path) -> Path:
    return own_home / "guardian"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A command without a terminal, in this process: its exit code, and what it wrote."""

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def sit_down(own_home: Path) -> Iterator[Callable[..., Person]]:
    """Starts people at terminals; at the end of the test none is left."""

    def person(*arguments: str) -> Person:
        return Person(os.environ, *arguments)

    with people(person) as start:
        yield start


def written(home: Path) -> Policy:
    return load_policy((home / "policy.toml").read_text("utf-8"))


def caps(policy: Policy) -> tuple[Decimal, Decimal]:
    """What an order and a day may cost."""
    (per_order,) = {limits.max_notional for limits in policy.symbols.values()}
    return per_order, max(window.maximum for window in policy.limits.rolling_notional)


@POSIX
def test_three_questions_make_the_policy(home: Path, sit_down: Callable[..., Person]) -> None:
    """Each bad answer is said to be one and asked again; Enter takes the usual; then come the most a day."""
    person = sit_down("init")
    person.waits_for("where [testnet]: ")
    for name in ("paper", "testnet", "read-only"):
        assert f"  {name}" in person.seen
    person.types("mainnet\n")
    person.waits_for("write one of paper, testnet, read-only\r\nwhere [testnet]: ")
    person.types("Paper\n")
    person.waits_for("at most for one order, in USDT [100]: ")
    for answer in ("1e9", "-5", "abc", "NaN", "999999999"):
        person.seen = ""
        person.types(f"{answer}\n")
        person.waits_for("[100]: ")
        assert "digits" in person.seen or "too much" in person.seen
    person.types("40\n")
    person.waits_for("at most in any 24 hours, in USDT [200]: ")
    person.seen = ""
    person.types("39\n")
    person.waits_for("in USDT [200]: ")
    assert "the least is 40" in person.seen
    assert not home.exists()
    person.types("\n")
    code, data = person.leaves()
    assert (code, data) == (0, "")
    policy = written(home)
    assert (policy.environment.value, caps(policy)) == ("paper", (Decimal(40), Decimal(200)))
    assert "at worst it buys for 200 USDT in any 24 hours" in person.seen
    assert "`guardian install claude-desktop`" in person.seen
    assert "keys" not in person.seen.split("made `")[1]


@POSIX
@pytest.mark.parametrize("how", ["ctrl-c", "ctrl-d"])
def test_leaving_in_the_middle_writes_nothing(home: Path, sit_down: Callable[..., Person], how: str) -> None:
    """Ctrl-C and the end of the input leave no home behind."""
    person = sit_down("init", "--from", "testnet")
    person.waits_for("[100]: ")
    if how == "ctrl-c":
        person.receives(signal.SIGINT)
    else:
        person.types("\x04")
    assert person.leaves()[0] == (130 if how == "ctrl-c" else 1)
    assert not home.exists()


@POSIX
def test_replacing_at_a_terminal_shows_what_becomes_looser_and_asks(
    home: Path, run: Run, sit_down: Callable[..., Person]
) -> None:
    """A no leaves the policy as it is; a yes keeps a copy of it."""
    assert run("init", "--per-order", "50", "--per-day", "200")[0] == 0
    before = (home / "policy.toml").read_bytes()
    for answer in ("n", "y"):
        person = sit_down("init", "--replace", "--from", "testnet", "--per-order", "80", "--per-day", "160")
        person.waits_for("[y/N] ")
        assert "looser: `symbols.BTCUSDT.max_notional` goes from 50 to 80" in person.seen
        assert "tighter: `limits.max_daily_loss`" in person.seen
        assert (home / "policy.toml").read_bytes() == before
        person.types(f"{answer}\n")
        assert person.leaves()[0] == (0 if answer == "y" else 1)
        assert len(list(home.glob("policy.toml.*.bak"))) == (answer == "y")
    assert caps(written(home)) == (Decimal(80), Decimal(160))


def test_without_a_terminal_nothing_is_asked(home: Path, run: Run) -> None:
    """As ever: the ready-made policy byte for byte, and the entry as data."""
    code, out, words = run("init")
    assert code == 0
    assert '"mcpServers"' in out
    assert (home / "policy.toml").read_bytes() == ready_made_policy("testnet").read_bytes()
    assert "at worst it buys for 500 USDT in any 24 hours" in words
    assert "one order is at most 100 USDT, of BTCUSDT or ETHUSDT" in words


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--per-order", "50", "--per-day", "200"), (50, 200)),
        (("--per-order", "1000"), (1000, 5000)),
        (("--per-day", "60", "--yes"), (60, 60)),
        (("--from", "paper", "-y", "--per-order", "100"), (100, 500)),
    ],
)
def test_options_say_what_would_be_asked(
    home: Path, run: Run, arguments: tuple[str, ...], expected: tuple[int, int]
) -> None:
    """What only one of them says, the other follows."""
    assert run("init", *arguments)[0] == 0
    assert caps(written(home)) == tuple(map(Decimal, expected))


@pytest.mark.parametrize(
    "arguments",
    [
        ("--per-order", "1e9"), ("--per-order", "-5"), ("--per-day", "nan"), ("--per-order", "60", "--per-day", "50"),
        ("--from", "read-only", "--per-order", "50"), ("--from", "live"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_wrong_usage(home: Path, run: Run, arguments: tuple[str, ...]) -> None:
    """Exit code 2, and nothing is written."""
    code, out, words = run("init", *arguments)
    assert (code, out) == (2, "")
    assert "error:" in words
    assert not home.exists()


def test_second_init_names_the_way_on(home: Path, run: Run) -> None:
    """Nothing is overwritten, and the message says how it would be."""
    run("init")
    before = (home / "policy.toml").read_bytes()
    code, _, words = run("init", "--from", "paper")
    assert code == 1
    assert "is there already; it was left as it is" in words
    assert "`guardian init --replace`" in words
    assert (home / "policy.toml").read_bytes() == before


def test_replace_keeps_a_dated_copy_each_time(home: Path, run: Run) -> None:
    """Also of a policy with mistakes, and also twice in one second."""
    run("init")
    (home / "policy.toml").write_text("broken")
    for _ in range(2):
        code, _, words = run("init", "--from", "paper", "--replace")
        assert code == 0, words
    copies = sorted(home.glob("policy.toml.*.bak"), key=lambda path: path.stat().st_size)
    assert [path.read_bytes() for path in copies] == [b"broken", ready_made_policy("paper").read_bytes()]
    if sys.platform != "win32":
        assert {path.stat().st_mode & 0o777 for path in (*copies, home / "policy.toml")} == {0o600}
    assert "it is in force at the next call" in words
    assert list(home.glob(".*")) == []


def test_read_only_policy_speaks_of_no_key_that_it_does_not_need(home: Path, run: Run) -> None:
    """It buys nothing, and prices need no key."""
    _, _, words = run("init", "--from", "read-only")
    assert "nothing can be bought or sold" in words
    assert "keys add" not in words
    assert "prices need no key" in words


@pytest.mark.skipif(sys.platform == "win32", reason="links are POSIX's here")
def test_policy_that_is_a_link_is_not_replaced(home: Path, run: Run, tmp_path: Path) -> None:
    """Guardian writes through no link, and the file behind it stays."""
    elsewhere = tmp_path / "mine.toml"
    run("init")
    (home / "policy.toml").rename(elsewhere)
    (home / "policy.toml").symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    assert run("init", "--replace", "--from", "paper")[0] != 0
    assert elsewhere.read_bytes() == before


def test_every_key_is_explained_by_a_command(run: Run) -> None:
    """An installed guardian has no checkout beside it."""
    code, out, _ = run("policy", "example")
    assert code == 0
    assert out.splitlines() == (Path(__file__).parents[3] / "policy.example.toml").read_text("utf-8").splitlines()
