"""`guardian audit export`: the log, or the trades in it, as a file for other programs."""
