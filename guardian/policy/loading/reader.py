"""Reading a parsed TOML table key by key: every mistake is noted, none stops the reading.

The keys that a section reads are the known ones; every other key in the table is a mistake. An invalid value is noted
and replaced, so that the rest can be read; a reading with mistakes never becomes a policy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from guardian.domain.text.names import is_name
from guardian.domain.text.nearest import nearest
from guardian.errors import PolicyMistake
from guardian.policy.loading.lines import KeyLines, Path
from guardian.policy.loading.values import FloatText, Unfit, refuse_float, shortened, shown

T = TypeVar("T")

_MOST_GUESSES: Final = 200
"""The number of unknown keys for which a similar one is suggested; finding it is slow, and nobody reads that far."""
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
HIDDEN: Final = "(hidden)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key's effective value in the file's notation, and whether it is in the file or is the default."""

    key: str
    value: str
    line: int | None
    """None for a default."""

    @property
    def is_default(self) -> bool:
        """Whether the file leaves it out."""
        return self.line is None


@dataclass(slots=True)
class Notes:
    """What one reading of a file brings up."""

    lines: KeyLines
    mistakes: list[PolicyMistake] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    unknown: list[tuple[Path, tuple[str, ...]]] = field(default_factory=list)
    """Keys that no section reads, each with the known ones of its table."""
    table_of_key: dict[str, str] = field(default_factory=dict)
    """By the name of a known key: the table it belongs in."""

    def mistake(self, path: Path, message: str, hint: str | None = None) -> None:
        """Notes one mistake at a key."""
        self.mistakes.append(PolicyMistake(key=dotted(path), message=message, line=self.lines.line_of(path), hint=hint))

    def report_unknown_keys(self) -> None:
        """Notes every unknown key with the nearest known one, after all known ones were read."""
        for number, (path, known) in enumerate(self.unknown):
            self.mistake(path, "there is no such key", self._guess(path, known) if number < _MOST_GUESSES else None)

    def _guess(self, path: Path, known: tuple[str, ...]) -> str:
        key = str(path[-1])
        home = self.table_of_key.get(key)
        if home is not None and home != dotted(path[:-1]):
            return f"it belongs in `[{home}]`" if home else "it belongs at the top of the file, before any table"
        like = nearest(key, list(known))
        return f"did you mean `{like}`?" if like else f"the keys here are: {', '.join(known)}"


@dataclass(slots=True)
class TomlTable:
    """One table of the file; empty for a table that is left out."""

    notes: Notes
    path: Path
    data: Mapping[str, object]
    listed: bool = True
    """Whether its values are settings of their own; those of a row in a list are shown with the list."""
    known: list[str] = field(default_factory=list)

    def value(self, key: str, read: Callable[[object], T], default: object, *, hidden: bool = False) -> T:
        """Returns the value of a key, or of `default`, which is written as in the file."""
        self._register(key)
        self._record_setting(key, default, hidden=hidden)
        if key in self.data:
            fitting = self._read(key, read)
            if fitting:
                return fitting[0]
        return read(default)

    def required(self, key: str, read: Callable[[object], T], stand_in: object) -> T:
        """Returns the value of a key that has no default; its absence is a mistake."""
        self._register(key)
        if key in self.data:
            self._record_setting(key, None)
            fitting = self._read(key, read)
            if fitting:
                return fitting[0]
        else:
            self.notes.mistake((*self.path, key), "is required and missing")
        return read(stand_in)

    def optional(self, key: str, read: Callable[[object], T], *, hidden: bool = False) -> T | None:
        """Returns the value of a key that may be left out."""
        self._register(key)
        if key not in self.data:
            return None
        self._record_setting(key, None, hidden=hidden)
        fitting = self._read(key, read)
        return fitting[0] if fitting else None

    def words(
        self, key: str, read: Callable[[object], T], default: list[str], *, may_be_empty: bool = False
    ) -> list[T]:
        """Returns the values of a list of strings, each of them once."""
        self._register(key)
        self._record_setting(key, default)
        path = (*self.path, key)
        raw = self.data.get(key, default)
        if not isinstance(raw, list):
            self._refuse(path, raw, "a list")
            return []
        if not raw and not may_be_empty:
            self.notes.mistake(path, "is empty", "leave the key out for its default; an empty list allows nothing")
        found: list[T] = []
        for index, item in enumerate(raw, 1):
            try:
                refuse_float(item)
                value = read(item)
            except Unfit as unfit:
                self.notes.mistake((*path, index), unfit.message, unfit.hint)
                continue
            if value in found:
                self.notes.mistake((*path, index), f"{shown(item)} is listed twice")
            found.append(value)
        return found

    def rows(
        self,
        key: str,
        read: Callable[[TomlTable], T],
        default: list[dict[str, object]],
        *,
        most: int = 16,
        may_be_empty: bool = False,
        listed: bool = True,
    ) -> tuple[T, ...]:
        """Returns what `read` makes of the tables of a list, such as `[ { window = "5m", max = 5 } ]`."""
        self._register(key)
        if listed:
            self._record_setting(key, default)
        path = (*self.path, key)
        raw = self.data.get(key, default)
        if not isinstance(raw, list):
            self._refuse(path, raw, "a list of tables")
            return ()
        if len(raw) > most:
            self.notes.mistake(path, f"has more than {most} entries")
        if not raw and not may_be_empty:
            self.notes.mistake(path, "is empty", "leave the key out for its default; there is no unlimited")
        found = []
        for index, item in enumerate(raw[:most], 1):
            if isinstance(item, dict):
                row = TomlTable(self.notes, (*path, index), item, listed=False)
                found.append(read(row))
                row.done()
            else:
                self._refuse((*path, index), item, "a table")
        return tuple(found)

    def table(self, key: str, *, listed: bool | None = None) -> TomlTable:
        """Returns a table inside this one; empty where it is left out or is no table."""
        self._register(key)
        path = (*self.path, key)
        raw = self.data.get(key, {})
        if not isinstance(raw, dict):
            self._refuse(path, raw, "a table")
            raw = {}
        return TomlTable(self.notes, path, raw, self.listed if listed is None else listed)

    def mistake(self, key: str, message: str, hint: str | None = None) -> None:
        """Notes a mistake at one of this table's keys."""
        self.notes.mistake((*self.path, key), message, hint)

    def done(self) -> None:
        """Ends the reading of this table: every key that was not read is unknown."""
        known = tuple(self.known)
        self.notes.unknown += [((*self.path, key), known) for key in self.data if key not in self.known]

    def _register(self, key: str) -> None:
        self.known.append(key)
        if not any(isinstance(part, int) for part in self.path):
            self.notes.table_of_key.setdefault(key, dotted(self.path))

    def _read(self, key: str, read: Callable[[object], T]) -> tuple[T] | None:
        raw = self.data[key]
        try:
            refuse_float(raw)
            return (read(raw),)
        except Unfit as unfit:
            self.mistake(key, unfit.message, unfit.hint)
            return None

    def _refuse(self, path: Path, raw: object, wanted: str) -> None:
        self.notes.mistake(path, f"{shown(raw)} is not {wanted}")

    def _record_setting(self, key: str, default: object, *, hidden: bool = False) -> None:
        if not self.listed:
            return
        path = (*self.path, key)
        in_file = key in self.data
        value = HIDDEN if hidden else written(self.data[key] if in_file else default)
        line = self.notes.lines.line_of(path) if in_file else None
        self.notes.settings.append(Setting(key=dotted(path), value=value, line=line))


def dotted(path: Path) -> str:
    """Returns a path as a dotted key: `limits.rolling_notional[2].max`.

    What is not a plain name is quoted and cut short.
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE_KEY.fullmatch(part) else f'"{part if is_name(part) else shortened(part)}"'
            text += f".{name}" if text else name
    return text


def written(value: object) -> str:
    """Returns a value as TOML writes it, for showing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(written(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {written(item)}' for key, item in value.items())} }}" if value else "{}"
    return value.text if isinstance(value, FloatText) else shown(value)
