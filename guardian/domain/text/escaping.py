"""Escapes text from outside for terminals and logs: on one line, with every hidden character visible.

`guardian.exchange.clean_text` drops such characters instead, from what the exchange says and the assistant reads.
"""

from __future__ import annotations

from typing import Final

UNSEEN: Final = frozenset(
    chr(code)
    for code in (
        0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0,
        *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0),
    )
)  # fmt: skip
"""Printable by Unicode's word, yet unseen: variation selectors, fillers, joiners, the blank braille pattern."""


def clean(text: str, most: int | None = None) -> str:
    """`text` on one line with every character escaped that could move the cursor, hide, or change the reading order.

    Control characters (so all ANSI sequences too), line ends, bidirectional marks, zero-width and unassigned
    characters and odd spaces come out as `\\x1b`, `\\u202e` and so on. Of a text longer than `most` characters the
    rest is left out, and that is said.
    """
    if most is not None and len(text) > most:
        return f"{clean(text[:most])}(cut, {len(text)} characters)"
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() and c not in UNSEEN else _escaped(c) for c in text)


def clean_strings(data: object) -> object:
    """JSON data with every text in it cleaned, names included."""
    match data:
        case str():
            return clean(data)
        case dict():
            return {clean(str(name)): clean_strings(item) for name, item in data.items()}
        case list():
            return [clean_strings(item) for item in data]
    return data


def _escaped(character: str) -> str:
    code = ord(character)
    if code <= 0xFF:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
