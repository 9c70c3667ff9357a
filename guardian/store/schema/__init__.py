"""Records, tables, file names, and the errors of SQLite."""
