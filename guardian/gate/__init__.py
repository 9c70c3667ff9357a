"""The one way from a request to the exchange: facts, verdict, confirmation, reservation, send, record."""
