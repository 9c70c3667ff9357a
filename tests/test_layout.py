"""The layout of guardian: small folders, each with its contract, and names that mean one thing."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
GUARDIAN: Final = ROOT / "guardian"
MOST_MODULES: Final = 12
"""A folder that can be read at a glance has no more modules, `__init__` left out."""


def folders() -> dict[str, list[str]]:
    """The modules of each folder that has any, by the folder's dotted name."""
    found: dict[str, list[str]] = {}
    for path in sorted(GUARDIAN.rglob("*.py")):
        if path.name != "__init__.py":
            found.setdefault(".".join(path.parent.relative_to(ROOT).parts), []).append(path.stem)
    return found


def class_names() -> Iterator[str]:
    """The name of every class at the top of a module."""
    for path in sorted(GUARDIAN.rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name


def explained() -> set[str]:
    """The names that the map lists as occurring twice."""
    map_of_code = (GUARDIAN / "README.md").read_text("utf-8")
    rows = map_of_code.split("## Names that occur twice")[1].splitlines()
    return {name for row in rows if row.startswith("| `") for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_no_folder_is_a_drawer() -> None:
    """No folder has more than a dozen modules."""
    assert {name: len(modules) for name, modules in folders().items() if len(modules) > MOST_MODULES} == {}


def test_every_folder_with_modules_has_an_exhaustive_contract() -> None:
    """A new module breaks the build until somebody says where it belongs."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layered = {
        container
        for contract in settings["contracts"]
        if contract["type"] == "layers" and contract.get("exhaustive") is True
        for container in contract["containers"]
    }
    assert set(folders()) - layered == set()


def test_every_name_that_occurs_twice_is_explained_and_no_other_is() -> None:
    """A class name or a file name that occurs twice is in the map, with the reason."""
    files = Counter(name for modules in folders().values() for name in modules)
    twice = {name for name, count in (files + Counter(class_names())).items() if count > 1}
    assert twice == explained()
