"""The history of calls and events, read from the log without touching the file."""
