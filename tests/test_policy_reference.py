"""`policies/README.md` is true of the code: its keys, their types and defaults, and its codes."""

from __future__ import annotations

import re

import pytest

from guardian.cli.app import COMMANDS
from guardian.domain.codes import Code
from guardian.errors import PolicyInvalid
from guardian.policy.loading import examples
from guardian.policy.loading.load import load_policy
from tests.reference.codes import WHAT_TO_DO
from tests.reference.keys import GIVEN, KEYS
from tests.reference.page import COMMAND, PAGE, SYMBOL, known_keys, page

PAPER = {"endpoint": '"http://127.0.0.1:1"', "api_key": '"any"', "api_secret": '"any"'}


def with_value(key: str, literal: str) -> str:
    """A policy that is valid but for what this literal makes of it."""
    section, _, name = key.rpartition(".")
    if section == "paper":
        values = {**PAPER, name: literal}
        return 'schema = 1\nenvironment = "paper"\n[paper]\n' + "".join(f"{k} = {v}\n" for k, v in values.items())
    if section == "symbols.X":
        kept = [line for line in SYMBOL.splitlines() if not line.startswith(name + " ")]
        return "\n".join(["schema = 1", *kept, f"{name} = {literal}", ""])
    top = f"{name} = {literal}\n" if not section else f"[{section}]\n{name} = {literal}\n"
    if literal == '"live"':
        top += '[confirmation]\nproof = "passkey"\n'
    return top if name == "schema" else f"schema = 1\n{top}"


def test_the_page_is_what_the_code_says() -> None:
    """Byte for byte; the message says how to write it again."""
    assert PAGE.read_text("utf-8") == page(), f"write it again: {COMMAND}"


def test_every_key_of_a_policy_is_in_the_reference() -> None:
    """The keys that the loader reads, in its order, no more and no fewer."""
    assert known_keys() == list(KEYS)


def test_everything_that_an_example_may_be_given_is_in_the_reference() -> None:
    """The keys of `given`, no more and no fewer."""
    assert GIVEN.keys() == examples.GIVEN.keys()


@pytest.mark.parametrize("key", KEYS)
def test_a_key_has_the_type_that_the_reference_says(key: str) -> None:
    """Each literal of the type is accepted for the key, and each literal outside it is a mistake at that key."""
    for literal in KEYS[key].kind.accepted:
        load_policy(with_value(key, literal))
    for literal in KEYS[key].kind.refused:
        with pytest.raises(PolicyInvalid) as caught:
            load_policy(with_value(key, literal))
        dotted = key.replace("symbols.X", "symbols.BTCUSDT")
        assert all(mistake.key.startswith(dotted) for mistake in caught.value.mistakes), literal


def test_every_code_says_what_to_do() -> None:
    """A code without an instruction, or an instruction without a code, is a mistake."""
    assert list(WHAT_TO_DO) == list(Code)
    assert all(re.fullmatch(r"[A-Z].*\.", text) for text in WHAT_TO_DO.values())


def test_every_code_is_category_and_condition() -> None:
    """Codes read CATEGORY_CONDITION."""
    assert all(re.fullmatch(r"[A-Z]+(_[A-Z]+)+", code.name) for code in Code)


def test_what_the_reference_names_exists() -> None:
    """Each command, and each key in the words of a code or of another key, exists."""
    text = page()
    for command in re.findall(r"`guardian ([a-z]+)", text):
        assert command in COMMANDS
    names = set(known_keys())
    for key in re.findall(r"`((?:limits|prices|confirmation|tools|accounting)\.[a-z_]+)`", text):
        assert key in names, key
