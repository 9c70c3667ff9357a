"""`guardian keys`: Binance API keys in the keyring of the system."""
