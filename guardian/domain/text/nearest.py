"""The known word that a mistyped one is most like."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_MOST_COMPARED: Final = 64
"""Characters of the mistyped word that are compared: comparing takes time by its length."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that is most like this one, or None where none is."""
    from difflib import get_close_matches  # here and not at the top: most words are typed right

    found = get_close_matches(word[:_MOST_COMPARED], list(known), n=1, cutoff=0.5)
    return found[0] if found else None
