"""A list that is longer than the terminal is shown in a person's pager, and nowhere else."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from guardian.store.schema.records import Phase, Record
from tests.e2e.support.processes import Person
from tests.store.support.store_world import World
from tests.support.terminals import people

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")

EVENTS: Final = 1_500
"""More than a pipe holds, so that writing to a pager that was left fails."""
PAGER: Final = """#!{python}
import os, sys
taken = [] if {lines} == 0 else [sys.stdin.readline() for _ in range({lines})] if {lines} > 0 else list(sys.stdin)
with open({path!r}, "w", encoding="utf-8") as file:
    file.write(os.environ.get("LESS", "none") + "\\n" + "".join(taken))
print("LEFT", flush=True)
"""
"""Writes down how it was started and what it was given; it takes some lines, or all where that is less than none."""


class Desk:
    """A home with a long log, and commands at a terminal of 24 lines."""

    def __init__(self, folder: Path, home: Path, start: Callable[..., Person]) -> None:
        self.folder, self._home, self._start = folder, home, start
        self.paged = folder / "paged.txt"

    def pager(self, name: str, lines: int = -1) -> Path:
        """A program that is a pager."""
        path = self.folder / name
        path.write_text(PAGER.format(python=sys.executable, lines=lines, path=str(self.paged)), "utf-8")
        path.chmod(0o755)
        return path

    def run(self, *arguments: str, all_tty: bool = True, **variables: str) -> tuple[int, str, str]:
        """The exit code, what was on the screen, and what went through a pipe."""
        kept = {name: value for name, value in os.environ.items() if name not in {"PAGER", "LESS", "NO_COLOR"}}
        own = {"GUARDIAN_HOME": str(self._home), "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"}
        person = self._start({**kept, **own, **variables}, "audit", "list", *arguments, all_tty=all_tty)
        code, out = person.leaves()
        return code, person.seen, out


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = World(tmp_path_factory.mktemp("pager") / "home")
    with world.store.transaction() as tx:
        for number in range(EVENTS):
            body = {"kind": "halted", "by": "owner", "reason": f"reason {number}", "trading": "halted"}
            tx.audit.append(Record(phase=Phase.EVENT, body=body))
    world.store.close()
    return world.home


@pytest.fixture
def desk(tmp_path: Path, home: Path) -> Iterator[Desk]:
    def person(*arguments: Any, **options: Any) -> Person:
        return Person(*arguments, **options)

    with people(person) as start:
        yield Desk(tmp_path, home, start)


def test_long_list_is_paged_in_colour_and_whole(desk: Desk) -> None:
    """`less` shows colours, ends where all of it fits, and leaves it on the screen, as `git` asks it to."""
    desk.pager("less")
    code, seen, _ = desk.run("--since", "2020-01-01")
    options, *lines = desk.paged.read_text("utf-8").splitlines()
    assert (code, options) == (0, "FRX")
    assert [int(found) for line in lines for found in re.findall(r"reason (\d+)", line)] == list(range(EVENTS))
    assert "\x1b[31m" in "".join(lines)
    assert "reason" not in seen


def test_pager_and_its_options_are_the_persons(desk: Desk) -> None:
    """`PAGER`, `LESS` and `NO_COLOR` are kept."""
    desk.pager("less", 0)
    own = desk.pager("mine")
    code, _, _ = desk.run("-n", "40", PAGER=str(own), LESS="-S", NO_COLOR="1")
    options, *lines = desk.paged.read_text("utf-8").splitlines()
    assert (code, options) == (0, "-S")
    assert len(re.findall(r"reason \d+", "\n".join(lines))) == 40
    assert "\x1b[" not in "".join(lines)


@pytest.mark.parametrize("lines", [0, 3])
def test_pager_that_is_left_early_ends_the_list(desk: Desk, lines: int) -> None:
    """That is no error, and nothing is said about it."""
    desk.pager("less", lines)
    code, seen, _ = desk.run("--since", "2020-01-01")
    assert code == 0
    assert seen.strip() == "LEFT"


def test_short_list_and_pipe_are_not_paged(desk: Desk) -> None:
    """Neither what fits on the screen, nor what another program reads, nor JSON."""
    desk.pager("less")
    code, seen, _ = desk.run("-n", "10")
    assert (code, len(re.findall(r"reason \d+", seen))) == (0, 10)
    code, _, out = desk.run("-n", "40", all_tty=False)
    assert (code, len(re.findall(r"reason \d+", out))) == (0, 40)
    code, seen, _ = desk.run("-n", "40", "--json")
    assert code == 0
    assert not desk.paged.exists()
