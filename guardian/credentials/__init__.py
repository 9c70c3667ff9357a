"""Binance API keys in the operating system's keyring."""
