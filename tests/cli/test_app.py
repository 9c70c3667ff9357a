"""The command line as a whole: help at once, errors in one manner, exit codes that mean something."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from guardian import __version__
from guardian.cli import app
from guardian.cli.app import COMMANDS, LazyGroup, main
from guardian.errors import (
    CredentialsError,
    ExchangeRejected,
    ExchangeUnavailable,
    GuardianError,
    NoCredentials,
    OutcomeUnknown,
    OwnerNotPresent,
    PolicyInvalid,
    PolicyMistake,
    StoreCorrupt,
    StoreUnavailable,
)
from guardian.store.opening import begin_log

HEAVY = ("fastmcp", "mcp", "binance", "aiohttp", "sqlmodel", "sqlalchemy", "pydantic", "keyring", "cryptography",
         "starlette", "uvicorn", "rich")  # fmt: skip
CANARY = "CANARY-in-a-foreign-exception"

_what_happens: list[BaseException] = []


@click.command("probe")
@click.option("--number", type=int, default=0)
def probe(number: int) -> None:
    """A command that does what the test says."""
    secret_local = CANARY
    assert secret_local
    for event in _what_happens:
        raise event
    click.echo(f"data {number}")


@pytest.fixture
def happens(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """The command `probe`; what is put into the list, it raises."""
    monkeypatch.setitem(COMMANDS, "probe", (f"{__name__}:probe", "a command of the tests"))
    yield _what_happens
    _what_happens.clear()


def run_guardian(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "guardian", *arguments],
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip


def loaded_by(*arguments: str) -> tuple[int, set[str]]:
    """The exit code of a command line, and which of the heavy packages it has imported."""
    code = (
        "import sys, json\nfrom guardian.cli.app import main\n"
        f"code = main({list(arguments)!r})\n"
        f"print(json.dumps([code, [m for m in {HEAVY!r} if m in sys.modules]]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    exit_code, modules = json.loads(done.stderr.splitlines()[-1])
    return exit_code, set(modules)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("--version",)])
def test_group_answers_without_importing_anything_heavy(arguments: tuple[str, ...]) -> None:
    """`guardian`, its help and its version exit 0 and import none of the large packages."""
    assert loaded_by(*arguments) == (0, set())


@pytest.mark.parametrize("name", COMMANDS)
def test_command_help_answers_without_importing_anything_heavy(name: str) -> None:
    """`guardian CMD --help` exits 0 and imports none of the large packages."""
    assert loaded_by(name, "--help") == (0, set())


def test_list_of_what_waits_is_read_without_importing_anything_heavy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`guardian approve` needs no MCP server, no HTTP client, no table class and no SQLAlchemy."""
    begin_log(tmp_path)
    monkeypatch.setenv("GUARDIAN_HOME", str(tmp_path))
    assert loaded_by("approve") == (0, set())
    assert loaded_by("approve", "--json") == (0, set())


def test_question_is_put_without_importing_anything_heavy() -> None:
    """All that shows an order and asks about it imports nothing heavy; what opens the home does so in its thread."""
    code = (
        "import sys\nfrom guardian.cli.orders import asking, waiting_list, watching\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


def test_group_help_imports_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The list of all commands with their short texts comes from the registry alone."""
    code = (
        "import sys\nfrom guardian.cli.app import COMMANDS, main\nmain(['--help'])\n"
        "print([n for n, (where, _) in COMMANDS.items() if where.partition(':')[0] in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr.strip() == "[]"
    for name, (_, short) in COMMANDS.items():
        assert name in done.stdout
        assert short in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_exists(name: str) -> None:
    """Each name in the registry leads to a click command in its own module or folder, named after it."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    assert module.startswith("guardian.cli.")
    assert module.removesuffix(".command").rpartition(".")[2] == name
    assert attribute == "command"
    assert find_spec(module) is not None
    group = app.cli
    assert isinstance(group, LazyGroup)
    assert isinstance(group.get_command(click.Context(group), name), click.Command)


def test_commands_are_those_of_this_release() -> None:
    """The command line has these commands, each with a short text in lower case and without a full stop."""
    assert set(COMMANDS) == {
        "serve", "tour", "init", "audit", "policy", "keys", "approve", "reject", "halt", "resume", "settle", "status",
        "position", "paper", "console", "arm", "disarm", "passkey", "pin", "completion", "help", "version", "doctor",
        "install", "uninstall", "bundle",
    }  # fmt: skip
    for _, short in COMMANDS.values():
        assert short[0].islower()
        assert not short.endswith(".")


def test_version_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the version on standard output."""
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"guardian {__version__}\n", "")


def test_fine_is_zero_and_data_goes_to_stdout(happens: list[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    """A command that is fine exits 0; its data is on standard output and nothing is on standard error."""
    assert main(["probe", "--number", "7"]) == 0
    assert capsys.readouterr() == ("data 7\n", "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OwnerNotPresent("no person"), 1),
        (GuardianError("no"), 1),
        (StoreUnavailable("no disk"), 3),
        (StoreCorrupt("damaged"), 3),
        (CredentialsError("no keyring"), 3),
        (NoCredentials("no key"), 3),
        (ExchangeUnavailable("no network"), 3),
        (OutcomeUnknown("who knows"), 3),
        (click.exceptions.Exit(1), 1),
        (click.ClickException("No."), 1),
        (click.UsageError("Not so."), 2),
        (click.BadParameter("Not that."), 2),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (SystemExit(1), 1),
        (SystemExit(), 0),
        (SystemExit("words"), 1),
        (BrokenPipeError(), 3),  # not of standard output: some other connection broke
        (ZeroDivisionError(), 3),
    ],
)
def test_exit_code_says_what_kind_of_end_it_was(happens: list[BaseException], error: BaseException, code: int) -> None:
    """0 fine, 1 the answer is no, 2 wrong usage, 3 could not tell or a bug, 130 stopped."""
    happens.append(error)
    assert main(["probe"]) == code


def test_error_and_hint_are_two_lines_on_stderr(
    happens: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of guardian's is `guardian: error:` and `guardian: hint:` on stderr; standard output stays empty."""
    happens.append(StoreUnavailable("the disk is full", hint="make room"))
    main(["probe"])
    assert capsys.readouterr() == ("", "guardian: error: the disk is full\nguardian: hint: make room\n")


def test_every_mistake_of_a_policy_has_its_line(
    happens: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """An invalid policy exits 1 and prints each mistake on a line of its own."""
    mistakes = (PolicyMistake("limits.max_orders", "is missing"), PolicyMistake("symbols", "is empty", line=4))
    happens.append(PolicyInvalid(mistakes, hint="mend the file"))
    assert main(["probe"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "guardian: error: the policy has 2 mistakes",
        "  `limits.max_orders`: is missing",
        "  line 4: `symbols`: is empty",
        "guardian: hint: mend the file",
    ]


def test_exchanges_words_are_marked_and_escaped(
    happens: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """Text of the exchange is shown as its own words, with escape sequences made harmless."""
    happens.append(ExchangeRejected(-2010, "no \x1b[2J\u202emoney", http_status=400))
    assert main(["probe"]) == 3
    said = capsys.readouterr().err
    assert "the exchange's own words" in said
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_bug_is_one_line_with_its_place_and_without_its_text(
    happens: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """A foreign exception is reported by kind and place; its text, which may hold anything, is not shown."""
    happens.append(RuntimeError(CANARY))
    assert main(["probe"]) == 3
    said = capsys.readouterr().err
    assert said.startswith("guardian: error: a bug in guardian: `RuntimeError` at `guardian/cli/app.py:")
    assert "guardian: hint: `guardian --debug ...`" in said
    assert CANARY not in said
    assert "Traceback" not in said


def test_debug_shows_the_traceback_without_local_variables(
    happens: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """`--debug` adds the traceback, never with the values of variables."""
    happens.append(RuntimeError("plain words"))
    assert main(["--debug", "probe"]) == 3
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "plain words" in said
    assert CANARY not in said


@pytest.mark.parametrize("arguments", [["frobnicate"], ["--frob"], ["probe", "--number", "x"], ["probe", "extra"]])
def test_wrong_usage_is_two_with_usage_error_and_hint(
    happens: list[BaseException], capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Wrong usage exits 2 and says how it is used, what is wrong in guardian's manner, and where the help is."""
    assert main(arguments) == 2
    out, said = capsys.readouterr()
    usage, error, hint = said.splitlines()
    assert out == ""
    assert usage.startswith("usage: guardian")
    assert error.startswith("guardian: error: ")
    assert error[len("guardian: error: ")].islower()
    assert not error.endswith(".")
    assert hint.startswith("guardian: hint: `guardian")
    assert hint.endswith("--help`")


def test_environment_variables_set_no_option(
    happens: list[BaseException], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable named after an option changes nothing."""
    monkeypatch.setenv("GUARDIAN_PROBE_NUMBER", "9")
    monkeypatch.setenv("GUARDIAN_DEBUG", "1")
    assert main(["probe"]) == 0
    assert capsys.readouterr().out == "data 0\n"
    happens.append(RuntimeError())
    main(["probe"])
    assert "Traceback" not in capsys.readouterr().err


def test_python_dash_m_is_the_same_command() -> None:
    """`python -m guardian` runs the same command line, with its exit codes."""
    assert run_guardian("--version").stdout == f"guardian {__version__}\n"
    wrong = run_guardian("frobnicate")
    assert wrong.returncode == 2
    assert wrong.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end differently there")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_goes_away_is_no_drama(unbuffered: str) -> None:
    """When the reader of the output leaves, guardian stops without a word, whether or not Python buffers."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "guardian", "--help"], stdout=gone, stderr=subprocess.PIPE, timeout=30, check=False,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert done.stderr == b""
    assert done.returncode == 141


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is another one there")
@pytest.mark.parametrize(
    ("way", "code"),
    [
        ("{guardian} --help >&-", 0),
        ("{guardian} frobnicate 2>&-", 2),
        ("{guardian} frobnicate 2>&1 | true; exit ${PIPESTATUS[0]}", 141),
        ("{guardian} --version <&- >&- 2>&-", 0),
    ],
)
def test_stream_that_is_missing_or_has_no_reader_is_no_drama(tmp_path: Path, way: str, code: int) -> None:
    """Without a stream a command does what it does, and its words go nowhere; never is there a traceback.

    Before: a command that was started with `>&-` reported a bug (`AttributeError`).
    """
    line = way.replace("{guardian}", f"{shlex.quote(sys.executable)} -m guardian")
    environment = {**os.environ, "GUARDIAN_HOME": str(tmp_path / "none")}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (code, b"")


def test_letter_that_the_terminal_lacks_does_not_end_the_command() -> None:
    """Where the output's encoding lacks a character, it is shown escaped."""
    code = (
        "from guardian.cli import app\nimport click\n"
        "app.LazyGroup.get_command = lambda *_: click.Command('x', callback=lambda: click.echo('\\u20bf'))\n"
        "raise SystemExit(app.main(['x']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "\\u20bf\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no file here that is always full")
@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("{guardian} --help >/dev/full", "guardian: error: the output could not be written; is the disk full?"),
        ("{guardian} frobnicate 2>/dev/full", ""),
        ("{guardian} --version >/dev/full 2>&1", ""),
    ],
)
def test_output_that_takes_no_more_is_told_and_no_bug(tmp_path: Path, way: str, told: str) -> None:
    """On a full disk a command says so and ends with 3. Before: `a bug in guardian`, and Python's own words."""
    line = way.replace("{guardian}", f"{shlex.quote(sys.executable)} -m guardian")
    environment = {**os.environ, "GUARDIAN_HOME": str(tmp_path / "none")}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr.decode().strip()) == (3, told)
