"""The text of a policy as the log has it: without the keys of a paper exchange. Pure.

A database that is made from the log has these texts, and so no digest of a text with keys.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
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


def is_rebuilt(image: Mapping[str, object], logged: Mapping[str, object]) -> bool:
    """Whether an image differs from the log's in nothing but that it is of a row that was made from the log.

    Its texts of policies are then those of the log, without their keys, and so are whole.
    """
    digests = {name + DIGEST for name in TEXTS} & (logged.keys() - image.keys())
    if not digests or not all(HIDDEN in str(logged.get(name.removesuffix(DIGEST))) for name in digests):
        return False
    return image == {name: value for name, value in logged.items() if name not in digests}


def without_keys(text: str) -> str:
    """Returns the text of a policy without its keys; nothing of it where one is written so that it is not found."""
    if "api" not in text and "\\" not in text:
        return text
    try:
        keys = set(_keys_in(tomllib.loads(text)))
    except (tomllib.TOMLDecodeError, RecursionError):
        return HIDDEN
    if not keys:
        return text
    kept = _KEY.sub(rf'\1"{HIDDEN}"', text)
    if kept == text or any(key and key in kept for key in keys) or without_keys(kept) != kept:
        return HIDDEN
    return kept


def _keys_in(found: object) -> Iterator[str]:
    match found:
        case dict():
            for name, value in found.items():
                if name in _NAMES and isinstance(value, str):
                    if value != HIDDEN:
                        yield value
                else:
                    yield from _keys_in(value)
        case list():
            for value in found:
                yield from _keys_in(value)
