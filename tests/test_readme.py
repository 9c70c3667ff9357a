"""The README is true of the code: the commands, the promises, the links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guardian.cli.app import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`guardian ([a-z]+)", README))))
def test_every_command_in_the_readme_exists(name: str) -> None:
    """A command that the README names is there."""
    assert name in COMMANDS


def test_every_command_is_in_the_readme() -> None:
    """No command is hidden from the reader."""
    assert [name for name in COMMANDS if not re.search(rf"(`|bin/)guardian {name}\b", README)] == []


def test_the_promises_are_numbered_one_to_nine() -> None:
    """All nine promises are stated."""
    assert re.findall(r"^(\d)\. \*\*", README, re.MULTILINE) == [str(n) for n in range(1, 10)]


@pytest.mark.parametrize(("name", "shows"), [("approval", "approve"), ("denied", "NOTIONAL_EXCEEDS_MAX")])
def test_pictures_are_there_small_and_load_nothing(name: str, shows: str) -> None:
    """The first screen shows an approval and a denial; neither picture runs anything or fetches anything."""
    path = ROOT / ".github" / "pictures" / f"{name}.svg"
    picture = path.read_text("utf-8")
    assert f"]({path.relative_to(ROOT).as_posix()})" in README[: README.index("## ")]
    assert shows in picture
    assert len(picture) < 40_000
    assert re.findall(r"https?://[^\"]+", picture) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<script|<foreignObject|href=|url\((?!#)|@import|/root|/tmp", picture)


def test_links_lead_somewhere() -> None:
    """Relative links point at files of the tree."""
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
