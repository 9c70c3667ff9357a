"""The known word that a mistyped one is most like."""

from __future__ import annotations

import pytest

from guardian.domain.text.nearest import nearest


@pytest.mark.parametrize(("word", "like"), [("polcy", "policy"), ("keyz", "keys"), ("zzz", None), ("", None)])
def test_most_similar_word_is_named_and_none_where_none_is_similar(word: str, like: str | None) -> None:
    """A slip of the finger leads to the word; something else to none."""
    assert nearest(word, ("policy", "keys", "status")) == like


def test_long_word_is_not_compared_as_a_whole() -> None:
    """A megabyte of input costs no more than a word."""
    assert nearest("policy" + "y" * 1_000_000, ("policy",)) is None
