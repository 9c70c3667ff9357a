"""The vault: one encrypted file that keeps the items of a keyring, for machines without one."""
