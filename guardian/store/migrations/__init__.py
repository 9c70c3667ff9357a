"""Brings the database of an older guardian up to this one, when it is opened.

Rows of the log are never changed: the triggers that forbid it hold throughout. What a change of the schema needs:

1. The definitions are changed, and `SCHEMA_VERSION` is raised, once for each release.
2. A column that is new in a table: one statement in the step to this version, `ALTER TABLE ... ADD COLUMN ...`, last in
   the table's class where the table is `audit` (its column has to be nullable). Whatever rows need besides is in the
   step too: it is a function of the connection, or a tuple of statements, listed in `version_steps.STEPS`.
3. Tables, indexes and triggers are not written down a second time: `shape` makes what is missing, and copies a table
   whose definition is another one, always but `audit`, column by column.
4. What the log should say once the schema is this version's, beside the row of the migration itself, is in
   `version_steps.ENDINGS`.
5. `known_schemas.SCHEMAS` has the digest of the new schema; the test that fails says which. The statements of the
   version before are kept as `tests/store/migrations/schemas/version_N.sql`, so that its homes are opened in the tests.
"""
