"""Promise 6 of the README: whatever says no, guardian's own orders can be cancelled, and what an exit passes."""

from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path

import pytest

from guardian.domain.trading import Environment
from guardian.policy.engine import ALWAYS, LISTED
from guardian.policy.facts import LiveFacts
from guardian.policy.permissions import KeyJudgement
from tests.adversary.exit_rows import JUDGED, ROWS
from tests.adversary.exit_table import table
from tests.adversary.exits import Exit, Row, play
from tests.policy.builders import a_policy, a_sell, codes, facts, judged

BY_HAND = {"policy_approved", "proof_available", "keys_checked", "armed"}
"""Rules that need `live` or a proof to be set up: the exit is judged on facts made by hand."""
ROOT = Path(__file__).parent.parent.parent
BESIDE = {"owner", "reducing", "emergency", "broken"}
"""What stops trading without a call of `halt`: the owner, a log that cannot be written, and one that was damaged."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_cancel_passes_and_an_exit_does_what_the_table_says(row: Row, tmp_path: Path) -> None:
    """In a world in which this says no, the cancel of an open order is done; a full exit ends as the README says."""
    seen = play(row, tmp_path)
    assert row.code in seen.denied, "the world does not bring about what the row is about"
    assert seen.cancelled
    assert seen.exit is row.expected, seen.told
    assert seen.exit is not Exit.DENIED or row.code in seen.codes


def test_every_rule_and_every_code_of_a_rule_has_a_row() -> None:
    """A new rule, or a new denial of a rule, has to say what becomes of an exit."""
    rules = {rule.check.__name__ for rule in (*ALWAYS, *LISTED)}
    assert rules - {row.rule for row in ROWS} <= {"trading_state", *BY_HAND}
    named = {
        node.attr
        for path in (ROOT / "guardian" / "policy").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code"
    }
    assert named - {row.code for row in ROWS} - {*JUDGED} == set()


def test_every_halting_cause_has_a_row() -> None:
    """Whatever stops trading has to say what becomes of an exit."""
    causes = {
        node.args[2].value
        for path in (ROOT / "guardian").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and _is_named(node.func, "halt") and len(node.args) > 2
        if isinstance(node.args[2], ast.Constant)
    }
    assert causes | BESIDE == {row.rule for row in ROWS if row.is_halt}


def _is_named(function: ast.expr, name: str) -> bool:
    return function.id == name if isinstance(function, ast.Name) else getattr(function, "attr", None) == name


def test_what_no_world_brings_about_denies_an_exit_too() -> None:
    """On `live`, and where nothing is known of what was entered, an exit is denied as all else is."""
    unsafe = LiveFacts(keys=KeyJudgement(problems=("it may withdraw",), warnings=()))
    found: set[str] = set()
    for live in (None, unsafe):
        given = facts(environment=Environment.LIVE, live=live, unapproved="nobody did", position=Decimal(1))
        found |= {code.name for code in codes(judged(a_sell(), given, a_policy(environment=Environment.LIVE)))}
    assert found == {name for name in JUDGED if name.startswith(("LIVE_", "POLICY_"))}
    unknown = judged(a_sell(), facts(usage=None))
    assert "USAGE_UNKNOWN" in {code.name for code in codes(unknown)}


def test_the_table_in_the_readme_is_what_passes() -> None:
    """The README's tables of promise 6 are generated from the rows, which the tests above hold to what happens."""
    readme = (ROOT / "README.md").read_text("utf-8")
    between = readme.split("<!-- exits -->")[1].split("<!-- end exits -->")[0].strip()
    assert between == table({row: row.expected for row in ROWS})
