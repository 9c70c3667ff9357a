"""The MCP face: the app, its middleware, the envelope and the tools."""
