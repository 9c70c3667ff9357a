"""The MCP face: the app, its outermost guard, the envelope, and the tools.

FastMCP reads its settings when it is imported, so they are fixed here: no module of this package can import it before.
"""

from guardian.server.process.isolation import isolate_fastmcp

isolate_fastmcp()
