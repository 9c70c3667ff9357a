"""Options that several commands have."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from guardian.cli.support.options import MAX_REASON, reason_option


@click.command()
@reason_option("no reason given", "Why.")
def probe(reason: str) -> None:
    click.echo(reason, nl=False)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], "no reason given"),
        (["--reason", "  "], "no reason given"),
        (["--reason", " lunch "], "lunch"),
        (["--reason", "x" * MAX_REASON], "x" * MAX_REASON),
        (["--reason", "x" * (MAX_REASON + 1)], "x" * (MAX_REASON - 3) + "..."),
    ],
    ids=["none", "blank", "short", "longest", "too long"],
)
def test_no_reason_is_refused(given: list[str], kept: str) -> None:
    """Without words it is the default; a long one is cut, which its dots say."""
    done = CliRunner().invoke(probe, given)
    assert (done.exit_code, done.output) == (0, kept)
