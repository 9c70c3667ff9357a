"""Cleans text of the exchange for the assistant: no control, bidirectional or invisible characters, bounded.

`guardian.domain.text.escaping` shows such characters instead, escaped, where a person looks for what was really said.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from guardian.domain.text.escaping import UNSEEN

# Cc control, Cf format (bidi, zero-width, tags), Cs surrogates, Co private use, Cn unassigned, Zl and Zp line breaks.
_DROPPED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def clean_text(text: str, limit: int) -> str:
    """Returns `text` without characters that are invisible or reorder others, at most `limit` characters long.

    Line breaks and tabs become single spaces, so that two words do not become one.
    """
    kept = []
    for character in text[: limit * 4]:
        if character in "\t\n\r\u2028\u2029":
            kept.append(" ")
        elif character not in UNSEEN and unicodedata.category(character) not in _DROPPED_CATEGORIES:
            kept.append(character)
    return " ".join("".join(kept).split())[:limit]
