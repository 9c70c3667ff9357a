"""`guardian doctor`: looks at everything that guardian needs, and says of each what it is and what to do."""
