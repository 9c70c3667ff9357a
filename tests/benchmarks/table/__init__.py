"""Samples, rows and bars, and the table that they make."""
