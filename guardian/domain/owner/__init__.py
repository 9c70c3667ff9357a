"""What a person agrees to, and what proves it."""
