"""`guardian keys token`: the bearer token of this home's servers over HTTP."""
