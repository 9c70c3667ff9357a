"""`python -m guardian` is `guardian`."""

from __future__ import annotations

import sys

from guardian.system.variables import forget_unknown_variables


def main() -> int:
    """Run the command line as a process of its own, in an environment without unknown variables."""
    forget_unknown_variables()
    # Not before: what this imports reads the environment.
    from guardian.cli.app import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
