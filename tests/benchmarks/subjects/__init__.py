"""What is measured, and how each is started and driven."""
