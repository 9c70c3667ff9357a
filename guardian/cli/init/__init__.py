"""`guardian init`: a home, and a policy to start from."""
