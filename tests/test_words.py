"""The words of the code and its documents: plain English and the field's own words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parent.parent

INSTEAD_OF: Final = {
    "told": "returned, reported, known, warned",
    "tells": "returns, reports, shows, says",
    "anew": "again",
    "nought": "zero",
    "by way of": "through",
    "be had": "is available, is obtained",
    "is none": "is missing, there is no ...",
    "so many": "the number, N",
    "asked for": "requested, queried, needed",
    "heed": "handle",
    "heeds": "handles",
    "heeded": "handled",
    "heeding": "handling",
    "suffer": "get, have",
    "suffers": "gets, has",
    "suffered": "got, had",
    "suffering": "faulted, with faults injected",
    "stands": "is, is written, represents",
    "goes on": "continues, remains",
    "went on": "continued",
    "have their say": "are asked, are superseded",
    "had their say": "were asked, were superseded",
    "became of": "the outcome, the result",
    "once for all": "once",
    "of now": "current",
    "of then": "at that time",
    "the like": "others, similar",
    "no such thing": "nothing, no",
}
"""Words and phrases that the code does not use, and what a reader would search for instead."""

_BETWEEN: Final = r"[\s#\"'_]+"
_BANNED: Final = re.compile(
    r"(?<![a-z0-9])(?:" + "|".join(_BETWEEN.join(words.split()) for words in INSTEAD_OF) + r")(?![a-z0-9])"
)
"""A phrase is found over a line's end too, and in an identifier between its underscores."""


def written() -> Iterator[Path]:
    """What is read: the code of guardian, and the documents."""
    yield from sorted((ROOT / "guardian").rglob("*.py"))
    yield from sorted((ROOT / "guardian").rglob("*.md"))
    yield from sorted(
        path for folder in ("policies", ".github") for path in (ROOT / folder).rglob("*") if path.is_file()
    )
    yield from (ROOT / "README.md", ROOT / "policy.example.toml", ROOT / "pyproject.toml")


def found_in(text: str) -> list[tuple[int, str]]:
    """Each banned word of a text with its line. Class names count by their parts: `ToldRow` has `told`."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text.replace("None", "-")).lower()
    return [
        (split.count("\n", 0, hit.start()) + 1, " ".join(re.split(_BETWEEN, hit[0]))) for hit in _BANNED.finditer(split)
    ]


def mistakes(paths: Iterator[Path]) -> list[str]:
    """Each banned word with its place and what to write instead."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {word} -> {INSTEAD_OF[word]}"
        for path in paths
        for line, word in found_in(path.read_text("utf-8"))
    ]


def test_the_words_are_the_fields() -> None:
    """No banned word in comments, docstrings, messages, identifiers and documents."""
    assert mistakes(written()) == []


@pytest.mark.parametrize(
    "text",
    [
        "what it was told",
        "def told_once() -> None: ...",
        "class ToldRow: ...",
        "# the work goes\n    # on",
        '"it could not be "\n    "had"',
        "IS_NONE = 1",
    ],
)
def test_a_banned_word_is_found_wherever_it_is(text: str) -> None:
    """In a sentence, an identifier, a class name, a comment or a message over two lines, a constant."""
    assert len(found_in(text)) == 1


@pytest.mark.parametrize("text", ["is not None", "understands", "untold", "x is None", "as of nowhere", "goes only"])
def test_other_words_are_let_alone(text: str) -> None:
    """A longer word that has a banned one in it is none, and neither is Python's `is None`."""
    assert found_in(text) == []
