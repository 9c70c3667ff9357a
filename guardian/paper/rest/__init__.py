"""Binance's REST protocol over the paper exchange."""
