"""Standard input and output of the server: the first line of the one, and how messages get to the other."""
