"""What the log says of the other tables: each transaction's last row has every row that it changed, as it then is.

So the tables can be made again from the log alone, and a table that says something else than the log was changed by
somebody else. Which tables these are is in `guardian.store.schema.sqlite_statements`: `LOGGED`.
"""
