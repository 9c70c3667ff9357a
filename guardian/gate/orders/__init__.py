"""What an order goes through: proposal, judgement, reservation, sending."""
