"""Where the schema and every writing statement is defined: SQLAlchemy Core on SQLModel's tables.

No running guardian imports this package, because importing SQLAlchemy takes longer than most commands. A module of
plain SQL is made from it, which the parts of a transaction run with the driver's own `sqlite3`:

    python -m guardian.store.definitions.sqlite_module > guardian/store/schema/sqlite_statements.py

A definition without a leading underscore becomes the statement of that name there. A test holds the two equal.

Another engine needs a second such module, made by the same functions with its dialect in place of SQLite's, and a
second of what is SQLite's own: `guardian.store.schema.sqlite_dialect`, `guardian.store.log.statements`, and the
connection of `guardian.store.opening`.
"""
