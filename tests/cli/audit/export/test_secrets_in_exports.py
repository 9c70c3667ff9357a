"""Secrets that can be recognised are used and misused through the whole server; no export has one, in any form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardian.cli.app import main
from guardian.domain.secrets import Secret
from guardian.paper.host.standalone import PaperServer
from guardian.store.log.redaction import short_digest
from tests.e2e.support.canaries import API_KEY, API_SECRET, forms, found_in
from tests.support.world import World

EVERY_EXPORT = [
    ("--format", "ndjson"), ("--format", "csv"), ("--trades",), ("--format", "ndjson", "--redact"),
]  # fmt: skip


def test_no_export_has_a_key_or_a_confirmation_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is that of the policy's paper exchange; the tokens are given to every argument that takes text."""
    tokens: list[str] = []
    with PaperServer(api_key=API_KEY, api_secret=API_SECRET) as paper:
        world = World(paper, tmp_path)
        try:
            world.policy()
            assistant = world.assistant()
            for quantity in ("0.0002", "0.0003"):
                asked = assistant.order(quantity=quantity)
                tokens.append(asked["data"]["confirmation_token"])
            assert assistant.call("create_order", confirmation_token=tokens[0])["outcome"] == "done"
            for token in tokens:
                assistant.call("get_ticker", symbol=token)
                assistant.call("cancel_order", symbol="BTCUSDT", client_order_id=token)
                assistant.call("create_order", confirmation_token=f"={token}", side="BUY")
        finally:
            world.close()
    monkeypatch.setenv("GUARDIAN_HOME", str(world.home))
    written = ""
    for number, options in enumerate(EVERY_EXPORT):
        assert main(["audit", "export", "--out", str(tmp_path / f"{number}.out"), *options]) == 0
        written += (tmp_path / f"{number}.out").read_text("utf-8")
        written += (tmp_path / f"{number}.out.manifest.json").read_text("utf-8")
    assert found_in(written) == set()
    lower = written.lower().encode()
    assert [how for token in tokens for how, form in forms(token).items() if form in lower] == []
    # The calls that had them are there, with a digest in the place of each token.
    assert all(short_digest(token) in written for token in tokens)
    lines = [json.loads(line) for line in (tmp_path / "0.out").read_text("utf-8").splitlines()]
    assert sum(line["tool"] == "create_order" and line["phase"] == "call" for line in lines) == 5


def test_keys_of_the_paper_exchange_are_what_is_looked_for() -> None:
    """The canaries are found where they are."""
    assert found_in(json.dumps({"a": Secret(API_SECRET).reveal()}))
