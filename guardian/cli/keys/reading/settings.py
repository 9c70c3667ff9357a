"""Finds named values in a `.env` file or in the JSON of an MCP client, each with the lines that it is on."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from guardian.domain.secrets import Secret

_ASSIGNED: Final = re.compile(
    r"""^[ \t]*(?:export[ \t]+|set[ \t]+|\$env:|-[ \t]+)?["']?([A-Za-z_][A-Za-z0-9_.-]*)["']?[ \t]*[=:][ \t]*"""
    r"""(?:"((?:[^"\\]|\\.){0,9999})"|'([^']{0,9999})'|`([^`]{0,9999})`|(-----BEGIN[^\n]*(?:\n(?!-----END)[^\n]*){0,200}\n-----END[^\n]*)|([^\n]*))""",
    re.MULTILINE,
)
"""A name and its value: in quotes of three kinds, a PEM over several lines, or the rest of the line.

What a quote or a PEM may span is bounded, so that a long file of which each line opens one is read in a moment.
"""
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
    line_of = _lines(whole)
    for found in _ASSIGNED.finditer(whole):
        name, *quoted, block, plain = found.groups()
        value = next((one for one in (*quoted, block) if one is not None), None)
        if value is None:
            value = re.sub(r"[ \t]+#.*", "", plain).strip()
        yield NamedValue(
            name=name,
            value=Secret(value),
            first_line=line_of(found.start(1)),
            last_line=line_of(found.end()),
        )


def client_settings(text: Secret) -> tuple[NamedValue, ...]:
    """Returns every named text of a JSON document, and every option of its lists (`"--api-key", "..."`).

    Comments and trailing commas, which some clients take, are passed over; what is no JSON gives what was found of it.
    """
    return tuple(_named(text.reveal()))


def _named(whole: str) -> Iterator[NamedValue]:
    line_of = _lines(whole)
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
            first, last = line_of(token.start()), line_of(token.end())
            yield NamedValue(name=name, value=Secret(value), first_line=first, last_line=last)


def _lines(whole: str) -> Callable[[int], int]:
    """Returns what finds the line, from 1, of a place in a text."""
    ends = [found.start() for found in re.finditer("\n", whole)]
    return lambda place: bisect_left(ends, place) + 1


def _string(token: str) -> str | None:
    if not token.startswith('"'):
        return None
    try:
        value = json.loads(token, strict=False)
    except ValueError:
        return None
    return value if isinstance(value, str) else None
