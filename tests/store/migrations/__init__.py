"""Tests of homes that an older guardian made."""
