"""A session mandate takes the place of a person's confirmation for exactly what it covers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from guardian.policy.facts import MandateFacts
from guardian.policy.verdict import Decision
from tests.policy.builders import NOW_MS, D, a_policy, an_order, facts, judged

MANDATE = MandateFacts(
    id="m1",
    symbols=frozenset({"BTCUSDT"}),
    currency="USDT",
    left=D("1000"),
    max_order=None,
    expires_ms=NOW_MS + 1,
)


@pytest.mark.parametrize(
    ("change", "is_asked"),
    [
        ({}, False),
        ({"symbols": frozenset({"ETHBTC"})}, True),
        ({"symbols": frozenset()}, True),
        ({"currency": "EUR"}, True),
        ({"left": None}, True),
        ({"left": D("0")}, True),
        ({"max_order": D("0.01")}, True),
        ({"expires_ms": NOW_MS}, True),
    ],
)
def test_order_is_asked_about_unless_a_mandate_covers_it(change: dict[str, Any], is_asked: bool) -> None:
    """Its symbols, its currency, what is left of it, the most of one order, and its time."""
    policy = a_policy(required_above=D("0"))
    verdict = judged(an_order(), replace(facts(), mandate=replace(MANDATE, **change)), policy)
    assert verdict.decision is (Decision.CONFIRM if is_asked else Decision.ALLOW)
    assert verdict.mandate_id == (None if is_asked else "m1")
