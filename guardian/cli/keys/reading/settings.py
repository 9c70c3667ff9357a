"""Finds named values in a `.env` file or in the JSON of an MCP client, each with the lines that it is on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from guardian.domain.secrets import Secret

_ASSIGNED: Final = re.compile(
    r"""^[ \t]*(?:export[ \t]+|set[ \t]+|\$env:|-[ \t]+)?["']?([A-Za-z_][A-Za-z0-9_.-]*)["']?[ \t]*[=:][ \t]*"""
    r"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|`([^`]*)`|(-----BEGIN[^\n]*(?:\n(?!-----END)[^\n]*)*\n-----END[^\n]*)|([^\n]*))""",
    re.MULTILINE,
)
"""A name and its value: in quotes of three kinds, a PEM over several lines, or the rest of the line."""
_TOKEN: Final = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+', re.DOTALL)
_OPTION: Final = re.compile(r"--?([A-Za-z][A-Za-z0-9_-]*)(?:=(.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedValue:
    """One named value: `BINANCE_API_KEY` in a `.env`, or in the `env` or the `args` of a server."""

    name: str
    value: Secret
    first_line: int
    last_line: int


def env_settings(text: Secret) -> tuple[NamedValue, ...]:
    """Returns the assignments of a `.env` file or a shell's script, also those over several lines."""
    whole = text.reveal().replace("\r\n", "\n").replace("\r", "\n")
    return tuple(_assigned(whole))


def _assigned(whole: str) -> Iterator[NamedValue]:
    for found in _ASSIGNED.finditer(whole):
        name, *quoted, block, plain = found.groups()
        value = next((one for one in (*quoted, block) if one is not None), None)
        if value is None:
            value = re.sub(r"[ \t]+#.*", "", plain).strip()
        yield NamedValue(
            name=name,
            value=Secret(value),
            first_line=whole.count("\n", 0, found.start(1)) + 1,
            last_line=whole.count("\n", 0, found.end()) + 1,
        )


def client_settings(text: Secret) -> tuple[NamedValue, ...]:
    """Returns every named text of a JSON document, and every option of its lists (`"--api-key", "..."`).

    Comments and trailing commas, which some clients take, are passed over; what is no JSON gives what was found of it.
    """
    return tuple(_named(text.reveal()))


def _named(whole: str) -> Iterator[NamedValue]:
    tokens = [found for found in _TOKEN.finditer(whole) if not found[0].startswith(("//", "/*"))]
    for place, token in enumerate(tokens):
        text = _string(token[0])
        if text is None:
            continue
        before = tokens[place - 1][0] if place else ""
        option = _OPTION.match(text)
        name: str | None = None
        value = text
        if before == ":" and place >= 2:
            name = _string(tokens[place - 2][0])
        elif option is not None and option[2] is not None:
            name, value = option[1], option[2]
        elif before == "," and place >= 2:
            earlier = _OPTION.match(_string(tokens[place - 2][0]) or "")
            name = earlier[1] if earlier is not None and earlier[2] is None else None
        if name is not None:
            yield NamedValue(
                name=name,
                value=Secret(value),
                first_line=whole.count("\n", 0, token.start()) + 1,
                last_line=whole.count("\n", 0, token.end()) + 1,
            )


def _string(token: str) -> str | None:
    if not token.startswith('"'):
        return None
    try:
        value = json.loads(token, strict=False)
    except ValueError:
        return None
    return value if isinstance(value, str) else None
