"""Texts that mean harm: the answer is always PolicyInvalid or a policy, soon, and never another exception."""

from __future__ import annotations

import string
import time
from decimal import Inexact
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guardian.errors import PolicyInvalid, PolicyMistake
from guardian.policy import engine
from guardian.policy.loading.lines import MAX_DEPTH, NestsTooDeep, find_lines
from guardian.policy.loading.load import MAX_CHARACTERS, MAX_EXAMPLES, load_policy
from tests.support.profiles import tries

EXAMPLE = (Path(__file__).parents[3] / "policy.example.toml").read_text(encoding="utf-8")
SOON_S = 10.0
"""Far above what each takes (under a second): it tells a slow way from one that never ends."""

HOSTILE = {
    "nothing": "",
    "a megabyte": "#" * 1_000_000,
    "just too long": "#" * (MAX_CHARACTERS + 1),
    "a NUL": "schema = 1\n# \0\n",
    "a NUL in a string": 'schema = 1\nenvironment = "paper\0"',
    "a lone surrogate": 'schema = 1\nenvironment = "\ud800"',
    "a lone surrogate in a comment": "schema = 1 # \udfff",
    "lone carriage returns": "schema = 1\rx = 2\r",
    "two byte order marks": "\ufeff\ufeffschema = 1",
    "lists in lists": "schema = 1\nx = " + "[" * 50_000,
    "lists in lists, closed": "schema = 1\nx = " + "[" * 20_000 + "]" * 20_000,
    "tables in tables": "schema = 1\nx = " + "{ a = " * 20_000,
    "a key of a hundred thousand parts": "a." * 100_000 + "a = 1",
    "a header of a hundred thousand parts": "[" + "a." * 100_000 + "a]",
    "a quoted key of many parts": '"a".' * 50_000 + "a = 1",
    "dots alone": "." * 200_000,
    "brackets alone": "]" * 200_000,
    "headers alone": "[" * 200_000,
    "equal signs alone": "=" * 200_000,
    "quotes alone": '"' * 200_000,
    "quotes and backslashes": '"\\' * 100_000,
    "unclosed long strings": 'x = """' + '\\"""' * 60_000 + "\\",
    "apostrophes": "'" * 200_000,
    "words without an equal sign": "a " * 100_000,
    "an integer of a quarter million digits": "schema = " + "9" * 250_000,
    "an integer of many hexadecimal digits": "schema = 0x" + "f" * 200_000,
    "a float of many digits": "schema = 0." + "9" * 200_000,
    "a string of many digits": 'schema = 1\n[limits]\nmax_open_notional = "' + "9" * 200_000 + '"',
    "many keys": "".join(f"k{n} = 1\n" for n in range(25_000)),
    "many tables": "".join(f"[t{n}]\n" for n in range(25_000)),
    "many symbols": "schema = 1\n" + "".join(f"[symbols.S{n:05}]\n" for n in range(12_000)),
    "many windows": "schema = 1\n[limits]\nmax_orders = [" + "{}," * 60_000 + "]",
    "many tools": "schema = 1\n[tools]\ndeny = [" + '"get_ticker",' * 15_000 + "]",
    "many unknown tools": "schema = 1\n[tools]\ndeny = [" + ",".join(f'"t{n}"' for n in range(5_000)) + "]",
    "many examples": "schema = 1\n" + "[[examples]]\n" * (MAX_EXAMPLES + 1),
    "a long unknown key": "x" * 200_000 + " = 1",
    "digits of another script": "schema = \uff11",
    "a date that is none": "schema = 2026-13-45",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_is_an_invalid_policy_and_nothing_worse(text: str) -> None:
    """Size, depth and odd characters are mistakes like any other, found in bounded time, with a message to match."""
    started = time.process_time()  # what else the machine does is no fault of the reader
    with pytest.raises(PolicyInvalid) as raised:
        load_policy(text)
    assert time.process_time() - started < SOON_S
    assert raised.value.mistakes
    for mistake in raised.value.mistakes:
        assert len(str(mistake)) < 700
        assert str(mistake).isascii()
        assert str(mistake).isprintable()


def test_the_largest_valid_text_is_read() -> None:
    """The bound on length is on what is too long, not on what is long."""
    text = "schema = 1\n#"
    load_policy(text + "x" * (MAX_CHARACTERS - len(text)))


def test_a_text_nested_as_deep_as_allowed_is_left_to_toml() -> None:
    """The bound on depth leaves room for everything that a policy can say."""
    find_lines("x = " + "[" * MAX_DEPTH + "]" * MAX_DEPTH)
    find_lines(".".join("a" * MAX_DEPTH) + " = 1")
    with pytest.raises(NestsTooDeep):
        find_lines("x = " + "[" * (MAX_DEPTH + 1))
    with pytest.raises(NestsTooDeep):
        find_lines(".".join("a" * (MAX_DEPTH + 1)) + " = 1")


def test_arithmetic_that_fails_is_a_mistake_of_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact arithmetic raises rather than round; numbers that it cannot work with make the policy invalid."""

    def raises(*_: object) -> NoReturn:
        raise Inexact

    monkeypatch.setattr(engine, "judge_order", raises)
    with pytest.raises(PolicyInvalid, match="its numbers cannot be worked with"):
        load_policy(EXAMPLE)


def _loads_or_is_invalid(text: str) -> None:
    mistakes: tuple[PolicyMistake, ...] = ()
    try:
        policy = load_policy(text)
    except PolicyInvalid as error:
        mistakes = error.mistakes
    else:
        assert policy.text == text
        return
    assert mistakes
    assert all(mistake.line is None or mistake.line >= 1 for mistake in mistakes)


@given(st.text(max_size=400))
@example("x = '''")
@example('"""\\')
@example("[[")
@example("}={")
@example("x = ]")
@example("x = 1, 2")
def test_any_text_loads_or_is_invalid(text: str) -> None:
    """No text brings out another exception."""
    _loads_or_is_invalid(text)


_TOML_PIECES = st.sampled_from(
    [
        *"[]{}=.,\"'#\\ \n",
        *('"""', "'''", "[[", "]]", "\r\n", "1.5", "nan", "0x", "true", "2026-01-01", '"5m"'),
        *("max_orders", "given", "order", "expect", "paper"),
        *("schema = 1\n", "[limits]\n", "[symbols.BTCUSDT]\n", "[[examples]]\n"),
    ]
)


@given(st.lists(_TOML_PIECES, max_size=60))
def test_any_pieces_of_toml_load_or_are_invalid(pieces: list[str]) -> None:
    """What looks like TOML brings out no other exception either."""
    _loads_or_is_invalid("".join(pieces))


@settings(max_examples=tries(300))
@given(
    st.integers(0, len(EXAMPLE) - 1),
    st.integers(0, 40),
    st.text(alphabet=string.printable + "é\0\u202e\uff11", max_size=20),
)
def test_the_example_policy_with_any_wound_loads_or_is_invalid(at: int, cut: int, put: str) -> None:
    """A good file with something cut out and something put in is a policy or a list of mistakes."""
    _loads_or_is_invalid(EXAMPLE[:at] + put + EXAMPLE[at + cut :])


_NUMBER = st.one_of(
    st.integers().map(str),
    st.floats().map(repr),
    st.decimals().map(str),
    st.text(alphabet="0123456789.-+e_%msh", max_size=24),
)


@settings(max_examples=tries(300))
@given(
    st.sampled_from(["bid", "ask", "average", "entered", "open", "position", "offered", "free", "tick", "step"]),
    _NUMBER,
    _NUMBER,
)
def test_any_numbers_in_an_example_load_or_are_invalid(key: str, number: str, quantity: str) -> None:
    """Whatever an example is given, it is judged or refused: arithmetic never gets out."""
    given_by = {"bid": "1", "ask": "1"} | {key: number}
    fields = ", ".join(f'{name} = "{value}"' for name, value in given_by.items())
    _loads_or_is_invalid(
        "schema = 1\n[symbols.BTCUSDT]\nmax_notional = 100\nmax_quantity = 1\nmax_position = 1\n"
        f'[[examples]]\nname = "x"\ngiven = {{ {fields} }}\nexpect = {{ decision = "deny" }}\n'
        f'order = {{ symbol = "BTCUSDT", side = "SELL", order_type = "MARKET", quantity = "{quantity}" }}\n'
    )
