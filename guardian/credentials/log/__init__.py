"""What the keyring keeps of the log."""
