"""The paper exchange that all subjects trade on, in a process of its own, near or far."""
