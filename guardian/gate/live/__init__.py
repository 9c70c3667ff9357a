"""What orders on `live` need besides: a key whose permissions are safe, a proof to agree with, a mandate."""
