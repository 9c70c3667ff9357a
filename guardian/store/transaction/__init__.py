"""What one transaction reads and writes, one module for each kind of record."""
