"""`guardian keys` and a server over a real Secret Service, in a login session of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.credentials.test_keyring_backends import hostile_home, linux_only, secret_service

ROOT = Path(__file__).parents[3]


@linux_only
@pytest.mark.slow
def test_key_lives_in_a_real_secret_service_from_its_addition_to_its_removal(tmp_path: Path) -> None:
    """Added, listed, checked, used by a server, rotated and removed, while every setting points to other backends."""
    env = hostile_home(tmp_path)
    env["GUARDIAN_HOME"] = str(tmp_path / "guardian")
    env["PYTHONPATH"] += f":{ROOT}"
    story = str(ROOT / "tests/cli/keys/support/secret_service_story.py")
    inner = ["-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "inner")]
    result = subprocess.run(
        [*secret_service(env, unlock=True), sys.executable, *inner, story],
        capture_output=True, text=True, env=env, timeout=170, cwd=ROOT, input="", check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert not (tmp_path / "mark").exists()
