"""JSON documents as people and programs write them, made from one number each."""

from __future__ import annotations

import json
from random import Random
from typing import Final

COMMENTS: Final = ("// a, b } ]\n", '/* { " , \n */', "//\n", "/**/", '// "guardian": 1\n')
CHARACTERS: Final = 'ab"\\/{}[],: \t\n\u00fc\u2028\U0001f600\x7f'


class Documents:
    """Makes documents, with comments and trailing commas or without."""

    def __init__(self, seed: int, *, comments: bool) -> None:
        self._random = Random(seed)
        self._comments = comments

    def configuration(self, section: str) -> tuple[str, list[str]]:
        """A client's configuration without guardian's entry, and the names of the servers in it."""
        members = [(name, self._value(2)) for name in self._names() if name != section]
        servers: list[str] = []
        if self._random.random() < 0.7:
            servers = self._names()
            text = self._object([(name, self._value(2)) for name in servers])
            members.insert(self._random.randint(0, len(members)), (section, text))
        return self._gap() + self._object(members) + self._gap(), servers

    def _names(self) -> list[str]:
        made = {self._text() for _ in range(self._random.randint(0, 3))} - {"guardian"}
        return sorted(made, key=lambda _name: self._random.random())

    def _text(self) -> str:
        return "".join(self._random.choices(CHARACTERS, k=self._random.randint(0, 5)))

    def _string(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=self._random.random() < 0.5)

    def _gap(self) -> str:
        """What may be between two tokens."""
        spaces = ["".join(self._random.choices(" \t\n", k=self._random.choice((0, 0, 1, 3)))) for _ in range(2)]
        is_comment = self._comments and self._random.random() < 0.2
        return self._random.choice(COMMENTS).join(spaces) if is_comment else spaces[0]

    def _value(self, depth: int) -> str:
        kind = self._random.randint(0, 5 if depth else 3)
        if kind == 0:
            return self._random.choice(("0", "-0", "1e3", "1E+05", "12345678901234567890", "0.10", "-1.5e-9"))
        if kind in {1, 2}:
            return self._string(self._text())
        if kind == 3:
            return self._random.choice(("true", "false", "null", "{}", "[]"))
        if kind == 4:
            return self._object([(name, self._value(depth - 1)) for name in self._names()])
        return self._sequence([self._value(depth - 1) for _ in range(self._random.randint(0, 3))], "[]")

    def _object(self, members: list[tuple[str, str]]) -> str:
        items = [self._string(name) + self._gap() + ":" + self._gap() + value for name, value in members]
        return self._sequence(items, "{}")

    def _sequence(self, items: list[str], brackets: str) -> str:
        inside = ",".join(self._gap() + item + self._gap() for item in items)
        if items and self._comments and self._random.random() < 0.5:
            inside += "," + self._gap()
        return brackets[0] + inside + self._gap() + brackets[1]
