"""The documents for engineers are true of the tree: links, commands, hooks."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from guardian.cli.app import COMMANDS, cli

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "policies" / "README.md",
    ROOT / "guardian" / "README.md",
    *sorted((ROOT / ".github").glob("*.md")),
]
HOOKS = ROOT / ".pre-commit-config.yaml"
BIN = Path(sys.executable).parent


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shell_lines(text: str) -> Iterator[str]:
    """The lines of each `sh` block, without comments."""
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        yield from (line.split("  #")[0].strip() for line in block.splitlines())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_of_the_tree(path: Path) -> None:
    """A relative link names a file or folder that exists, and its anchor a heading there."""
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text("utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(there.read_text("utf-8")), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_guardian_command_has_the_options_that_are_shown(path: Path) -> None:
    """Each `guardian` line of a shell block names a command, its subcommand, and options that they have."""
    for line in shell_lines(path.read_text("utf-8")):
        words = shlex.split(line.rpartition("&& ")[2])
        if not words or words[0].removeprefix(".venv/bin/") != "guardian":
            continue
        command: click.Command = cli
        options: set[str] = set()
        for word in words[1:]:
            if word.startswith("-"):
                assert word in options, line
            elif isinstance(command, click.Group):
                found = command.get_command(click.Context(command), word)
                assert found is not None, line
                command = found
                options |= {name for param in command.params for name in param.opts}


def hooks() -> list[dict[str, object]]:
    """The hooks of the pre-commit configuration."""
    found = yaml.safe_load(HOOKS.read_text("utf-8"))
    assert [repository["repo"] for repository in found["repos"]] == ["local"]
    hooks: list[dict[str, object]] = found["repos"][0]["hooks"]
    return hooks


def test_the_hooks_are_the_static_checks() -> None:
    """They are local, so that nothing is downloaded, and are the four checks that are tests too."""
    assert [hook["id"] for hook in hooks()] == ["ruff-check", "ruff-format", "mypy", "lint-imports"]
    assert {hook["language"] for hook in hooks()} == {"system"}


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: str(hook["id"]))
def test_the_command_of_each_hook_is_in_the_environment(hook: dict[str, object]) -> None:
    """What a hook runs comes with the installation that CONTRIBUTING describes."""
    program = shlex.split(str(hook["entry"]))[0]
    assert program.startswith(".venv/bin/")
    assert (BIN / Path(program).name).exists()


def test_the_commands_for_contributors_name_what_exists() -> None:
    """Each path and module in a command of CONTRIBUTING exists."""
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    for command in re.findall(r"`(\.venv/bin/python [^`]+|python [^`]+|\.ci/[^`]+)`", text):
        for word in shlex.split(command):
            if word.startswith(("tests/", "policies/", ".ci/")):
                assert list(ROOT.glob(word)), command
            elif word.startswith("tests."):
                module = ROOT / word.replace(".", "/")
                assert module.with_suffix(".py").exists() or (module / "__main__.py").exists(), command


def test_no_document_outside_the_tree_is_named() -> None:
    """Code and documents refer to nothing that a clone does not have, such as a design that is kept elsewhere."""
    written = {*DOCUMENTS, *(ROOT / "guardian").rglob("*.py"), *(ROOT / "tests").rglob("*.py")} - {Path(__file__)}
    outside = re.compile(r"\b(?:DESIGN|STYLE|BRIEF|METRICS)\b")
    assert [str(path.relative_to(ROOT)) for path in written if outside.search(path.read_text("utf-8"))] == []


def test_each_command_named_in_a_document_exists() -> None:
    """`guardian NAME` in any document is a command."""
    for path in DOCUMENTS:
        for name in re.findall(r"`guardian ([a-z]+)", path.read_text("utf-8")):
            assert name in COMMANDS, path
