"""Tests of `guardian.store.answers`."""
