"""The audit log: encoding, verification, checkpoint, and queries that never write."""
