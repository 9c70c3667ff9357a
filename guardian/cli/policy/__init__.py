"""`guardian policy`: the limits that the owner set, checked and shown."""
