"""What runs a paper exchange: in a home's helper process, alone, or in a thread."""
