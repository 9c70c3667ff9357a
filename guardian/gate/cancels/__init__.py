"""Cancels: an order, all of guardian's orders, a proposal. They only reduce risk, so they need nothing."""
