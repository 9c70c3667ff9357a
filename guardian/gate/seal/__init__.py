"""Seals the log of a home: its keys from the keyring, signed checkpoints, and anchors outside the folder."""
