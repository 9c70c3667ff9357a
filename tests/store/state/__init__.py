"""What the log says of the other tables."""
