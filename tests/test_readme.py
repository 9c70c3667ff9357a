"""The README is true of the code: the codes, the commands, the promises, the policies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guardian.cli.app import COMMANDS
from guardian.domain.codes import Code

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def code_table() -> str:
    """The table of codes as the README has it."""
    rows = [f"| `{code.name}` | `{code.outcome.value}` | {code.meaning} |" for code in Code]
    return "\n".join(["| code | outcome | means |", "|---|---|---|", *rows])


def test_the_table_of_codes_is_generated_from_the_enum() -> None:
    """The README's table has every code, in the enum's order and words."""
    between = README.split("<!-- codes -->")[1].split("<!-- end codes -->")[0].strip()
    assert between == code_table()


def test_every_code_is_category_and_condition() -> None:
    """Codes read CATEGORY_CONDITION."""
    assert all(re.fullmatch(r"[A-Z]+(_[A-Z]+)+", code.name) for code in Code)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`guardian ([a-z]+)", README))))
def test_every_command_in_the_readme_exists(name: str) -> None:
    """A command that the README names is there."""
    assert name in COMMANDS


def test_every_command_is_in_the_readme() -> None:
    """No command is hidden from the reader."""
    missing = [name for name in COMMANDS if f"guardian {name}" not in README]
    assert missing == ["serve"] or missing == []


def test_the_promises_are_numbered_one_to_nine() -> None:
    """All nine promises are stated."""
    assert re.findall(r"^(\d)\. \*\*", README, re.MULTILINE) == [str(n) for n in range(1, 10)]


def test_links_lead_somewhere() -> None:
    """Relative links point at files of the tree."""
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
