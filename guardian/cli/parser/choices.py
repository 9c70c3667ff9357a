"""An option or argument that takes one of a few words."""

from __future__ import annotations

from typing import Final

import click

from guardian.domain.text.nearest import nearest

_LISTED: Final = 20
"""Words that are listed in a message beside the one that was likely meant."""


class OneOf(click.Choice):  # type: ignore[type-arg]  # noqa: TID251 - not generic in click 8.1; the one use
    """click's Choice, which names the word that a mistyped one is most like."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the word. Raises click's BadParameter."""
        try:
            return str(super().convert(value, param, ctx))
        except click.BadParameter as error:
            words = {str(choice).lower(): str(choice) for choice in self.choices}
            like = nearest(str(value).lower(), words)
            if like is None:
                raise
            said = error.message.removesuffix(".") if len(words) <= _LISTED else f"there is no `{value}`"
            self.fail(f"{said}; did you mean `{words[like]}`?", param, ctx)
