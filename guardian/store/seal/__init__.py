"""The seal of a log: keys from a secret outside the folder, and checkpoints that are signed with them."""
