"""Every kind of event that guardian's code can write has words: a new kind fails here until somebody gives it some."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from guardian.cli.audit.wording.event_words import EVENT_WORDS
from guardian.domain.trading import TradingState
from guardian.gate.recovery.order_reports import DifferenceKind
from guardian.store.log_findings import BROKEN_CHAIN

ROOT = Path(__file__).parents[4] / "guardian"
FOLDERS = ("gate", "store", "cli")

HALTS = frozenset({TradingState.HALTED.value, TradingState.REDUCING.value})
MADE: dict[str, frozenset[str]] = {
    "halted.value": HALTS,
    "now.value": HALTS,
    "state": HALTS,
    "BROKEN_CHAIN if is_halted else 'halted'": frozenset({BROKEN_CHAIN, "halted"}),
    "f'order_{kind.value}'": frozenset(f"order_{kind.value}" for kind in DifferenceKind),
    "f'order_{DifferenceKind.CONTRADICTED.value}'": frozenset({"order_contradicted"}),
}
"""The kinds that an expression which is no constant stands for, by its source."""
HANDED_ON = frozenset({"kind", "act", "self.kind.value", "kind.value"})
"""Expressions that hand a kind on: the callers are read, and statements and proofs have kinds of their own."""
NO_EVENTS = frozenset({"call", "outcome"})
"""Kinds of records of the emergency file, which the log takes as `emergency`."""
WRITERS = frozenset({"note_act", "note_in_log", "_note", "_body"})
"""Functions that take a kind as their first or second argument."""
APPENDS = ("tx.audit", "Record.event(", "append_event_once(", *(f"{name}(" for name in sorted(WRITERS)))
"""What a module that writes events has in its text."""


def constants(path: Path) -> dict[str, str]:
    """The texts that a module has names for."""
    return {
        node.target.id: node.value.value
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def written(path: Path) -> Iterator[ast.expr]:
    """Each expression in a module that is the kind of an event."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "kind":
                    yield value
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in WRITERS:
                yield from filter(is_kind, node.args[:2])
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["act"]:
            yield node.value


def is_kind(argument: ast.expr) -> bool:
    """Whether an argument can be a kind: a text, the name of one, or a choice between two."""
    match argument:
        case ast.Constant(value=value):
            return isinstance(value, str)
        case ast.Name(id=name):
            return name.isupper()
    return isinstance(argument, ast.IfExp)


def kinds_of(expression: ast.expr, names: dict[str, str]) -> frozenset[str]:
    """The kinds that an expression can be. Fails for one that this test cannot read."""
    source = ast.unparse(expression)
    if source in MADE:
        return MADE[source]
    match expression:
        case ast.Constant(value=str(value)):
            return frozenset({value})
        case ast.IfExp(body=body, orelse=orelse):
            return kinds_of(body, names) | kinds_of(orelse, names)
        case ast.Name(id=name) if name in names:
            return frozenset({names[name]})
        case _ if source in HANDED_ON:
            return frozenset()
    pytest.fail(f"which kinds is `{source}`? say so in this test, and give them words")


def kinds_written() -> dict[str, str]:
    """Every kind that is written, with a place where."""
    sources = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    everywhere = {name: value for path in sources for name, value in constants(path).items()}
    found: dict[str, str] = {}
    for path in sources:
        text = path.read_text("utf-8")
        if not any(append in text for append in APPENDS):
            continue
        names = everywhere | constants(path)
        for expression in written(path):
            for kind in kinds_of(expression, names):
                found.setdefault(kind, f"{path.relative_to(ROOT)}:{expression.lineno}")
    return found


def test_every_kind_of_event_has_words() -> None:
    """What is written and what has words are the same set; a new kind is found by reading the code."""
    found = {kind: place for kind, place in kinds_written().items() if kind not in NO_EVENTS}
    assert len(found) > 30
    assert {kind: place for kind, place in found.items() if kind not in EVENT_WORDS} == {}
    assert set(EVENT_WORDS) - set(found) == set()
