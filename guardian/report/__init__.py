"""The report of `guardian audit report`: figures in, one HTML file out. No I/O but its own style sheet."""
