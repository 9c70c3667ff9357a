"""The 17 tools, by what they touch."""
