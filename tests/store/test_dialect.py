"""SQL as text is in two modules, the one made of the definitions, and migrations: a second engine needs its own."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

STORE: Final = Path(__file__).parent.parent.parent / "guardian" / "store"
IN_SQLITES_WORDS: Final = frozenset(
    {"schema/sqlite_dialect.py", "log/statements.py", "schema/sqlite_statements.py", "state/table_statements.py"}
)
MIGRATIONS: Final = "migrations/"
"""They are about databases of SQLite alone: another engine has no older homes."""
_SQL: Final = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|TRIGGER|INDEX)|PRAGMA|BEGIN|COMMIT|ROLLBACK)\b"
)
MADE_OF_TRIGGERS: Final = ("CREATE TRIGGER ",)
"""What `schema_statements` puts before each trigger of `sqlite_dialect`."""


def sql_in(source: str) -> list[str]:
    """Every text in the code that begins as a statement does, docstrings left out."""
    tree = ast.parse(source)
    expressions = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in expressions
    ]
    return [text for text in texts if _SQL.match(text) and text not in MADE_OF_TRIGGERS]


def test_statements_are_written_in_sqlalchemy_core_or_in_the_modules_of_sqlite() -> None:
    """No other module of the store has a statement as text."""
    found = {
        path.relative_to(STORE).as_posix(): texts
        for path in sorted(STORE.rglob("*.py"))
        if not path.relative_to(STORE).as_posix().startswith(MIGRATIONS) and (texts := sql_in(path.read_text("utf-8")))
    }
    assert set(found) == IN_SQLITES_WORDS, found


@pytest.mark.parametrize(
    "code",
    [
        'run("SELECT 1")',
        'run(f"PRAGMA user_version = {n}")',
        'X = "BEGIN IMMEDIATE"',
        'run("DELETE FROM a " "WHERE b")',
    ],
)
def test_a_statement_as_text_is_found(code: str) -> None:
    """Wherever it is, with or without values."""
    assert len(sql_in(code)) == 1


def test_prose_is_no_statement() -> None:
    """Docstrings and messages may begin with such a word."""
    assert sql_in('"""SELECT is a word."""\nraise E("updates are refused")') == []
