"""No process that has keys in its memory writes that memory to a file when it crashes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")

ALLOWED = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (1_000_000, 1_000_000))\n"
SHOWN = "print(resource.getrlimit(resource.RLIMIT_CORE))"


def limit_after(code: str, home: Path) -> str:
    """The limits, soft and hard, of a process that was allowed a megabyte and has run the code."""
    program = f"{ALLOWED}{textwrap.dedent(code)}\n{SHOWN}"
    environment = {"GUARDIAN_HOME": str(home), "HOME": str(home), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()[-1]


def test_limit_is_what_the_process_was_given_without_it(tmp_path: Path) -> None:
    """The test can fail: a process that opens nothing keeps its limit."""
    assert limit_after("pass", tmp_path) == "(1000000, 1000000)"


@pytest.mark.parametrize(
    "code",
    [
        "from guardian.system.core_dumps import forbid_core_dumps; forbid_core_dumps(); forbid_core_dumps()",
        """
        from guardian.cli.app import main
        main(["keys", "list"])
        """,
        """
        from pathlib import Path
        from guardian.credentials.store import open_credentials
        from guardian.errors import KeyringUnavailable
        try:
            open_credentials(home=Path("/nowhere"))
        except KeyringUnavailable:
            pass
        """,
        """
        from pathlib import Path
        from guardian.credentials.owner_items import open_owner_items
        from guardian.errors import KeyringUnavailable
        try:
            open_owner_items(Path("/nowhere"))
        except KeyringUnavailable:
            pass
        """,
    ],
    ids=["by itself", "guardian keys", "keys are opened", "the PIN is opened"],
)
def test_core_dumps_are_forbidden_wherever_keys_are_opened(code: str, tmp_path: Path) -> None:
    """Both limits are zero, so that nothing can raise them again."""
    assert limit_after(code, tmp_path) == "(0, 0)"


def test_server_forbids_core_dumps_before_anything_is_opened(tmp_path: Path) -> None:
    """`guardian serve` begins with it: also one that refuses to start has done it."""
    code = """
        from guardian.cli import serve
        from guardian.cli.app import main
        from guardian.errors import GuardianError

        def refuses(names):
            raise GuardianError("not today")

        serve.require_no_secrets = refuses
        assert main(["serve"]) == 1
        """
    assert limit_after(code, tmp_path) == "(0, 0)"
