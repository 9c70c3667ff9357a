"""What has to be in place on live before an order is created, and that no other environment is asked for it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from guardian.domain.codes import Code
from guardian.domain.owner.proof import Proof
from guardian.domain.trading import Environment
from guardian.policy.facts import NOT_LOOKED_UP, LiveFacts
from guardian.policy.permissions import KeyJudgement
from guardian.policy.verdict import Verdict
from tests.policy.builders import D, a_policy, a_sell, an_order, codes, denial, facts, judged

SAFE = KeyJudgement(problems=(), warnings=("the key works from every address",))
READY = LiveFacts(keys=SAFE, unproven=None, unarmed=None)


def on_live(live: LiveFacts | None = READY, proof: Proof = Proof.PASSKEY, **changed: Any) -> Verdict:
    """The verdict on an order that passes on live, but for these facts."""
    policy = a_policy(environment=Environment.LIVE, proof=proof)
    return judged(an_order(), facts(environment=Environment.LIVE, live=live, **changed), policy)


def test_order_passes_on_live_once_everything_is_in_place() -> None:
    """An approved policy, a safe key, a proof, a mandate: nothing else is needed, and a warning stops nothing."""
    assert codes(on_live()) == []
    assert codes(on_live(proof=Proof.PIN)) == []


def test_nothing_that_was_not_looked_up_counts_as_in_place() -> None:
    """Without facts, and with those that nobody filled in, every part is missing."""
    missing = [Code.LIVE_PROOF_MISSING, Code.LIVE_KEYS_UNCHECKED, Code.LIVE_NOT_ARMED]
    for live in (None, LiveFacts()):
        verdict = on_live(live)
        assert codes(verdict) == missing
        assert all(NOT_LOOKED_UP in one.message for one in verdict.denials)


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"unproven": "a passkey is demanded, and none is set up"}, Code.LIVE_PROOF_MISSING, "none is set up"),
        ({"keys": None, "why_unchecked": "the exchange did not answer"}, Code.LIVE_KEYS_UNCHECKED, "did not answer"),
        (
            {"keys": KeyJudgement(problems=("the key may withdraw to any address",), warnings=())},
            Code.LIVE_KEYS_UNSAFE,
            "may withdraw",
        ),
        ({"unarmed": "nobody has armed it"}, Code.LIVE_NOT_ARMED, "nobody has armed it"),
    ],
)
def test_each_part_that_is_missing_is_denied_with_its_own_code(changed: dict[str, Any], code: Code, said: str) -> None:
    """The denial says what is missing and what the owner can do."""
    verdict = on_live(replace(READY, **changed))
    assert codes(verdict) == [code]
    found = denial(verdict, code)
    assert said in found.message
    assert "guardian " in (found.hint or "")


def test_answer_at_a_terminal_is_no_proof_on_live_whatever_was_looked_up() -> None:
    """A policy that slipped past the loader creates nothing."""
    assert codes(on_live(proof=Proof.TERMINAL)) == [Code.LIVE_PROOF_MISSING]


def test_many_problems_of_a_key_are_named_in_part_and_counted() -> None:
    """The first five are in the message."""
    many = KeyJudgement(problems=tuple(f"problem {number}." for number in range(9)), warnings=())
    found = denial(on_live(replace(READY, keys=many)), Code.LIVE_KEYS_UNSAFE)
    assert found.observed == "9 problems"
    assert "problem 4." in found.message
    assert "problem 5." not in found.message


def test_exit_is_held_back_too() -> None:
    """Selling needs the same key, and the same owner."""
    policy = a_policy(environment=Environment.LIVE, proof=Proof.PASSKEY)
    given = facts(environment=Environment.LIVE, live=replace(READY, unarmed="it lapsed"), position=D(1))
    verdict = judged(a_sell(), given, policy)
    assert verdict.is_exit
    assert codes(verdict) == [Code.LIVE_NOT_ARMED]


@pytest.mark.parametrize("environment", [one for one in Environment if one is not Environment.LIVE])
def test_no_other_environment_needs_any_of_it(environment: Environment) -> None:
    """Play money needs neither a key check nor a mandate."""
    given = facts(environment=environment, live=None)
    assert codes(judged(given=given, policy=a_policy(environment=environment))) == []


def test_every_fact_of_live_has_a_row_here() -> None:
    """A new field is missing unless it is looked up, and has a test."""
    assert {field.name for field in fields(LiveFacts)} == {"keys", "why_unchecked", "unproven", "unarmed"}
