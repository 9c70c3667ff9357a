"""The schema of each version, by a digest: what differs from it was not made by guardian, and is not migrated."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from hashlib import sha256
from typing import Final

SCHEMAS: Final[Mapping[int, str]] = {
    1: "b94b0314c98fe661555f1369a51e5502b2b5c9d6f0a48d69d9109f7be1d149f1",
    2: "dd5cfaab8792a83019d72aa1638966923899b7c186a5a02044ab2f16e616230c",
    3: "6dfc101e9e8ddcfaea2bce93608f5526532bb3db0d7750dd0ec050d8e3d11c0d",
    4: "bf236a0fe243544625f2fc7a9032fe2dd665ef67972bfd8ffc7f52d9d98ed6f0",
    5: "236d5271f59c38ccc810ae5b36d66af680b8665c475d71835936d8e53620443b",
    6: "bbc56fe7379fafe73f04e260db1d25899b96aa97c69bf5522bfc83c018368a2c",
}
"""The digest of each version's schema. Until a version is released, its digest changes with the definitions."""

_NAME: Final = re.compile(r"CREATE (TABLE|INDEX|UNIQUE INDEX|TRIGGER) (\w+) ")


def normal(statement: str) -> str:
    """Returns a statement without line breaks and repeated spaces: what an older guardian wrote differs in those."""
    return " ".join(statement.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split())


def parts_of(statements: Iterable[str]) -> dict[str, str]:
    """Returns the CREATE statements among some, by the name of what each makes."""
    found = ((_NAME.match(statement), statement) for statement in statements)
    return {match[2]: statement for match, statement in found if match is not None}


def parts_in(connection: sqlite3.Connection) -> dict[str, str]:
    """Returns the statement of every table, index and trigger of a database, by name. Raises sqlite3.Error."""
    with closing(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")) as rows:
        return {str(name): str(statement) for name, statement in rows}


def schema_digest(parts: Mapping[str, str]) -> str:
    """Returns the digest of a whole schema, in hex, whatever the order of its parts and its spaces."""
    return sha256("\n".join(sorted(normal(statement) for statement in parts.values())).encode()).hexdigest()
