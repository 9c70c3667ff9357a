"""Tests of `guardian.gate.witness`."""
