"""A sweep over every command there is: its help, and what a group says alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from guardian.cli import app
from guardian.cli.app import main
from guardian.cli.parser.groups import summary


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command below a group with the words that are typed for it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


EVERY = [pytest.param(path, command, id=" ".join(path)) for path, command in every_command(app.cli)]
GROUPS = [
    pytest.param(path, id=" ".join(path))
    for path, command in every_command(app.cli)
    if isinstance(command, click.Group) and not command.invoke_without_command
]


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of the usual width."""
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_help_is_whole_and_fits(
    path: tuple[str, ...], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--help` exits 0 with a usage line, a sentence, no text that is cut off, and no line over 80 columns."""
    assert main([*path, "--help"]) == 0
    out, said = capsys.readouterr()
    lines = out.splitlines()
    assert said == ""
    assert lines[0].startswith(f"Usage: guardian {' '.join(path)}")
    assert re.search(r"\w\.$|\w[.:] ", out), "no sentence"
    # `[ARGS]...` is click's sign of several words.
    assert "..." not in out.replace("]...", "]"), "a text is cut off"
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_summary_is_a_short_sentence(path: tuple[str, ...], command: click.Command) -> None:
    """The line of a command in its group's help begins in lower case and fits two lines of the terminal."""
    text = summary(command)
    assert text
    assert text[0].islower()
    assert not text.endswith(".")
    assert len(text) <= 130


@pytest.mark.parametrize("path", GROUPS)
def test_group_alone_prints_its_help_once_and_exits_0(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """`guardian keys` asks what there is; that is no mistake. Before: an error with the help in it, twice."""
    assert main(list(path)) == 0
    alone = capsys.readouterr()
    assert main([*path, "--help"]) == 0
    assert alone == (capsys.readouterr().out, "")


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_help_command_prints_what_help_option_prints(
    path: tuple[str, ...], command: click.Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """`guardian help keys add` is `guardian keys add --help`."""
    assert main(["help", *path]) == 0
    by_command = capsys.readouterr()
    assert main([*path, "--help"]) == 0
    assert by_command == capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["polcy"], "no such command `polcy`; did you mean `policy`?"),
        (["Status"], "no such command `Status`; did you mean `status`?"),
        (["keys", "lst"], "no such command `lst`; did you mean `list`?"),
        (["help", "keyz"], "no such command `keyz`; did you mean `keys`?"),
        (["zzzz"], "no such command `zzzz`"),
        (["keys", "check", "tesnet"], "did you mean `testnet`?"),
        (["completion", "fihs"], "did you mean `fish`?"),
        (["status", "--jsno"], "--json"),
        (["help", "status", "now"], "`guardian status` has no commands of its own"),
        (["no\x1b[2J\nguardian: hint: `rm`"], "no such command `no\\x1b[2J"),
    ],
)
def test_mistyped_word_leads_to_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """Wrong usage exits 2 and names the nearest command, option or choice; what was typed forges no line."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    error = err.splitlines()[-2]
    assert error.startswith("guardian: error: ")
    assert said in error


def test_version_is_printed_by_command_as_by_option(capsys: pytest.CaptureFixture[str]) -> None:
    """`guardian version` is `guardian --version`."""
    assert main(["version"]) == 0
    by_command = capsys.readouterr()
    assert main(["--version"]) == 0
    assert by_command == capsys.readouterr()


@pytest.mark.parametrize("columns", ["30", "44"])
def test_help_fits_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """Where the terminal is narrow, the lines of the help are as well."""
    monkeypatch.setenv("COLUMNS", columns)
    for path in ([], ["keys"], ["status", "--help"]):
        assert main(path) == 0
        assert [line for line in capsys.readouterr().out.splitlines() if len(line) > int(columns)] == []
