"""`guardian/README.md`, the map: what it names exists, and it names every folder."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUARDIAN = ROOT / "guardian"
MAP = (GUARDIAN / "README.md").read_text("utf-8")
PATHS = re.compile(r"`([a-z_][a-z_./]*(?:\.py|\.toml|/))`")
NAMES = re.compile(r"`([A-Za-z_][A-Za-z_.]*)\(\)`")
WALKS = ("create_order", "cancel_order", "An order whose outcome is unknown")


def located(name: str) -> Path | None:
    """The file or folder that the map names: below `guardian/`, or below the top of the tree."""
    return next((base / name for base in (GUARDIAN, ROOT) if (base / name).exists()), None)


def defined_in(path: Path) -> set[str]:
    """The functions and methods of a module, methods with their class before them."""
    found: set[str] = set()

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                visit(child, f"{child.name}.")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(prefix + child.name)

    visit(ast.parse(path.read_text("utf-8")), "")
    return found


def walk(title: str) -> str:
    """The text of one walk, from its heading to the next."""
    found = re.search(rf"^### [^\n]*{re.escape(title)}[^\n]*$(.*?)(?=^##)", MAP, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


@pytest.mark.parametrize("name", sorted(set(PATHS.findall(MAP))))
def test_each_file_and_folder_of_the_map_exists(name: str) -> None:
    """A path that the map names is in the tree."""
    assert located(name) is not None


def test_each_function_of_the_map_is_in_the_file_named_before_it() -> None:
    """`name()` is a function, and `Class.name()` a method, of the nearest file that the text names before it."""
    file: Path | None = None
    for token in re.finditer(f"{PATHS.pattern}|{NAMES.pattern}", MAP):
        path, name = token.groups()
        if path is not None:
            file = located(path) if path.endswith(".py") else file
            continue
        assert file is not None, name
        assert name in defined_in(file), f"{file.relative_to(ROOT)} has no `{name}()`"


def test_the_map_names_every_folder() -> None:
    """Each package of guardian is in the table of folders."""
    packages = [path.parent.relative_to(GUARDIAN) for path in GUARDIAN.rglob("__init__.py") if path.parent != GUARDIAN]
    assert [str(package) for package in packages if f"`{package}/`" not in MAP] == []


@pytest.mark.parametrize("title", WALKS)
def test_a_walk_names_functions_at_every_step(title: str) -> None:
    """Each numbered step of a walk names at least one file or function."""
    steps = re.split(r"^\d+\. ", walk(title), flags=re.MULTILINE)[1:]
    assert len(steps) > 3
    assert all(PATHS.search(step) or NAMES.search(step) for step in steps)


def test_the_map_names_nothing_outside_the_tree() -> None:
    """No link leaves the repository, and no document is named that is not in it."""
    assert "://" not in MAP
    for name in re.findall(r"[A-Za-z_/.-]+\.md\b", MAP):
        assert (GUARDIAN / name).exists() or (ROOT / name).exists(), name
