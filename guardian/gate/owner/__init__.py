"""The owner's yes: which proof is demanded, whether what was given proves anything, and what follows from it."""
