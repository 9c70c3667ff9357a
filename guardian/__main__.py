"""`python -m guardian` is `guardian`."""

from __future__ import annotations

import sys

from guardian.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
