"""`guardian audit`: the log of every call, read, verified and compared with the exchange."""
