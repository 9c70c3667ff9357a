"""`guardian tour`: guardian seen at work, on a throw-away home."""
