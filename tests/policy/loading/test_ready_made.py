"""The policies that come with guardian: valid, tried, and as strict as they say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from guardian.domain.requests import REQUESTS, RequestScope
from guardian.domain.trading import Environment
from guardian.policy.loading.examples import judge_example
from guardian.policy.loading.load import load_policy
from guardian.policy.model import Channel, Policy

FOLDER = Path(__file__).parents[3] / "policies"
READY_MADE = [FOLDER / f"{name}.toml" for name in ("paper", "read-only", "testnet")]
TOUR = FOLDER / "tour.toml"
EXAMPLE = Path(__file__).parents[3] / "policy.example.toml"
EACH = pytest.mark.parametrize("path", [*READY_MADE, EXAMPLE], ids=lambda path: path.stem)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def ready_made(name: str) -> Policy:
    return load_policy(read(FOLDER / f"{name}.toml"))


def test_the_ready_made_policies_are_these() -> None:
    """A policy for paper, one for the testnet, one that only reads; the tour's own may stand beside them."""
    assert set(FOLDER.glob("*.toml")) - {TOUR} == set(READY_MADE)


@pytest.mark.skipif(not TOUR.exists(), reason="the tour brings no policy of its own")
def test_the_tours_policy_is_for_paper() -> None:
    """A policy under which the assistant can confirm its own orders reaches no exchange but the one inside guardian."""
    policy = load_policy(read(TOUR))
    assert policy.environment is Environment.PAPER
    assert policy.paper.endpoint is None


@EACH
def test_a_ready_made_policy_loads_and_its_examples_hold(path: Path) -> None:
    """It is valid as it is, and it shows by examples what it promises, a refusal among them."""
    policy = load_policy(read(path))
    assert policy.examples
    for example in policy.examples:
        verdict = judge_example(example, policy)
        assert verdict.decision.value == example.decision
        if example.code is not None:
            assert example.code in {denial.code.name for denial in verdict.denials}
    assert any(example.decision == "deny" for example in policy.examples)


@EACH
def test_no_ready_made_policy_lets_an_order_pass_without_a_person(path: Path) -> None:
    """Every order is put to a person at the terminal, where the assistant cannot answer."""
    confirmation = load_policy(read(path)).confirmation
    assert confirmation.required_above == 0
    assert confirmation.channel is Channel.TERMINAL


@EACH
def test_no_ready_made_policy_touches_real_money_or_orders_placed_by_hand(path: Path) -> None:
    """None is for `live`, and none cancels what guardian did not place."""
    policy = load_policy(read(path))
    assert policy.environment is not Environment.LIVE
    assert not policy.tools.cancel_foreign


@EACH
def test_a_ready_made_policy_teaches(path: Path) -> None:
    """It begins with words, every symbol says why its caps are what they are, and it fits a terminal."""
    text = read(path)
    assert text.startswith("# ")
    assert all(limits.reason for limits in load_policy(text).symbols.values())
    assert max(map(len, text.splitlines())) <= 120
    assert text.isascii()


def test_the_paper_policy_has_the_limits_of_the_testnet_policy() -> None:
    """What is learnt on paper holds on the testnet."""
    paper, testnet = ready_made("paper"), ready_made("testnet")
    assert (paper.environment, testnet.environment) == (Environment.PAPER, Environment.TESTNET)
    assert (paper.limits, paper.prices, paper.confirmation) == (testnet.limits, testnet.prices, testnet.confirmation)
    assert paper.symbols.keys() == testnet.symbols.keys() == {"BTCUSDT", "ETHUSDT"}
    for name in paper.symbols:
        assert replace(paper.symbols[name], reason=None) == replace(testnet.symbols[name], reason=None)


def test_the_testnet_policy_has_the_default_limits() -> None:
    """What the policy spells out is what a file that says nothing has."""
    testnet, bare = ready_made("testnet"), load_policy("schema = 1")
    assert (testnet.limits, testnet.prices, testnet.confirmation) == (bare.limits, bare.prices, bare.confirmation)
    assert (testnet.tools, testnet.accounting) == (bare.tools, bare.accounting)


def test_the_read_only_policy_allows_every_read_and_nothing_else() -> None:
    """A tool that reads is on the list; one that trades or cancels is not, and no symbol could be traded."""
    policy = ready_made("read-only")
    reads = {
        tool for tool, request in REQUESTS.items() if request.scope not in {RequestScope.TRADE, RequestScope.CANCEL}
    }
    assert policy.tools.allowed == reads
    assert policy.symbols == {}


def with_proof(text: str) -> str:
    """The policy with the one key that `live` demands besides."""
    text = re.sub(r"(?m)^proof = .*\n", "", text)
    if "[confirmation]\n" not in text:
        return text + '\n[confirmation]\nproof = "passkey"\n'
    return text.replace("[confirmation]\n", '[confirmation]\nproof = "passkey"\n')


@pytest.mark.parametrize("environment", ["demo", "live"])
def test_a_ready_made_policy_can_be_turned_to_another_environment(environment: str) -> None:
    """Changing the one word makes it the policy of another environment, examples included; `live` needs a proof too."""
    for path in READY_MADE:
        text = read(path)
        current = load_policy(text).environment.value
        turned = text.replace(f'environment = "{current}"', f'environment = "{environment}"')
        if environment == "live":
            assert 'proof = "passkey"' not in turned
            turned = with_proof(turned)
        assert load_policy(turned).environment is Environment(environment)
