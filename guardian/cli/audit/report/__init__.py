"""`guardian audit report`: the log of a period as one page for a person."""
