"""Requests to the exchange: the guarded client, its checks, and its errors."""
