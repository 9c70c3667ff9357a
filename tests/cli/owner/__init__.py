"""Tests of the commands of the owner."""
