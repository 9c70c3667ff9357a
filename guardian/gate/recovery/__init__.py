"""Finds out about orders after their call: resolving unknown orders, reconciliation, fees."""
