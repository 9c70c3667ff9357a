"""Tests of what the rows of the log mean in words."""
