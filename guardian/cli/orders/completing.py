"""The orders that wait, as a shell completes their ids."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from guardian.errors import GuardianError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def waiting_ids(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Returns the ids that begin so, each with its order; none where the log cannot be read. Makes no home."""
    from click.shell_completion import CompletionItem

    from guardian.gate.orders.proposal_views import order_line
    from guardian.home.folder import home_folder
    from guardian.store.waiting_proposals import WaitingProposals
    from guardian.system.clock import SYSTEM_CLOCK

    with suppress(GuardianError, OSError):
        found = WaitingProposals(home_folder(), SYSTEM_CLOCK).all().proposals
        return [CompletionItem(one.id, help=order_line(one)) for one in found if one.id.startswith(incomplete.upper())]
    return []
