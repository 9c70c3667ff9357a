"""What is learnt about orders after their call: unknown orders, reconciliation, fees."""
