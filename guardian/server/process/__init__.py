"""The process of the server: its settings, its log on standard error, and how it ends."""
