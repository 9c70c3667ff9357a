"""Text that came from outside, made safe to show: no control, bidirectional or invisible characters, bounded."""

from __future__ import annotations

import unicodedata
from typing import Final

# Cc control, Cf format (bidi, zero-width, tags), Cs surrogates, Co private use, Cn unassigned, Zl and Zp line breaks.
_DROPPED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Invisible, though Unicode files them under letters, marks or symbols.
_INVISIBLE: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)


def clean_text(text: str, limit: int) -> str:
    """`text` without characters that cannot be seen or that reorder others, at most `limit` characters long.

    Line breaks and tabs become single spaces, so that two words do not become one.
    """
    kept = []
    for character in text[: limit * 4]:
        if character in "\t\n\r\u2028\u2029":
            kept.append(" ")
        elif character not in _INVISIBLE and unicodedata.category(character) not in _DROPPED_CATEGORIES:
            kept.append(character)
    return " ".join("".join(kept).split())[:limit]
