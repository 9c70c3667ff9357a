"""The matching engine: orders, books, balances. No clock, no network."""
