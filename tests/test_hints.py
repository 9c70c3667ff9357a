"""Hints name concrete things: whoever reads one can type it as it stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

GUARDIAN: Final = Path(__file__).parent.parent / "guardian"
SPEAKING: Final = ("policy", "gate", "exchange", "server")
"""The folders whose texts are in replies to an assistant."""
PLACEHOLDER: Final = re.compile(r"(?<![\w`\"'/-])(X|NAME|AMOUNT|FILE|ID|SYMBOL|TIME|TOKEN|ASSET|WHEN)\b|symbols\.X\b")
"""A word that stands for something that the reader is to fill in; a field's own name is not among them."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module, docstrings left out, with their lines."""
    tree = ast.parse(path.read_text("utf-8"))
    described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
            yield node.lineno, node.value


def test_no_text_that_an_assistant_is_shown_holds_a_placeholder() -> None:
    """`[symbols.X]` was typed as it stood; the denial knows the symbol, and names it."""
    found = [
        f"{path.relative_to(GUARDIAN)}:{line}: {text}"
        for folder in SPEAKING
        for path in sorted((GUARDIAN / folder).rglob("*.py"))
        for line, text in texts(path)
        if " " in text and PLACEHOLDER.search(text)
    ]
    assert found == []


def test_a_placeholder_is_found_where_there_is_one() -> None:
    """What the search above takes for one."""
    assert PLACEHOLDER.search("the owner can add `[symbols.X]` to the policy")
    assert PLACEHOLDER.search("`guardian arm --for 2h --budget AMOUNT`")
    assert not PLACEHOLDER.search("the owner can add `[symbols.XRPUSDT]`; set LIMIT, not MARKET")
