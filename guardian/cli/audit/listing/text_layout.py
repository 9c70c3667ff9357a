"""Lays words out in lines that a terminal holds: by its columns, and never folded inside a word that fits."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from guardian.cli.support.render import Tone, styled

Piece = tuple[str, Tone | None]
"""A text and the tone that it is shown in. The text is cleaned: each character takes up a cell or two."""


def cells(text: str) -> int:
    """Returns how many columns of a terminal a text takes up; a text in Chinese has two for each character."""
    if text.isascii():
        return len(text)
    return sum(_cells_of(character) for character in text)


def _cells_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def wrapped(pieces: Sequence[Piece], width: int) -> list[list[Piece]]:
    """Returns the words of these texts in lines of no more than `width` columns, each word with its tone.

    A word that is wider than a line is the only one that is folded. There is one line at least.
    """
    lines: list[list[Piece]] = [[]]
    used = 0
    for word, tone in _words(pieces, max(width, 2)):
        taken = cells(word)
        if lines[-1] and used + 1 + taken > width:
            lines.append([])
            used = 0
        used += taken + (1 if lines[-1] else 0)
        lines[-1].append((word, tone))
    return lines


def _words(pieces: Iterable[Piece], width: int) -> Iterator[Piece]:
    for text, tone in pieces:
        for word in text.split():
            rest = word
            while cells(rest) > width:
                head = _head(rest, width)
                yield head, tone
                rest = rest[len(head) :]
            yield rest, tone


def _head(word: str, width: int) -> str:
    """Returns as much of a word as fits."""
    used = 0
    for number, character in enumerate(word):
        used += _cells_of(character)
        if used > width:
            return word[:number]
    return word


def painted(line: Sequence[Piece], *, in_colour: bool) -> str:
    """Returns the words of a line, joined, with neighbours of one tone styled together."""
    runs: list[tuple[list[str], Tone | None]] = []
    for word, tone in line:
        if runs and runs[-1][1] is tone:
            runs[-1][0].append(word)
        else:
            runs.append(([word], tone))
    texts = ((" ".join(words), tone) for words, tone in runs)
    return " ".join(styled(text, tone) if in_colour else text for text, tone in texts)
