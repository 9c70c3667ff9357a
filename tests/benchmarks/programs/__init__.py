"""What runs in the Python of a subject. Each is started by its path, and imports nothing of the harness."""
