"""Commands whose words go nowhere: a halt is written before anything is said, and no way of losing words is a bug."""

from __future__ import annotations

import io
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from guardian.cli.app import main
from guardian.home.folder import HOME_VARIABLE
from guardian.store.opening import begin_log

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="streams are lost in other ways there")

REASON: Final = "été ₿"
COMMANDS: Final = (["halt", "--reason", REASON], ["status"], ["status", "--json"], ["resume"], ["approve", "ABCD"],
                   ["reject", "ABCD"])  # fmt: skip


def _writing_to(descriptor: int, encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(os.fdopen(descriptor, "wb"), encoding=encoding)


def _broken_pipe() -> io.TextIOWrapper:
    reading, writing = os.pipe()
    os.close(reading)
    return _writing_to(writing)


WAYS: Final[dict[str, Callable[[], io.TextIOWrapper | None]]] = {
    "closed": lambda: None,
    "a pipe without a reader": _broken_pipe,
    "a full disk": lambda: _writing_to(os.open("/dev/full", os.O_WRONLY)),
    "ASCII alone": lambda: _writing_to(os.open(os.devnull, os.O_WRONLY), "ascii"),
}
CODES: Final = {"a pipe without a reader": 141, "a full disk": 3}
"""What ends a command that has something to say; of the other ways it ends as it would."""


@contextmanager
def streams(monkeypatch: pytest.MonkeyPatch, way: str) -> Iterator[None]:
    with monkeypatch.context() as patched:
        for name in ("stdin", "stdout", "stderr"):
            patched.setattr(sys, name, None if name == "stdin" else WAYS[way]())
        yield
        for name in ("stdin", "stdout", "stderr"):
            getattr(sys, name).close()  # raises nothing: what could not be written was put to rest


def control(home: Path) -> tuple[str, str | None]:
    with closing(sqlite3.connect(home / "guardian.db")) as connection:
        found: tuple[str, str | None] = connection.execute("SELECT state, reason FROM control").fetchone()
        return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "home"
    begin_log(place)
    monkeypatch.setenv(HOME_VARIABLE, str(place))
    return place


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no file here that is always full")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_lost_words_are_no_bug_and_change_nothing_that_is_done(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], way: str
) -> None:
    """The exit code says what happened; after `halt` trading is halted with its reason, after the others it is not."""
    usual = 0 if command[0] == "halt" else main(command)
    with streams(monkeypatch, way):
        code = main(command)
    assert code == CODES.get(way, usual)
    if command[0] == "halt":
        assert control(home) == ("halted", REASON)
    else:
        assert control(home)[0] == "active"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{guardian} halt --reason {reason} >&- 2>&- <&-", 0),
        ("{guardian} halt --reason {reason} 2>&1 >&- | true; exit ${PIPESTATUS[0]}", 141),
        ("PYTHONIOENCODING=ascii {guardian} halt --reason {reason} 2>/dev/full", 3),
    ],
)
def test_halt_of_a_process_that_nobody_hears(home: Path, line: str, code: int) -> None:
    """As a program or a person whose terminal was closed starts it."""
    line = line.replace("{guardian}", f"{shlex.quote(sys.executable)} -m guardian").replace("{reason}", f"'{REASON}'")
    environment = {**os.environ, HOME_VARIABLE: str(home)}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (code, b"")
    assert control(home) == ("halted", REASON)
