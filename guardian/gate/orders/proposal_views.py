"""Proposals as the person and the assistant see them.

An order's cost or proceeds and what it counts as against the limits are two numbers. For a SELL the latter may be
larger: it is counted at the bid, or at its stop price, where that is above its own price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Final

from guardian.domain.milliseconds import duration_text
from guardian.domain.money import ZERO, plain, plus, round_down, round_up, times
from guardian.domain.orders import OrderSide, OrderType, TimeInForce
from guardian.gate.base.order_views import iso, note_on_row, utc_clock
from guardian.gate.base.replies import MarketNow, OrderProposed, ProposedOrder, WaitingOrder
from guardian.policy.model import Channel, Limits, Policy
from guardian.store.schema.records import OrderRow, Proposal, ProposalState

if TYPE_CHECKING:
    from guardian.domain.market import BookTop
    from guardian.policy.facts import Facts
    from guardian.policy.verdict import Verdict

FILLS_AT_ONCE: Final = "fills at once, like a market order"
_COLUMNS: Final = 60
"""A line of the summary is kept within this where the numbers let it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetUse:
    """An order's use of the rolling budgets. `used` excludes the order itself, by window length in ms."""

    is_exit: bool
    limits: Limits
    used: Mapping[int, Decimal]


def budget_use(facts: Facts, verdict: Verdict, policy: Policy) -> BudgetUse | None:
    """The judged order's use of the rolling budgets; None where the usage is unknown."""
    if facts.usage is None or facts.usage.uncounted:
        return None
    return BudgetUse(is_exit=verdict.is_exit, limits=policy.limits, used=facts.usage.entered)


def proposal_state(proposal: Proposal, now_ms: int) -> str:
    """The state to show: a proposal whose time is over is `expired`, a burnt one is `rejected`."""
    if proposal.state == "burnt":
        return "rejected"
    if proposal.state == "waiting" and now_ms >= proposal.expires_ms:
        return "expired"
    if proposal.state == "approved" and (proposal.token_expires_ms is None or now_ms >= proposal.token_expires_ms):
        return "expired"
    return proposal.state


def end_of_proposal(proposal: Proposal, row: OrderRow | None, now_ms: int) -> str:
    """A sentence on how a proposal ended; `row` is its order, if it was sent."""
    name = f"proposal {proposal.id}"
    if row is not None:
        return f"{name} was sent as order {row.client_order_id}; {note_on_row(row)}"
    if proposal.state is ProposalState.BURNT:
        return f"{name} was denied when it was to be sent ({proposal.reason})"
    if proposal.state is ProposalState.REJECTED:
        return f"{name} was turned down by a person"
    if proposal.state is ProposalState.WITHDRAWN:
        return f"{name} was withdrawn by the assistant"
    return f"{name} is {proposal_state(proposal, now_ms)}"


def expires_ms(proposal: Proposal) -> int:
    """Until when the proposal, or its token where it has one, can be used."""
    return proposal.expires_ms if proposal.token_expires_ms is None else proposal.token_expires_ms


def proposed_order(proposal: Proposal, market: BookTop | None = None) -> ProposedOrder:
    """The order of a proposal. `market` is the current book; without it the one shown with the proposal is used."""
    resolved = proposal.resolved
    quantity, price = Decimal(resolved["quantity"]), Decimal(resolved["price"])
    is_buy = proposal.side == OrderSide.BUY.value
    own = times(price, quantity)
    return ProposedOrder(
        symbol=proposal.symbol,
        side=proposal.side,
        order_type=proposal.spec["order_type"],
        sent_as=resolved["type"],
        time_in_force=resolved.get("timeInForce"),
        quantity=quantity,
        price=price,
        stop_price=Decimal(resolved["stopPrice"]) if "stopPrice" in resolved else None,
        costs_at_most=round_up(own) if is_buy else None,
        brings_at_least=None if is_buy else round_down(own),
        quote_asset=proposal.quote_asset,
        counts_as=proposal.notional,
        currency=proposal.currency,
        bid=proposal.shown_bid,
        ask=proposal.shown_ask,
        fills_at_once=_crosses(proposal, market) and resolved["type"] == OrderType.LIMIT.value,
    )


def _crosses(proposal: Proposal, market: BookTop | None) -> bool:
    """Whether the order's price meets the other side of the book."""
    bid, ask = (proposal.shown_bid, proposal.shown_ask) if market is None else (market.bid, market.ask)
    price = Decimal(proposal.resolved["price"])
    return price >= ask if proposal.side == OrderSide.BUY.value else price <= bid


def _is_stop_passed(proposal: Proposal, stop_price: Decimal, market: BookTop | None) -> bool:
    """Whether both sides of the book are past the stop price: the exchange rejects such an order."""
    bid, ask = (proposal.shown_bid, proposal.shown_ask) if market is None else (market.bid, market.ask)
    is_buy, is_loss = proposal.side == OrderSide.BUY.value, proposal.spec["order_type"] == OrderType.STOP_LOSS_LIMIT
    # A BUY with a stop-loss waits for the market to rise, as a SELL with a take-profit does; the others for it to fall.
    return bid >= stop_price if is_buy is is_loss else ask <= stop_price


def view_of_proposal(
    proposal: Proposal,
    now_ms: int,
    channel: Channel,
    token: str | None,
    *,
    market: BookTop | None = None,
    budget: BudgetUse | None = None,
) -> OrderProposed:
    """A proposal with what the person must do next; `market` and `budget` where they were just looked up."""
    state = proposal_state(proposal, now_ms)
    in_chat = channel is Channel.CHAT
    expires = expires_ms(proposal)
    return OrderProposed(
        proposal_id=proposal.id,
        state=state,
        order=proposed_order(proposal, market),
        proposed=iso(proposal.created_ms),
        waiting_s=max(0, now_ms - proposal.created_ms) // 1000,
        expires=iso(expires),
        left_s=max(0, expires - now_ms) // 1000,
        market_now=None if market is None else MarketNow(bid=market.bid, ask=market.ask, asked=iso(market.fetched_ms)),
        summary=summary(proposal, now_ms, market=market, budget=budget, clock=utc_clock),
        next_step=_next_step(proposal.id, state, in_chat=in_chat),
        rejected_because=_reason(proposal),
        confirmation_token=token,
        warning=(
            'the policy says `channel = "chat"`: this token guards against slips and price moves, not against the '
            "assistant; show the person `data.summary` and use the token only after they agreed"
            if in_chat
            else None
        ),
    )


def _reason(proposal: Proposal) -> str | None:
    """What the person said when they turned it down. A burnt one has no such words: its reason is a code."""
    return proposal.reason if proposal.state is ProposalState.REJECTED else None


def summary(
    proposal: Proposal,
    now_ms: int,
    *,
    market: BookTop | None,
    budget: BudgetUse | None,
    clock: Callable[[int], str],
) -> tuple[str, ...]:
    """What a person must see before they agree, in at most five lines; `clock` writes a time."""
    first, money, waits = known_lines(proposal, now_ms, clock=clock)
    at_the_market, *counts = market_lines(proposal, market=market, budget=budget, clock=clock)
    return (first, at_the_market, money, *counts, waits)


def waiting_order(proposal: Proposal, now_ms: int) -> WaitingOrder:
    """A proposal that waits, in one line, with the time left."""
    return WaitingOrder(
        proposal_id=proposal.id,
        state=proposal_state(proposal, now_ms),
        order=order_line(proposal),
        left_s=max(0, expires_ms(proposal) - now_ms) // 1000,
    )


def known_lines(proposal: Proposal, now_ms: int, *, clock: Callable[[int], str]) -> tuple[str, str, str]:
    """The lines of the summary that are known without the exchange: the order, the money, and the time left."""
    order = proposed_order(proposal)
    filled = "" if order.costs_at_most is not None else ", if it all fills"
    expires = expires_ms(proposal)
    waits = f"asked {_about(now_ms - proposal.created_ms)} ago at {plain(order.bid)}/{plain(order.ask)}"
    return (
        f"{proposal.scope.environment.upper()}  {order_line(proposal)}",
        f"{money_line(order)} before fees{filled}",
        f"{waits}; {_about(expires - now_ms)} left, until {clock(expires)}",
    )


def market_lines(
    proposal: Proposal, *, market: BookTop | None, budget: BudgetUse | None, clock: Callable[[int], str]
) -> tuple[str, ...]:
    """The lines of the summary that need the exchange: what it would do now and, where known, its share of budgets."""
    order = proposed_order(proposal, market)
    lines = (market_line(proposal, order, market, clock), _counts(order, budget))
    return tuple(line for line in lines if line)


def money_line(order: ProposedOrder) -> str:
    """`costs at most 60 USDT` or `brings at least 59.9 USDT`, before fees."""
    if order.costs_at_most is not None:
        return f"costs at most {plain(order.costs_at_most)} {order.quote_asset}"
    return f"brings at least {plain(order.brings_at_least or ZERO)} {order.quote_asset}"


def order_line(proposal: Proposal) -> str:
    """An order in a few words: `BUY 0.001 BTCUSDT MARKET as LIMIT IOC at 60600`."""
    wire = proposal.resolved
    asked, rests = proposal.spec["order_type"], wire.get("timeInForce", TimeInForce.GTC.value)
    if asked == OrderType.MARKET.value:
        kind = f"{asked} as {wire['type']} {rests}"
    else:
        kind = asked if rests == TimeInForce.GTC.value else f"{asked} {rests}"
    stop = f", stop {wire['stopPrice']}" if "stopPrice" in wire else ""
    return f"{wire['side']} {wire['quantity']} {wire['symbol']} {kind} at {wire['price']}{stop}"


def market_line(proposal: Proposal, order: ProposedOrder, market: BookTop | None, clock: Callable[[int], str]) -> str:
    """What the order would do if it were sent now, with the book and the time at which it was fetched.

    `clock` writes a time.
    """
    if order.fills_at_once:
        what = FILLS_AT_ONCE
    elif order.stop_price is not None:
        is_passed = _is_stop_passed(proposal, order.stop_price, market)
        what = "would be rejected, for its stop price is passed" if is_passed else "waits for its stop price"
    elif order.time_in_force in {TimeInForce.IOC.value, TimeInForce.FOK.value}:
        what = "fills nothing and lapses"
    elif _crosses(proposal, market):
        what = "would be rejected, for it may not fill at once"
    else:
        what = "rests in the book"
    if market is None:
        return what
    book, asked = f"{plain(market.bid)}/{plain(market.ask)}", f"at {clock(market.fetched_ms)}"
    if order.fills_at_once and len(f"{what}: {book} {asked}") > _COLUMNS:
        # The side that it meets is the one that matters.
        book = f"ask {plain(market.ask)}" if order.costs_at_most is not None else f"bid {plain(market.bid)}"
    return f"{what}: {book} {asked}"


def _counts(order: ProposedOrder, budget: BudgetUse | None) -> str:
    """What the order counts as, where that differs from its cost or proceeds, and its share of the budgets."""
    own = order.brings_at_least if order.costs_at_most is None else order.costs_at_most
    differs = (own, order.quote_asset) != (order.counts_as, order.currency)
    amount = f"counts as {plain(order.counts_as)} {order.currency}"
    if budget is None:
        return f"{amount} against your limits" if differs else ""
    if budget.is_exit:
        return f"{amount} against max_notional, spends no budget"
    shares = []
    for window in budget.limits.rolling_notional:
        after = plus(budget.used[window.window_ms], order.counts_as)
        percent = (after * 100 / window.maximum).to_integral_value(ROUND_CEILING)
        shares.append((percent, f"{percent}% of {plain(window.maximum)} in {duration_text(window.window_ms)}"))
    lead = f"{amount} against your limits: " if differs else "your limits with it: "
    every, tightest = ", ".join(text for _, text in shares), max(shares)[1]
    shorter = f"{amount}: {tightest}" if differs else lead + tightest
    return next((line for line in (lead + every, lead + tightest) if len(line) <= _COLUMNS), shorter)


def _about(milliseconds: int) -> str:
    """A span of time in its largest unit, rounded down: `45s`, `12m`, `3h`."""
    seconds = max(0, milliseconds) // 1000
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _next_step(proposal_id: str, state: str, *, in_chat: bool) -> str:
    if state == "rejected":
        return "a person turned this order down; do not request it again unless they agree"
    if state in {"expired", "withdrawn"}:
        return "too late; request the order again if it is still wanted"
    if in_chat:
        return "show `data.summary` to the person; after they agreed, call create_order with `confirmation_token` alone"
    if state == "approved":
        return (
            "a person approved it, and either places it themselves or hands you a token: "
            "with that call create_order with `confirmation_token` alone"
        )
    return (
        f"nothing was sent. The person runs `guardian approve {proposal_id}` in a terminal and gives you the token "
        "for create_order with `confirmation_token` alone, or places it there with `--submit`; cancel_order with "
        "`proposal_id` alone withdraws it"
    )
