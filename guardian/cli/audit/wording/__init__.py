"""What the rows of the log mean, in words for a person."""
