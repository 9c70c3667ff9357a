"""The names of symbols and assets: what the exchange lists, and nothing that a reader cannot see.

Binance lists names in any script since December 2025 (its testnet, for one, has a symbol in Chinese). Names are
compared exactly, code point by code point: nothing is folded, normalised or put into capitals. A name that is not in
Unicode's form NFKC is refused: it is another way to write a name that looks the same, as with full-width letters.
"""

from __future__ import annotations

import unicodedata
from typing import Final

LONGEST_NAME: Final = 40

NAME_RULE: Final = "1 to 40 letters, digits and _, in capitals, exactly as the exchange lists it"

# Letters of any script (Lu, Ll, Lt, Lm, Lo) and decimal digits (Nd). Combining marks are left out: they change or hide
# the letter before them.
_KINDS: Final = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nd"})
# Letters by their category, and yet nothing is drawn: the Hangul fillers.
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0")


def is_listed_name(text: str) -> bool:
    """Whether `text` can be the name of a symbol or an asset on the exchange's lists."""
    if not 1 <= len(text) <= LONGEST_NAME:
        return False
    if text.isascii():
        return text.replace("_", "a").isalnum()
    is_visible = all(
        character == "_" or (unicodedata.category(character) in _KINDS and character not in _FILLERS)
        for character in text
    )
    return is_visible and unicodedata.is_normalized("NFKC", text)


def is_name(text: str) -> bool:
    """Whether `text` can be requested as a symbol or an asset: as listed, and without the letters a to z.

    The exchange refuses those; nearly always they are a name that was not written in capitals.
    """
    return is_listed_name(text) and not any("a" <= character <= "z" for character in text)
