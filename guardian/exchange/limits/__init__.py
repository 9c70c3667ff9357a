"""The exchange's rate limits: weights, windows, and the file that processes share."""
