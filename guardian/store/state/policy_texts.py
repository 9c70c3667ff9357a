"""The text of a policy as the log has it: without the keys of a paper exchange. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

TEXTS: Final = frozenset({"policy_text", "text"})
"""The columns that hold the text of a policy."""
DIGEST: Final = "_sha256"
"""How the name ends that an image has for the digest of the whole text, where the text is not whole."""
HIDDEN: Final = "(not in the log)"

_NAMES: Final = frozenset({"api_key", "api_secret"})
_KEY: Final = re.compile(
    r"""(\bapi_(?:key|secret)\b["']?\s*=\s*)("{3}.*?"{3}|'{3}.*?'{3}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')""", re.DOTALL
)


def with_hidden_keys(image: dict[str, object]) -> dict[str, object]:
    """Returns an image of a row, whose texts of policies have no key in them; such a text has its digest besides."""
    found = dict(image)
    for name in TEXTS & image.keys():
        text = image[name]
        if isinstance(text, str) and (kept := without_keys(text)) != text:
            found[name] = kept
            found[name + DIGEST] = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return found


def without_keys(text: str) -> str:
    """Returns the text of a policy without its keys; nothing of it where one is written so that it is not found."""
    if "api" not in text and "\\" not in text:
        return text
    try:
        keys = set(_keys_in(tomllib.loads(text)))
    except (tomllib.TOMLDecodeError, RecursionError):
        return HIDDEN
    kept = _KEY.sub(rf'\1"{HIDDEN}"', text)
    if keys and (kept == text or any(key and key in kept for key in keys)):
        return HIDDEN
    return kept if keys else text


def _keys_in(found: object) -> Iterator[str]:
    match found:
        case dict():
            for name, value in found.items():
                if name in _NAMES and isinstance(value, str):
                    yield value
                else:
                    yield from _keys_in(value)
        case list():
            for value in found:
                yield from _keys_in(value)
