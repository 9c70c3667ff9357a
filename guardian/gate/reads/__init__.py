"""The tools that only read, and the status summary."""
