"""HTTP for a page on loopback: its sockets, its session, and what every request has to be."""
