"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

MAX_REASON: Final = 300
"""Characters of a reason; what is longer is cut, so that every row and every denial can carry it."""

policy_option = click.option(
    "--policy",
    "policy_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Use this policy file instead of `policy.toml` in guardian's home.",
)


def reason_option(default: str, help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--reason`. No command is refused for the words that come with it: empty ones are the default."""

    def bounded(_ctx: click.Context, _parameter: click.Parameter, reason: str) -> str:
        reason = reason.strip() or default
        return reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 3]}..."

    return click.option("--reason", default=default, show_default=True, callback=bounded, help=help_text)
