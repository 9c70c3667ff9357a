"""The habits of the code base, held by a machine: layers, strict types, style, small pieces, no float near money."""

from __future__ import annotations

import ast
import subprocess
import sys
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


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pieces_are_small(path: Path) -> None:
    """No module and no function is longer than a reader can hold."""
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or node.lineno) - node.lineno < FUNCTION_LINES, node.name


@pytest.mark.parametrize("folder", ["domain", "policy", "gate", "store"])
def test_no_float_near_money(folder: str) -> None:
    """Where money is decided or kept there is no float literal and no float type, but for seconds to wait."""
    for path in sorted((ROOT / "guardian" / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "float", f"{path}:{node.lineno}"


def test_every_test_says_what_it_requires() -> None:
    """Each test function has a docstring that states the requirement."""
    silent = [
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in TESTS
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
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
