"""The options of `guardian keys` that say where a key comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from guardian.cli.parser.choices import OneOf
from guardian.domain.secrets import KeyKind, Secret

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of a file or a pipe: more is no key and no configuration. That of Claude Code has what was typed in it, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the options say about where the key is."""

    kind: KeyKind | None
    file: Path | None
    piped: Secret | None
    paste: bool

    @property
    def makes_a_key(self) -> bool:
        """Whether a key is made here."""
        return not (self.file or self.piped is not None or self.paste or self.kind in {KeyKind.HMAC, KeyKind.RSA})


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where a key comes from."""
    for option in (
        click.option(
            "--paste", is_flag=True, help="Ask for a private key (PEM) that you paste; it is not shown."
        ),
        click.option(
            "--stdin", "from_stdin", is_flag=True,
            help="Read it from standard input: what `--from` reads, or an API key and a secret on two lines.",
        ),
        click.option(
            "--from", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Read it from a file: a private key, a `.env`, or an MCP client's configuration.",
        ),
        click.option(
            "--kind", type=OneOf([k.value for k in (KeyKind.ED25519, KeyKind.HMAC, KeyKind.RSA)]),
            help="ed25519 (made here; Binance never sees the secret half), hmac (made by Binance) or rsa (your own).  "
            "[default: ed25519]",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def source_of(kind: str | None, file: Path | None, from_stdin: bool, paste: bool) -> Source:
    """Returns the source of these options. Reads standard input where they say so. Raises click's UsageError."""
    if sum((file is not None, from_stdin, paste)) > 1:
        raise click.UsageError("Give one of `--from`, `--stdin` and `--paste`.")
    if paste and kind == KeyKind.HMAC:
        raise click.UsageError("`--paste` is for a private key, not for `--kind hmac`.")
    piped = None
    if from_stdin:
        from guardian.cli.keys.typed_secrets import take_piped_input

        piped = take_piped_input(MOST_BYTES)
        if piped is None:
            raise click.UsageError(
                "`--stdin` takes a key from a pipe or a file: `guardian keys add testnet --stdin < FILE`."
            )
    return Source(kind=None if kind is None else KeyKind(kind), file=file, piped=piped, paste=paste)
