"""Stopping trading and letting it go on: `guardian halt` and `guardian resume`."""
