"""MCP over HTTP on loopback: the checks in front of FastMCP's application, and how it is served."""
