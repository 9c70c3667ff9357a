"""`guardian audit list` and `-f`: which lines are wanted, how they look, and where they go."""
