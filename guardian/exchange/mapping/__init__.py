"""Binance's JSON as guardian's words: no network, no clock. What does not fit is ExchangeUnavailable, never a guess."""
