"""`guardian audit backup` and `guardian audit restore`."""
