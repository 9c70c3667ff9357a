"""What a shell completes: commands, options, choices; quickly, and without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guardian.cli.app import COMMANDS, main
from guardian.cli.parser.scripts import SCRIPTS
from tests.cli.test_app import loaded_by
from tests.support.world import World, a_world_at_home


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with a_world_at_home(tmp_path) as made:
        monkeypatch.setenv("GUARDIAN_HOME", str(made.home))
        yield made


def answers(capsys: pytest.CaptureFixture[str], shell: str, *words: str) -> list[str]:
    assert main(["completion", shell, "--answer", "--", *words]) == 0
    out, said = capsys.readouterr()
    assert said == ""
    return out.splitlines()


@pytest.mark.parametrize("shell", SCRIPTS)
def test_script_is_printed_and_says_where_it_goes(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    """`guardian completion bash` prints the script on standard output, with how to install it."""
    assert main(["completion", shell]) == 0
    out, said = capsys.readouterr()
    assert said == ""
    assert out == SCRIPTS[shell]
    assert f"guardian completion {shell}" in out


def test_commands_options_and_choices_are_completed(capsys: pytest.CaptureFixture[str]) -> None:
    """What is typed so far becomes a command, an option or one of an argument's words."""
    assert answers(capsys, "bash", "pol") == ["plain,policy"]
    assert {line.partition(",")[2] for line in answers(capsys, "bash", "")} == set(COMMANDS)
    assert answers(capsys, "bash", "keys", "add", "te") == ["plain,testnet"]
    assert answers(capsys, "bash", "status", "--js") == ["plain,--json"]
    assert answers(capsys, "bash", "halt", "--reducing", "--all", "--rea") == ["plain,--reason"]
    assert answers(capsys, "bash", "status", "--policy", "") == ["file,"]
    assert answers(capsys, "bash", "help", "zz", "") == []


def test_help_of_an_answer_is_in_the_form_of_its_shell(capsys: pytest.CaptureFixture[str]) -> None:
    """zsh reads `word:help`, fish `word,help`, bash the word alone."""
    short = COMMANDS["status"][1]
    assert answers(capsys, "zsh", "stat") == [f"plain,status:{short}"]
    assert answers(capsys, "fish", "stat") == [f"plain,status,{short}"]
    assert answers(capsys, "bash", "stat") == ["plain,status"]


def test_completing_imports_nothing_heavy_and_makes_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Tab is answered at once, from the registry and the options of the one command."""
    monkeypatch.setenv("GUARDIAN_HOME", str(tmp_path / "none"))
    for words in (("",), ("keys", "add", ""), ("approve", "--")):
        assert loaded_by("completion", "bash", "--answer", "--", *words) == (0, set())
    assert not (tmp_path / "none").exists()


def test_order_that_waits_is_completed_with_what_it_is(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """`guardian approve TAB` names the orders that wait, from the log alone."""
    reply = world.assistant().order(quote_quantity="50")
    name = reply["data"]["proposal_id"]
    (line,) = answers(capsys, "zsh", "approve", name[:2].lower())
    assert line.startswith(f"plain,{name}:BUY 0.00082 BTCUSDT MARKET")
    assert answers(capsys, "bash", "reject", "") == [f"plain,{name}"]


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is another one there")
def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    """The script makes bash offer what guardian answers, for the guardian that is on the line, wherever it is."""
    there = tmp_path / "a folder"
    there.mkdir()
    guardian = there / "guardian"
    guardian.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m guardian "$@"\n')
    guardian.chmod(0o755)
    asks = (
        f"{SCRIPTS['bash']}\nCOMP_WORDS=(guardian keys add t); COMP_CWORD=3\n"
        f'_guardian_completion "{guardian}"; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-c", asks], capture_output=True, text=True, timeout=30, check=True, env=os.environ)
    assert (done.stdout, done.stderr) == ("testnet\n", "")
