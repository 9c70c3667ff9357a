"""What the exchange and the log know of the account behind a key."""
