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


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_go_one_way_and_every_module_has_a_layer() -> None:
    """The layers of the design hold, exhaustively."""
    run("-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())")


def test_types_are_strict() -> None:
    """mypy finds nothing in strict mode."""
    run("-m", "mypy")


def test_style_is_kept() -> None:
    """ruff finds nothing."""
    run("-m", "ruff", "check", "guardian", "tests")


def test_format_is_kept() -> None:
    """ruff would format nothing otherwise."""
    run("-m", "ruff", "format", "--check", "guardian", "tests")


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, parsed once for all tests."""
    return ast.parse(path.read_text("utf-8"))


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT).as_posix()}:{getattr(node, 'lineno', 0)}"


def test_pieces_are_small() -> None:
    """No module and no function is longer than a reader can hold."""
    assert SOURCES
    long_modules = [str(path) for path in SOURCES if len(path.read_text("utf-8").splitlines()) > MODULE_LINES]
    assert long_modules == []
    long_functions = [
        f"{place(path, node)} {node.name}"
        for path in SOURCES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= FUNCTION_LINES
    ]
    assert long_functions == []


NEAR_MONEY = ("domain", "policy", "gate", "store")
SECONDS = re.compile(
    r"_S: Final = |timeout\(|acquire\(timeout=|_PAUSE_S \* |\bpause \* |cutoff="
    r"|\b(due|gone_since|warned|ends|started|monotonic|pause|now|requested|patience_s|_mine|_seen|_stands_back_until"
    r"|_reconcile_due|absent_at|_lists|_look|\w*tick|patient_until)\b"
)
"""Names of times in seconds: the one thing near money that is a float. `cutoff` is how alike two words are."""


def floats(source: str) -> list[int]:
    """The lines of a module with a float: a literal, the type or a conversion."""
    found = []
    for node in ast.walk(ast.parse(source)):
        is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_name = isinstance(node, ast.Name) and node.id == "float"
        if is_literal or is_name:
            found.append(node.lineno)
    return sorted(set(found))


@pytest.mark.parametrize("folder", NEAR_MONEY)
def test_no_float_near_money(folder: str) -> None:
    """Where money is decided or kept no float is written, made or typed, but for times in seconds."""
    for path in sorted((ROOT / "guardian" / folder).rglob("*.py")):
        lines = path.read_text("utf-8").splitlines()
        bad = [number for number in floats("\n".join(lines)) if not SECONDS.search(lines[number - 1])]
        refusing = [number for number in bad if "case float()" in lines[number - 1]]
        assert sorted(set(bad) - set(refusing)) == [], f"{path}: {[lines[number - 1] for number in bad]}"


@pytest.mark.parametrize(
    "line",
    ["price = 0.1", "price = float(text)", "price: float = read()", "fee = notional * 1e-3", "x: list[float] = []"],
)
def test_a_float_near_money_is_seen(line: str) -> None:
    """A literal, a conversion and a type are each found, and none of them looks like a time."""
    assert floats(line) == [1]
    assert not SECONDS.search(line)


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
