"""Guardian's home: the one folder that has the policy, the log and the orders."""
