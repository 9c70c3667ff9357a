"""The parts of the database: the statement that makes each table, index and trigger, and what a file has instead."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from guardian.store.schema.sqlite_dialect import stored_parts
from guardian.store.schema.sqlite_statements import SCHEMA

_MADE: Final = re.compile(r"CREATE (?:UNIQUE )?(TABLE|INDEX|TRIGGER) (\w+) ")
_STATISTICS: Final = frozenset({"sqlite_stat1", "sqlite_stat4"})
"""Tables that SQLite's own ANALYZE makes."""
_OWN_INDEX: Final = "sqlite_autoindex_"
"""How the name of an index begins that SQLite makes for a key of a table, without a statement of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDifference:
    """A part that a file lacks, has otherwise, or has besides guardian's own."""

    kind: str
    """`table`, `index`, `trigger` or `view`."""
    name: str
    message: str
    is_missing: bool = False
    is_foreign: bool = False

    @property
    def weakens(self) -> bool:
        """Whether rows may be written that guardian's own schema would refuse or leave as they are."""
        return self.kind == "trigger" or not self.is_foreign


def normal(statement: str) -> str:
    """Returns a statement with its blanks in one form: those of an older guardian differ in nothing else."""
    return " ".join(statement.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split())


@cache
def known_parts() -> dict[tuple[str, str], str]:
    """Returns the statement of each part of this version, by its kind and name."""
    made = ((_MADE.match(statement), statement) for statement in SCHEMA)
    return {(match[1].lower(), match[2]): statement for match, statement in made if match is not None}


def parts_in(connection: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Returns the statement of each part of a file, foreign ones among them. Raises sqlite3.Error."""
    return {
        (kind, name): sql or ""
        for kind, name, sql in stored_parts(connection)
        if not (kind == "index" and sql is None and name.startswith(_OWN_INDEX))
        and not (kind == "table" and name in _STATISTICS)
    }


def schema_differences(connection: sqlite3.Connection) -> Iterator[PartDifference]:
    """Yields what differs from the schema of this version, in the order of kinds and names. Raises sqlite3.Error."""
    known, there = known_parts(), parts_in(connection)
    if there == known:
        return
    for kind, name in sorted(known.keys() | there.keys()):
        expected, found = known.get((kind, name)), there.get((kind, name))
        if found is None:
            yield PartDifference(kind=kind, name=name, message=f"the {kind} `{name}` was removed", is_missing=True)
        elif expected is None:
            yield PartDifference(
                kind=kind, name=name, message=f"the {kind} `{name}` is not guardian's", is_foreign=True
            )
        elif found != expected and normal(found) != normal(expected):
            yield PartDifference(kind=kind, name=name, message=f"the {kind} `{name}` is not as guardian makes it")
