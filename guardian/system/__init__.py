"""What guardian takes from the operating system: private files, the environment variables that count, the clock."""
