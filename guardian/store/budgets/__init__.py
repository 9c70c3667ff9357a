"""What counts against the budgets of the policy, summed within a transaction."""
