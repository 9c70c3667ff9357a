"""What can be read beside the tools: the policy, the status, the recent calls; and the one prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastmcp import FastMCP

from guardian.domain.text.plain_data import Plain, to_plain
from guardian.server.envelope import as_text

if TYPE_CHECKING:
    from guardian.gate.pipeline import Gate

_JSON: Final = "application/json"
RECENT_CALLS: Final = 20

_PROMPT: Final = "How to trade through guardian: what to look at first, how to ask, what each outcome wants of you."
_HOW_TO_TRADE: Final = """\
Trade through guardian in this order.

1. Read guardian://policy (symbols, limits, headroom left) and guardian://status (environment, trading state); where \
you cannot, get_balance has the same in `data.situation`.
2. Look: get_ticker_price or get_order_book, get_balance, get_orders with status "open". For tick, step and least \
notional of a symbol: get_available_assets.
3. State the order to the person: symbol, side, type, quantity, worst-case cost, environment. Then create_order once.
4. On confirmation_required: nothing was sent. Tell the person what `data.next_step` says and wait for them. When they \
hand you a confirmation token, call create_order with `confirmation_token` alone.
5. On denied: read every entry of `error.denials`; each names the limit and what would pass. Do not split an order.
6. On unknown: the order may exist. Ask get_orders with its client_order_id. Never send it again.
7. Check its outcome with get_orders, and say what filled at which price.
8. To take back an order that still waits for the person: cancel_order with `proposal_id` alone.
9. To leave: cancel_order for what is open, SELL for what was bought. Both work when budgets are spent and when \
trading is `reducing`; cancelling also when it is halted."""


def without_account(status: Plain) -> Plain:
    """The status without whose account it is: the exchange's number for the person stays on this machine."""
    if isinstance(status, list):
        return [without_account(each) for each in status]
    if isinstance(status, dict):
        return {name: without_account(value) for name, value in status.items() if name != "account"}
    return status


def add_resources(server: FastMCP, gate: Gate) -> None:
    """Add the three read-only resources and the prompt to `server`."""

    @server.resource("guardian://policy", name="policy", mime_type=_JSON)
    async def policy() -> str:
        """What the owner's policy allows, with the headroom that is left."""
        return as_text(to_plain(await gate.policy_view()))

    @server.resource("guardian://status", name="status", mime_type=_JSON)
    async def status() -> str:
        """Environment, trading state, open and unknown orders, and what waits for a person."""
        return as_text(without_account(to_plain(await gate.status())))

    @server.resource("guardian://audit/recent", name="recent calls", mime_type=_JSON)
    async def recent() -> str:
        """The last calls and their outcomes, from the audit log."""
        return as_text(to_plain(await gate.recent(RECENT_CALLS)))

    # Without a docstring: FastMCP would import a parser of docstrings to take the same description from it.
    @server.prompt(title="How to trade through guardian", description=_PROMPT)
    def trade_through_guardian() -> str:
        return _HOW_TO_TRADE
