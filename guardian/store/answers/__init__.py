"""Answers about trading, from the ledger and the log: pure figures, and the readers that fetch what they need."""
