"""Reads JSON with the place of each member, so that one member can be changed and every other byte stays.

With `comments` the document may have comments and trailing commas, as VS Code takes them. They are read as spaces of
the same length: what remains is JSON, each offset in it is an offset in the text, and the standard library's decoder
judges it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_NOT_LINE_END: Final = re.compile(r"[^\n\r]")
_TOKEN: Final = re.compile(
    r'"(?:[^"\\\n]|\\.)*"'  # a string
    r"|//[^\n\r]*|/\*.*?\*/"  # a comment
    r'|[\[\]{},]|[^\s"/\[\]{},]+|\s+|.',
    re.DOTALL,
)


class JsonMistake(ValueError):
    """The text is not the JSON that was expected. `line` and `column` begin at 1."""

    def __init__(self, message: str, text: str, offset: int) -> None:
        before = text[:offset]
        self.line = before.count("\n") + 1
        self.column = offset - (before.rfind("\n") + 1) + 1
        self.message = message
        super().__init__(f"line {self.line}, column {self.column}: {message}")


@dataclass(frozen=True, slots=True)
class NumberText:
    """A number as it is written: no number is converted."""

    text: str


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object: from `start`, the quote before its name, up to `end`, behind its value."""

    name: str
    value: object
    """Each of its numbers is a NumberText."""
    start: int
    value_start: int
    end: int


@dataclass(frozen=True, slots=True)
class JsonObject:
    """An object from `start`, its brace, up to `end`, behind its other brace."""

    members: tuple[Member, ...]
    start: int
    end: int

    def member(self, name: str) -> Member | None:
        """Returns the member of that name, None where it is missing."""
        return next((one for one in self.members if one.name == name), None)


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A text that holds one JSON object, or nothing but spaces and comments: then there is no root."""

    text: str
    plain: str
    """The text with spaces in the place of each comment and trailing comma."""
    trailing_commas: tuple[int, ...]
    """The offset of each."""
    root: JsonObject | None

    def object_of(self, member: Member) -> JsonObject:
        """Returns the object that the member holds. Raises JsonMistake where it holds something else."""
        if self.plain[member.value_start] != "{":
            raise JsonMistake(f"`{member.name}` is not an object", self.text, member.value_start)
        return _object_at(self.plain, member.value_start)


def parse(text: str, *, comments: bool) -> JsonDocument:
    """Reads a text without a byte order mark.

    Raises:
        JsonMistake: it is not JSON, its root is no object, or an object in it has a name twice.
    """
    plain, commas = _without_comments(text) if comments else (text, ())
    start = _after_space(plain, 0)
    if start == len(plain):
        return JsonDocument(text, plain, commas, root=None)
    if plain[start] != "{":
        _value_at(plain, start)  # what is no JSON at all is reported as that
        raise JsonMistake("the document is not an object", text, start)
    root = _object_at(plain, start)
    rest = _after_space(plain, root.end)
    if rest != len(plain):
        raise JsonMistake("something follows the document's end", text, rest)
    return JsonDocument(text, plain, commas, root)


def _without_comments(text: str) -> tuple[str, tuple[int, ...]]:
    """The text with spaces for comments and trailing commas, and where these commas are."""
    pieces: list[str] = []
    commas: list[int] = []
    last = before_last = ""
    last_at = (0, 0)  # the piece and the offset of `last`
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token.startswith(("//", "/*")):
            pieces.append(_NOT_LINE_END.sub(" ", token))
            continue
        pieces.append(token)
        if token.isspace():
            continue
        if token in {"}", "]"} and last == "," and before_last not in {"", ",", "{", "["}:
            pieces[last_at[0]] = " "
            commas.append(last_at[1])
        last_at = (len(pieces) - 1, match.start())
        before_last, last = last, token
    return "".join(pieces), tuple(commas)


def _after_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return offset if match is None else match.end()


def _object_at(text: str, start: int) -> JsonObject:
    members: list[Member] = []
    names: set[str] = set()
    offset = _after_space(text, start + 1)
    while text[offset : offset + 1] != "}":
        if members:
            if text[offset : offset + 1] != ",":
                raise JsonMistake("a comma is missing", text, offset)
            offset = _after_space(text, offset + 1)
        if text[offset : offset + 1] != '"':
            raise JsonMistake("a name in double quotes is missing", text, offset)
        name, end = _value_at(text, offset)
        colon = _after_space(text, end)
        if text[colon : colon + 1] != ":":
            raise JsonMistake("a colon is missing", text, colon)
        value_start = _after_space(text, colon + 1)
        value, end = _value_at(text, value_start)
        if str(name) in names:
            raise JsonMistake("the same name a second time", text, offset)
        names.add(str(name))
        members.append(Member(name=str(name), value=value, start=offset, value_start=value_start, end=end))
        offset = _after_space(text, end)
    return JsonObject(members=tuple(members), start=start, end=offset + 1)


def _value_at(text: str, offset: int) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, offset)
    except json.JSONDecodeError as error:
        raise JsonMistake(error.msg[:1].lower() + error.msg[1:], text, error.pos) from None
    except _Repeated:
        if text[offset] == "{":
            _object_at(text, offset)  # reports the name itself, unless it is further in
        raise JsonMistake("an object in here has the same name twice", text, offset) from None
    except RecursionError:
        raise JsonMistake("too deep", text, offset) from None
    except StopIteration:  # raised by the decoder at the end of a text
        raise JsonMistake("a value is missing", text, offset) from None
    except _NoNumber:
        raise JsonMistake("a number that JSON does not have", text, offset) from None


class _Repeated(Exception):
    pass


class _NoNumber(Exception):
    pass


def _unique(members: Sequence[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members):
        raise _Repeated
    return found


def _refuse_constant(_name: str) -> NoReturn:
    raise _NoNumber


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=NumberText, parse_float=NumberText
)
