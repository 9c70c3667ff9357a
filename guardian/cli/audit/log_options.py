"""What the commands of the log take: times, symbols, checkpoints, and the flag for JSON."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from guardian.cli.support.times import moment_ms
from guardian.domain.text.names import is_name

if TYPE_CHECKING:
    from guardian.store.schema.records import Checkpoint
    from guardian.store.seal.note import VerifierKey

NO_TIME: Final = (
    "not a time: `2h` (ago), `9pm`, `17:05`, `today`, `yesterday`, `monday`, `2026-11-01`, or an ISO date and time"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, with times in UTC.")


class Moment(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A time, as milliseconds since the epoch."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Fails on what is no time."""
        if isinstance(value, int):
            return value
        try:
            return moment_ms(str(value), datetime.now().astimezone())
        except (ValueError, OverflowError, OSError):
            self.fail(NO_TIME, param, ctx)


class SymbolParam(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A symbol as the exchange writes it."""

    name = "symbol"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Fails on what is no symbol."""
        text = str(value)
        if not is_name(text):
            self.fail("not a symbol: `BTCUSDT`, exactly as the exchange lists it", param, ctx)
        return text


class CheckpointParam(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """A checkpoint: a file, or `SEQ:DIGEST`."""

    name = "checkpoint"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Checkpoint:
        """Fails on what is no checkpoint."""
        from guardian.store.log.checkpoint import parse_checkpoint

        text = str(value)
        try:
            if Path(text).is_file():
                text = Path(text).read_text(encoding="utf-8", errors="replace")
            return parse_checkpoint(text)
        except (ValueError, OSError) as error:
            self.fail(str(error), param, ctx)


class PublicKeyParam(click.ParamType):  # type: ignore[type-arg]  # not generic in click 8.1
    """The public key of a log, or a file that has it."""

    name = "public key"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> VerifierKey:
        """Fails on what is no public key."""
        from guardian.store.seal.note import parse_verifier_key

        text = str(value)
        try:
            if Path(text).is_file():
                text = Path(text).read_text(encoding="utf-8", errors="replace")
            return parse_verifier_key(text)
        except (ValueError, OSError) as error:
            self.fail(str(error), param, ctx)
