"""Holds what the log says of guardian's own orders against the exchange's lists: an independent witness."""
