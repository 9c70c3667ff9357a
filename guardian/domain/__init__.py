"""The words: money, instruments, orders and the 17 requests. No I/O, no third party."""
