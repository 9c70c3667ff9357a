"""Text that did not come from guardian is shown on one line, and nothing in it moves, hides or turns."""

from __future__ import annotations

import pytest

from guardian.domain.text.escaping import clean, clean_strings


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("two\nlines\r\tand a tab", "two\\nlines\\r\\tand a tab"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202eturned", "\\u202eturned"),
        ("a\u200bb\ufe0f", "a\\u200bb\\ufe0f"),
        ("\U000e0100", "\\U000e0100"),
        ("\u5e01\u5b89", "\u5e01\u5b89"),
    ],
)
def test_what_could_move_hide_or_turn_is_escaped(text: str, shown: str) -> None:
    """Line ends, escape sequences, bidirectional marks and unseen characters come out as their code."""
    assert clean(text) == shown


def test_long_text_is_cut_and_that_is_said() -> None:
    """The rest of a text that is longer than `most` is left out."""
    assert clean("x" * 12, most=10) == "x" * 10 + "(cut, 12 characters)"
    assert clean("x" * 10, most=10) == "x" * 10


def test_every_text_in_json_data_is_cleaned() -> None:
    """Names and values at any depth; what is no text stays as it is."""
    data = {"a\n": ["\x07", {"b": "c\r"}, 1, None]}
    assert clean_strings(data) == {"a\\n": ["\\x07", {"b": "c\\r"}, 1, None]}
