"""Tests of how the log is listed, filtered, laid out and followed."""
