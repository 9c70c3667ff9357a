"""An option or argument that takes one of a few words."""

from __future__ import annotations

import click

from guardian.domain.text.nearest import nearest


class OneOf(click.Choice):  # type: ignore[type-arg]  # noqa: TID251 - not generic in click 8.1; the one use
    """click's Choice, which names the word that a mistyped one is most like."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the word. Raises click's BadParameter."""
        try:
            return str(super().convert(value, param, ctx))
        except click.BadParameter as error:
            like = nearest(str(value).lower(), map(str, self.choices))
            if like is None:
                raise
            self.fail(f"{error.message.removesuffix('.')}; did you mean `{like}`?", param, ctx)
