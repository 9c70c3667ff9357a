"""`guardian install`, `guardian uninstall` and `guardian bundle`: guardian in the program that people talk to."""
