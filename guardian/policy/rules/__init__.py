"""The rules of the policy. One rule, one function."""
