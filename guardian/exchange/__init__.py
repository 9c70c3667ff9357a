"""The only door to python-binance: environments, the guarded client, mapping and errors."""
