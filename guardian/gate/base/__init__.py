"""What every part of the gate works with: the context, the journal, the policy file, facts and replies."""
