"""Where the prices of the paper exchange come from: seeded or recorded feeds, and its symbols."""
