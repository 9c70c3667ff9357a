"""One SQLite file: the audit chain, orders, proposals and the trading state."""
