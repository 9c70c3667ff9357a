"""A machine without a browser: its tests are left out, unless a browser is required."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.console.support.browser import chromium_or_skip


def test_missing_browser_is_a_reason_to_skip_and_not_where_one_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GUARDIAN_TEST_REQUIRE_BROWSER turns the skip into a failure, as CI wants it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("GUARDIAN_TEST_REQUIRE_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception):
        chromium_or_skip()
    monkeypatch.setenv("GUARDIAN_TEST_REQUIRE_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception):
        chromium_or_skip()
