"""HTTP on this machine alone: sockets on loopback, the HTTP server on them, and what every request is checked for."""
