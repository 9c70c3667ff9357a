"""The habits of the code base, held by a machine: layers, strict types, style, small pieces, no float near money."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "guardian").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
MODULE_LINES, FUNCTION_LINES = 420, 75
GENERATED = ROOT / "guardian" / "store" / "schema" / "sqlite_statements.py"
"""Made of small definitions, which are read in its place; `tests/store/test_statements.py` holds the two equal."""


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_go_one_way_and_every_module_has_a_layer() -> None:
    """The layers of the design hold, exhaustively."""
    run("-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())")


def test_types_are_strict() -> None:
    """mypy finds nothing in strict mode, in guardian and in its tests."""
    run("-m", "mypy")


def test_style_is_kept() -> None:
    """ruff finds nothing."""
    run("-m", "ruff", "check", "guardian", "tests")


def test_format_is_kept() -> None:
    """ruff would format nothing otherwise."""
    run("-m", "ruff", "format", "--check", "guardian", "tests")


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, parsed once and shared by all tests."""
    return ast.parse(path.read_text("utf-8"))


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT).as_posix()}:{getattr(node, 'lineno', 0)}"


def test_pieces_are_small() -> None:
    """No module and no function is longer than a reader can hold."""
    assert SOURCES
    long_modules = [path for path in SOURCES if len(path.read_text("utf-8").splitlines()) > MODULE_LINES]
    assert long_modules == [GENERATED]
    long_functions = [
        f"{place(path, node)} {node.name}"
        for path in SOURCES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= FUNCTION_LINES
    ]
    assert long_functions == []


NEAR_MONEY = ("domain", "policy", "gate", "store")
SECONDS = re.compile(r"_S\b|timeout|pause|cutoff=|\bfloat = (0\.0|-inf)$")
"""Where a float is written it is a time in seconds. (`cutoff` is how alike two words are.)"""
MONEY = re.compile(
    r"price|quantity|notional|amount|\bfees?\b|balance|cost|worth|loss|budget|position|\bbid|\bask\b|Decimal",
    re.IGNORECASE,
)


def floats(source: str) -> list[str]:
    """The lines of a module that write or make a float, or have its type, and are not about seconds."""
    lines = source.splitlines()
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
            found.add(node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, float):
            if not SECONDS.search(lines[node.lineno - 1]):
                found.add(node.lineno)
        elif isinstance(node, ast.Name) and node.id == "float" and MONEY.search(lines[node.lineno - 1]):
            found.add(node.lineno)
    return [lines[number - 1].strip() for number in sorted(found)]


@pytest.mark.parametrize("folder", NEAR_MONEY)
def test_no_float_near_money(folder: str) -> None:
    """Where money is decided or kept no float is made, none is written but for seconds, and no amount has its type."""
    for path in sorted((ROOT / "guardian" / folder).rglob("*.py")):
        # A pattern that a value is matched against makes none: `case float():` refuses it.
        assert [line for line in floats(path.read_text("utf-8")) if line != "case float():"] == [], path


@pytest.mark.parametrize(
    "line",
    ["price = 0.1", "x = float(text)", "price: float = 1", "fee = notional * 1e-3", "amounts: list[float] = []"],
)
def test_a_float_near_money_is_seen(line: str) -> None:
    """A literal, a conversion and a type are each found."""
    assert floats(line) == [line]


def test_every_test_says_what_it_requires() -> None:
    """Each test function has a docstring that states the requirement."""
    silent = [
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in TESTS
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_nothing_of_the_machine_is_in_the_tree() -> None:
    """No path of one machine, and no address of a package index, is committed."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    parent = str(ROOT.parent) + "/"
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and path.suffix in {".py", ".toml", ".md", ""}:
            assert parent not in path.read_text("utf-8", errors="replace"), name
