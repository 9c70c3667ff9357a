"""What guardian takes from the operating system: files that are the owner's alone, and the variables that count."""
