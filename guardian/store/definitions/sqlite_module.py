"""Makes the module of SQLite's statements, see `guardian.store.definitions`:

python -m guardian.store.definitions.sqlite_module > guardian/store/schema/sqlite_statements.py
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, Final

from sqlalchemy import BindParameter, Delete, FromClause, SelectBase, Table, Update, UpdateBase, insert
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from guardian.domain.owner.proof import Proof
from guardian.domain.trading import TradingState
from guardian.store.definitions import (
    budget_statements,
    ledger_statements,
    log_statements,
    order_statements,
    owner_statements,
    process_statements,
    proposal_statements,
)
from guardian.store.definitions.owner_tables import OWNER
from guardian.store.definitions.table_base import Table as BaseTable
from guardian.store.definitions.tables import CHANGING_ORDER_COLUMNS, CONTROL, ORDERS
from guardian.store.schema.files import APPLICATION_ID, SCHEMA_VERSION
from guardian.store.schema.sqlite_dialect import header_statements, triggers

COMMAND: Final = "python -m guardian.store.definitions.sqlite_module > guardian/store/schema/sqlite_statements.py"
DEFINITIONS: Final = (
    log_statements,
    order_statements,
    budget_statements,
    ledger_statements,
    proposal_statements,
    owner_statements,
    process_statements,
)
NOT_LOGGED: Final = frozenset({"audit", "checkpoints", "leases"})
"""The log, what anchors it, and what only says which process polls: every other table's rows are in the log too."""
COLUMNS_NOT_LOGGED: Final = {"control": frozenset({"window_ms"})}
"""Each row of the log has the window time."""
WIDTH: Final = 108
"""Characters of SQL in a line of the module."""

_HEADER: Final = f'''\
"""The schema and every writing statement of the store, in SQLite's words: see `guardian.store.definitions`.

Generated; do not edit. This writes it again:

    {COMMAND}

What a caller gives is a parameter, never a part of the text.
"""

from __future__ import annotations

from typing import Final

from guardian.store.schema.compiled_statement import CompiledStatement, LoggedTable

# fmt: off
'''


class _Compiler(SQLiteCompiler):
    """Writes the constants of a definition into the text, since SQLite uses a partial index for literal words alone.

    And it writes the hints of `clauses.by_index`, which SQLAlchemy's own compiler for SQLite leaves out.
    """

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002 - as the base
        """Returns what follows the name of a table for a hint."""
        return text

    def visit_bindparam(self, bindparam: BindParameter[Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the base
        """Returns a parameter's text; it stays a parameter if its definition gives it no value."""
        literal = {} if bindparam.required else {"literal_binds": True}
        return super().visit_bindparam(bindparam, *args, **{**kwargs, **literal})  # type: ignore[no-untyped-call]  # its own


class _Dialect(SQLiteDialect_pysqlite):
    statement_compiler = _Compiler
    supports_statement_cache = False


_DIALECT: Final = _Dialect(paramstyle="named")


def sqlite_module() -> str:
    """Returns the text of the whole module."""
    sections = [_HEADER, _schema_section(), _logged_section()]
    for module in DEFINITIONS:
        sections.append(f"\n# {module.__name__}\n\n")
        sections += (_entry(name, statement) for name, statement in definitions_in(module))
    return "".join(sections)


def definitions_in(module: ModuleType) -> Iterator[tuple[str, SelectBase | UpdateBase]]:
    """Yields the statements that a module of definitions makes public, by name, in the order of the module."""
    for name, value in vars(module).items():
        if isinstance(value, SelectBase | UpdateBase) and not name.startswith("_"):
            yield name, value


def schema_statements() -> tuple[str, ...]:
    """Returns the statements that create everything of a new file, in their order."""
    tables = BaseTable.metadata.sorted_tables
    indexes = sorted((index for table in tables for index in table.indexes), key=lambda index: str(index.name))
    fixed = [column.name for column in ORDERS.columns if column.name not in CHANGING_ORDER_COLUMNS]
    first_rows = (
        insert(CONTROL).values(id=1, state=TradingState.ACTIVE.value, window_ms=0),
        insert(OWNER).values(id=1, floor=Proof.TERMINAL.value, pin_tries=0),
    )
    return (
        *(_sql(CreateTable(table)) for table in tables),
        *(_sql(CreateIndex(index)) for index in indexes),
        *(f"CREATE TRIGGER {name} {rest}" for name, rest in triggers(fixed).items()),
        *(_sql(row) for row in first_rows),
        *header_statements(APPLICATION_ID, SCHEMA_VERSION),
    )


def _sql(statement: ExecutableDDLElement | UpdateBase) -> str:
    """Returns a statement of the schema as one line of SQL."""
    return " ".join(str(statement.compile(dialect=_DIALECT)).split())


def _schema_section() -> str:
    lines = ["", "# The schema", "", "SCHEMA: Final = ("]
    for sql in schema_statements():
        lines += ["    (", *_text([sql]), "    ),"]
    lines += [")", '"""What creates everything of a new file, in this order."""', ""]
    return "\n".join(lines)


def logged_columns(table: Table) -> tuple[str, ...]:
    """Returns the columns of a table that the log has of each row; none of a table that it does not have."""
    if table.name in NOT_LOGGED:
        return ()
    left_out = COLUMNS_NOT_LOGGED.get(table.name, frozenset())
    return tuple(column.name for column in table.columns if column.name not in left_out)


def _set_columns(statement: Update) -> frozenset[str]:
    """Returns the columns that an UPDATE sets, of those that the log has."""
    changed = {str(getattr(column, "name", column)) for column in statement._values or ()}  # noqa: SLF001 - a public name is missing
    table = statement.table
    assert isinstance(table, Table)
    assert not changed & {column.name for column in table.primary_key}, "a key would be another row's in the log"
    return frozenset(changed) & frozenset(logged_columns(table))


def changing_columns() -> dict[str, frozenset[str]]:
    """Returns by table the columns that any UPDATE sets, of those that the log has."""
    found: dict[str, frozenset[str]] = {}
    for module in DEFINITIONS:
        for _, statement in definitions_in(module):
            if isinstance(statement, Update):
                table = statement.table
                assert isinstance(table, Table)
                found[table.name] = found.get(table.name, frozenset()) | _set_columns(statement)
    return found


def _logged_section() -> str:
    changing = changing_columns()
    lines = ["", "# The tables whose rows the log has", "", "LOGGED: Final = {"]
    for table in sorted(BaseTable.metadata.tables.values(), key=lambda table: table.name):
        if columns := logged_columns(table):
            keys = [column.name for column in table.primary_key]
            lines += [f'    "{table.name}": LoggedTable(', f'        "{table.name}",', "        ("]
            lines += [
                *_names(keys, indent=8),
                "        ),",
                "        (",
                *_names(columns, indent=8),
                "        ),",
            ]
            if changing.get(table.name):
                lines += ["        frozenset({", *_names(sorted(changing[table.name]), indent=8), "        }),"]
            lines.append("    ),")
    return "\n".join([*lines, "}", '"""By name."""', ""])


def _logged_table(statement: SelectBase | UpdateBase) -> Table | None:
    """Returns the table that a statement writes, where the log has what it writes there."""
    if not isinstance(statement, UpdateBase):
        return None
    table = statement.table
    assert isinstance(table, Table)
    if isinstance(statement, Update):
        return table if _set_columns(statement) else None
    return table if logged_columns(table) else None


def _entry(name: str, statement: SelectBase | UpdateBase) -> str:
    """Returns one statement of the module."""
    table, deletes = _logged_table(statement), isinstance(statement, Delete)
    if table is not None and isinstance(statement, UpdateBase):
        wanted = [column.name for column in table.primary_key] if deletes else logged_columns(table)
        statement = statement.returning(*(table.columns[name] for name in wanted))
    compiled = statement.compile(dialect=_DIALECT)
    lines = [f"{name}: Final = CompiledStatement(", *_text(str(compiled).splitlines())]
    lines[-1] += ","
    if compiled.params:
        lines += ["    parameters=frozenset({", *_names(sorted(compiled.params), indent=8), "    }),"]
    if isinstance(statement, SelectBase):
        lines += ["    columns=(", *_names(statement.selected_columns.keys(), indent=8), "    ),"]
    if table is not None:
        lines += [f'    logged=LOGGED["{table.name}"],', *(["    deletes=True,"] if deletes else [])]
        if isinstance(statement, Update):
            lines += ["    sets=frozenset({", *_names(sorted(_set_columns(statement)), indent=8), "    }),"]
    return "\n".join([*lines, ")", ""])


def _text(clauses: Sequence[str]) -> list[str]:
    """Returns SQL as the lines of one literal, whose text is not changed by the breaks."""
    spaced = [*(f"{clause.strip()} " for clause in clauses[:-1]), clauses[-1].strip()]
    pieces = [
        piece
        for clause in spaced
        for piece in textwrap.wrap(clause, WIDTH, drop_whitespace=False, break_long_words=False, break_on_hyphens=False)
    ]
    assert "".join(pieces) == "".join(spaced)
    return [f"    {json.dumps(piece)}" for piece in pieces]


def _names(names: Iterable[str], indent: int = 4) -> list[str]:
    """Returns names as literals, some to a line."""
    return textwrap.wrap(
        ", ".join(f'"{name}"' for name in names) + ",",
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
    )


if __name__ == "__main__":
    sys.stdout.write(sqlite_module())
