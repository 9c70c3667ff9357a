"""Names, text from outside, and domain data as text."""
