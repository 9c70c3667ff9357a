"""Secrets that got where none belongs: recognised by their value, and replaced by a digest that opens nothing.

A model may put a confirmation token anywhere: in another argument, in a longer text, as a name, as the name of a tool.
The log has only digests of the tokens that were issued, so each piece of text that could be one is looked up. Pieces
are 24 URL-safe characters; what is hexadecimal throughout (digests, guardian's own client order ids) cannot be a token:
one in 10 to the 14th would be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from hashlib import sha256
from string import ascii_letters, digits
from typing import Final

from guardian.domain.codes import TOOLS, Code
from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX

TOKEN_LENGTH: Final = 24
_RUN: Final = re.compile(rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH},}}")
_LETTERS: Final = f"{ascii_letters}{digits}_-".encode()
_WORDS: Final = bytes(byte if byte in _LETTERS else ord(" ") for byte in range(256))
"""Leaves only what a token is made of, and blanks: ten times as fast as a regular expression."""
_DIGEST: Final = re.compile(rf"(?:{CLIENT_ORDER_ID_PREFIX})?[0-9a-f]+" "|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ORDINARY: Final = frozenset({*TOOLS, *(code.name for code in Code)})
"""Long words of guardian's own."""
_MAX_DEPTH: Final = 20


def token_digest(token: str) -> str:
    """Returns what a confirmation token is stored and looked up as."""
    return sha256(f"guardian/confirmation-token/v1/{token}".encode("utf-8", "surrogatepass")).hexdigest()


def short_digest(secret: str) -> str:
    """Returns what replaces a secret: it recognises the secret and opens nothing."""
    return f"sha256:{token_digest(secret)[:16]}"


def token_pieces(text: bytes) -> frozenset[str]:
    """Returns every piece of a text in UTF-8 that could be a token; most texts have none.

    It is called for every row.
    """
    pieces: set[str] = set()
    for word in [word for word in text.translate(_WORDS).split() if len(word) >= TOKEN_LENGTH]:
        if not _is_ordinary(run := word.decode()):
            pieces.update(run[start : start + TOKEN_LENGTH] for start in range(len(run) - TOKEN_LENGTH + 1))
    return frozenset(pieces)


def without(value: object, tokens: Collection[str]) -> object:
    """Returns the same data with these tokens replaced: in texts, in names, at any depth."""

    def hide(text: str) -> str:
        for token in tokens:
            text = text.replace(token, short_digest(token))
        return text

    return _changed(value, hide, _MAX_DEPTH)


def without_token_shapes(value: object) -> object:
    """Returns the same where no token can be looked up: everything that could be one is replaced."""

    def hidden(run: re.Match[str]) -> str:
        return run[0] if _is_ordinary(run[0]) else short_digest(run[0])

    return _changed(value, lambda text: _RUN.sub(hidden, text), _MAX_DEPTH)


def _is_ordinary(run: str) -> bool:
    return run in _ORDINARY or _DIGEST.fullmatch(run) is not None


def _changed(value: object, change: Callable[[str], str], depth: int) -> object:
    if isinstance(value, Enum):
        return value
    match value:
        case str():
            return change(value)
        case Mapping() if depth > 0:
            return {change(str(name)): _changed(item, change, depth - 1) for name, item in value.items()}
        case list() | tuple() if depth > 0:
            return [_changed(item, change, depth - 1) for item in value]
    return value
