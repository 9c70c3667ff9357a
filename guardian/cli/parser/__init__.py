"""How the command line is read: groups of commands, choices, and what a shell needs to complete what is typed."""
