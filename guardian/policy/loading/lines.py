"""Finds the line of each key in a TOML file. tomllib reports the line of a syntax error and of nothing else.

The text is read once, before tomllib, which is given nothing that nests deeper than a policy can: on a key of a hundred
thousand parts it takes minutes and gigabytes. What is not valid TOML is read as far as it makes sense and left to
tomllib to complain about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

Path = tuple[str | int, ...]
"""A dotted key: names, and places in lists counted from 1."""

MAX_DEPTH: Final = 8
"""Of brackets, and of the parts of one key. A policy needs four."""

# Possessive throughout (`*+`), so that no text makes it go back; a string that is not closed ends with its line, or the
# text, as everything after it is wrong anyway.
_TOKEN: Final = re.compile(
    r'''(?P<string>"""(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5}|\\?\Z)|\'\'\'(?:[^']|'(?!''))*+(?:'{3,5}|\Z)'''
    r"""|"(?:[^"\\\n]|\\.)*+(?:"|(?=\n)|\\?\Z)|'[^'\n]*+(?:'|(?=\n)|\Z))"""
    r"""|(?P<comment>\#[^\n]*+)|(?P<newline>\n)|(?P<punctuation>[][{}=.,])|(?P<space>[ \t\r]++)"""
    r"""|(?P<word>[^][{}=.,\s"'\#]++)|(?P<odd>.)""",
    re.DOTALL,
)


class NestsTooDeep(Exception):
    """Brackets or a key nest deeper than `MAX_DEPTH`. It never leaves `guardian.policy`."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass(slots=True)
class _List:
    path: Path
    index: int = 1


@dataclass(slots=True)
class _Inline:
    path: Path


@dataclass(slots=True)
class KeyLines:
    """The lines of all keys of a text. Build it with `find_lines`."""

    _lines: dict[Path, int] = field(default_factory=dict)
    _base: Path = ()
    _parts: list[str] = field(default_factory=list)
    _dots: int = 0
    _stack: list[_List | _Inline] = field(default_factory=list)
    _in_key: bool = True
    _header: int = 0
    """How many brackets opened the table header that is being read; zero outside one."""
    _value_path: Path = ()
    _counts: dict[Path, int] = field(default_factory=dict)

    def line_of(self, path: Path) -> int:
        """Returns the line of a key, from 1; for a missing key, the line of the table that it belongs in."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _take(self, kind: str, token: str, line: int) -> None:
        if kind == "newline":
            if not self._stack:
                self._start_key()
                self._header = 0
        elif kind in {"string", "word"}:
            if self._in_key:
                self._add_part(token)
            else:
                self._note_element(line)
        elif kind == "punctuation":
            self._take_punctuation(token, line)

    def _add_part(self, token: str) -> None:
        if len(self._parts) <= MAX_DEPTH:
            self._parts.append(token[1:-1] if token[0] in "\"'" else token)

    def _take_punctuation(self, punctuation: str, line: int) -> None:
        if self._in_key:
            self._take_punctuation_in_key(punctuation, line)
        elif punctuation == "[" or punctuation == "{":
            self._open(punctuation, line)
        elif punctuation == "]" or punctuation == "}":
            if self._stack:
                self._stack.pop()
        elif punctuation == "," and self._stack:
            top = self._stack[-1]
            if isinstance(top, _List):
                top.index += 1
            else:
                self._start_key()

    def _start_key(self) -> None:
        self._in_key, self._parts, self._dots = True, [], 0

    def _take_punctuation_in_key(self, punctuation: str, line: int) -> None:
        if punctuation == ".":
            self._dots += 1
            if self._dots >= MAX_DEPTH:
                raise NestsTooDeep(line)
        elif punctuation == "=" and not self._header:
            base = self._stack[-1].path if self._stack else self._base
            self._value_path = base + tuple(self._parts)
            self._note_line(self._value_path, line)
            self._in_key = False
        elif punctuation == "[" and not self._stack and not self._parts and self._header < 2:
            self._header += 1
        elif punctuation == "]" and self._header:
            if self._parts:
                self._enter_table(line)
            self._parts = []
        elif punctuation == "}" and self._stack:
            self._stack.pop()
            self._in_key = False

    def _enter_table(self, line: int) -> None:
        path: Path = ()
        for part in self._parts[:-1]:
            path = (*path, part)
            if path in self._counts:
                path = (*path, self._counts[path])
        path = (*path, self._parts[-1])
        if self._header == 2:
            self._counts[path] = self._counts.get(path, 0) + 1
            self._lines.setdefault(path, line)
            path = (*path, self._counts[path])
        self._note_line(path, line)
        self._base = path

    def _open(self, punctuation: str, line: int) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise NestsTooDeep(line)
        path = self._note_element(line)
        if punctuation == "[":
            self._stack.append(_List(path))
        else:
            self._stack.append(_Inline(path))
            self._start_key()

    def _note_element(self, line: int) -> Path:
        """Returns the path of the value that begins here.

        An element of the list that is open, else what the key names.
        """
        if self._stack and isinstance(top := self._stack[-1], _List):
            path = (*top.path, top.index)
            self._note_line(path, line)
            return path
        return self._value_path

    def _note_line(self, path: Path, line: int) -> None:
        for end in range(len(path), 0, -1):
            self._lines.setdefault(path[:end], line)


def find_lines(text: str) -> KeyLines:
    """Finds the line of every key. Raises NestsTooDeep, and nothing else, whatever the text."""
    found = KeyLines()
    line = 1
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        assert kind is not None
        found._take(kind, token[0], line)  # noqa: SLF001 - the two are one thing
        line += token[0].count("\n")
    return found
