"""The gate's replies: an outcome, the data or the error, and sentences for a person.

Text that came from the exchange has fields of its own and is never part of guardian's sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from guardian.domain.codes import Code, Outcome
from guardian.errors import ExchangeRejected
from guardian.policy.verdict import Denial


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order: what was sent, what the exchange reports, and who placed it.

    `quantity` and `executed_quantity` are in the base asset, prices in the quote asset per base asset.
    """

    client_order_id: str
    order_id: int | None
    symbol: str
    side: str
    order_type: str
    """As it was requested; MARKET is sent as a LIMIT IOC at `price`."""
    sent_as: str | None
    time_in_force: str | None
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    state: str
    """`open`, `part_filled`, `filled`, `cancelled`, `expired`, `rejected`, `unknown`, `not_placed` or `reserved`."""
    executed_quantity: Decimal
    executed_quote_quantity: Decimal | None
    """Spent or received; null where the exchange does not know it."""
    average_price: Decimal | None
    commissions: dict[str, Decimal] | None
    """The fees of all that is executed, by asset; null where they are not known for all of it."""
    placed_by: str
    """`guardian`, or `other` for orders of the account that guardian did not place."""
    time: str | None
    """When it was created: an order of guardian's when it was sent, another when the exchange took it in."""
    updated: str | None
    """When the exchange last touched it, where this is the exchange's own answer."""
    exchange_status: str | None
    """Untrusted: the exchange's last status, for instance `EXPIRED_IN_MATCH`."""
    prevented_quantity: Decimal | None
    """What did not trade because the other side was the account's own order; null where it is not reported."""
    source: str
    """`exchange`: as it just reported. `log`: as guardian stored it; the exchange's answer did not show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """`create_order` has sent an order, or had sent this one before."""

    note: str
    """First of all, since it says whether anything was sent now."""
    already_placed: bool
    """True where nothing was sent now, because the token or the same order was used already."""
    order: OrderView


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedOrder:
    """The exact order that waits: what would be sent, what it costs or brings, and what it counts as."""

    symbol: str
    side: str
    order_type: str
    sent_as: str
    time_in_force: str | None
    quantity: Decimal
    price: Decimal
    stop_price: Decimal | None
    costs_at_most: Decimal | None
    """In the quote asset, before fees; null for a SELL."""
    brings_at_least: Decimal | None
    """In the quote asset, before fees, if all of it fills; null for a BUY."""
    quote_asset: str
    counts_as: Decimal
    """Against the owner's limits, in `currency`. A SELL counts at the bid or its stop price where that is higher."""
    currency: str
    bid: Decimal
    """When it was proposed."""
    ask: Decimal
    """When it was proposed."""
    fills_at_once: bool
    """Whether it crosses the book and so fills like a market order, a LIMIT too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketNow:
    """The best prices of the book, and when they were fetched."""

    bid: Decimal
    ask: Decimal
    asked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateView:
    """What is left of a mandate, for replies and the status."""

    environment: str
    symbols: tuple[str, ...]
    currency: str
    budget: Decimal
    left: Decimal | None
    """None where some of its orders were counted in another currency."""
    max_order: Decimal | None
    left_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPosition:
    """What guardian bought of an asset and has not sold, less fees, and how much of it can be sold back now."""

    asset: str
    held: Decimal
    sell_back: Decimal | None
    """In whole steps, zero where that is too little to be sold; None where it is unknown."""
    symbol: str | None
    """Where it is sold back; None where no symbol is known for it."""
    orders: tuple[Decimal, ...] | None
    """The quantities of MARKET SELLs on `symbol` that together sell it back; None where they are unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingOrder:
    """A proposal that waits for a person, or for its token to be used."""

    proposal_id: str
    state: str
    order: str
    """The order in one line."""
    left_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What guardian knows beside a reply: what it holds, what the policy leaves, and what waits. None is unknown."""

    trading: str
    """`active`, or the state with its reason and what ends it."""
    positions: tuple[HeldPosition, ...] | None
    currency: str | None
    """What the notionals of the caps are in; `max_position` is in the base asset, `max_orders` counts."""
    headroom: dict[str, str | None]
    """What is left of each cap, `140 of 500`, by its key with its window or symbol: `rolling_notional 24h`.

    Of a proposal or a denial: what concerns that order, and the keys of a symbol are those of its own.
    """
    frees: dict[str, str]
    """By cap that is used up, when the oldest order that counts leaves its window."""
    waiting: tuple[WaitingOrder, ...] | None
    """Proposals that wait, but for the one that the reply itself is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderProposed:
    """`create_order` needs a person. Nothing was sent."""

    proposal_id: str
    state: str
    """`waiting`, `approved`, `rejected` or `expired`."""
    order: ProposedOrder
    proposed: str
    waiting_s: int
    expires: str
    left_s: int
    market_now: MarketNow | None
    """Null where it was not fetched, as in the status."""
    summary: tuple[str, ...]
    """The order in words, as the person is shown it."""
    next_step: str
    """What the person must do, and then the assistant."""
    confirmation_token: str | None = None
    """Only where the policy says `channel = "chat"`."""
    warning: str | None = None
    client_answer: str | None = None
    """What came of the question that the client just put: `declined`, `cancelled`, `timed_out`, `too_soon`, `failed`.

    `accepted` where that approved nothing any more; null where no question was put.
    """
    rejected_because: str | None = None
    """Untrusted: the words of the person who turned it down, cleaned and bounded."""
    situation: Situation | None = None
    """None where it was not looked up, as in the status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalWithdrawn:
    """`cancel_order` withdrew a proposal. Nothing was sent, and it can no longer be sent."""

    proposal_id: str
    state: str
    """`withdrawn`."""
    order: ProposedOrder
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled:
    """`cancel_order` was done; `order` is its state now."""

    order: OrderView
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResult:
    """What came of one order of guardian's when all of them were cancelled."""

    result: str
    """`cancelled`; ended before: `filled`, `expired`, `not_placed`; else the outcome of its cancel, or `not_tried`."""
    symbol: str
    client_order_id: str
    side: str
    quantity: Decimal
    executed_quantity: Decimal | None
    """What had filled; null where it is not known."""
    environment: str | None
    """Where it was sent to, unless that is `meta.environment`."""
    message: str | None
    """Why it may still be open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersCancelled:
    """`cancel_order` with `all` was carried out; `note` says in a sentence what came of it."""

    note: str
    still_open: int
    """How many of the orders are or may be open now."""
    results: tuple[CancelResult, ...]
    waiting: tuple[WaitingOrder, ...] | None
    """Proposals that were not taken back; null where they could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetBalance:
    """The account's balance of an asset, and how much of it guardian can sell back without a budget."""

    asset: str
    free: Decimal
    locked: Decimal
    sell_back: Decimal | None
    """In whole steps of its symbol, zero where that is too little to be sold.

    None where guardian's own log could not be read.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountBalances:
    """All balances of the spot account."""

    balances: tuple[AssetBalance, ...]
    can_trade: bool
    updated: str | None
    situation: Situation | None = None
    """None where guardian's own log could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierDenial:
    """One rule's no in an earlier reply; see `guardian.policy.verdict.Denial`."""

    code: str
    message: str
    observed: str | None
    limit: str | None
    hint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeWords:
    """What the exchange said when it rejected an order: its code, and its text, which is not to be trusted."""

    code: int | None
    text: str | None
    untrusted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierCall:
    """An earlier call of `create_order`: what was asked, what was answered, and what has become of it since."""

    note: str
    """What has become of it, in one sentence."""
    call_id: str
    time: str
    environment: str | None
    asked: dict[str, str]
    """The order as it was requested; empty where a token stood for it."""
    outcome: str | None
    """None while the call has not ended."""
    code: str | None
    message: str | None
    hint: str | None
    denials: tuple[EarlierDenial, ...]
    """Every rule that said no."""
    exchange: ExchangeWords | None
    proposal_id: str | None
    client_order_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Orders, newest last. `unresolved` lists orders of guardian's whose state is unknown, first of all."""

    unresolved: tuple[OrderView, ...]
    orders: tuple[OrderView, ...]
    note: str | None = None
    """What is listed where that is not plain, what was left out, and how to go on."""
    cut: bool = False
    """Whether there are more orders than these."""
    next_cursor: str | None = None
    """Continues the list; null on the last page, and where the newest orders are given."""
    explained: EarlierCall | None = None
    """The call of `create_order` that was requested by its id, or that sent the requested order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyError:
    """Why a call was not done."""

    code: Code
    message: str
    hint: str | None = None
    denials: tuple[Denial, ...] = ()
    exchange_code: int | None = None
    exchange_text: str | None = None
    """Untrusted: the exchange's own words, cleaned and bounded."""
    retry_after_s: int | None = None
    client_order_id: str | None = None
    """The order to query, where its state is unknown."""
    situation: Situation | None = None
    """Of a `denied` `create_order` alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to one call. `data` is set for `done` and `confirmation_required`, `error` for the others."""

    outcome: Outcome
    data: object | None = None
    error: ReplyError | None = None
    detail: str | None = None
    """For the log alone: the whole of a fault, never shown to the assistant."""
    judged: Mapping[str, object] | None = None
    """For the log alone: what an order was judged on, so that the judgement can be made again."""


def done(data: object) -> Reply:
    """The reply for a call that was done."""
    return Reply(outcome=Outcome.DONE, data=data)


def refused(
    code: Code,
    message: str,
    *,
    hint: str | None = None,
    denials: tuple[Denial, ...] = (),
    retry_after_s: int | None = None,
    detail: str | None = None,
) -> Reply:
    """The reply for a call that was not done, for the reason that the code names."""
    error = ReplyError(code=code, message=message, hint=hint, denials=denials, retry_after_s=retry_after_s)
    return Reply(outcome=code.outcome, error=error, detail=detail)


def denied(denials: tuple[Denial, ...]) -> Reply:
    """The reply for a denied call: the message of the first denial, and all denials."""
    first = denials[0]
    more = f" (and {len(denials) - 1} more)" if len(denials) > 1 else ""
    return refused(first.code, f"{first.message}{more}", hint=first.hint, denials=denials)


def needs_situation(reply: Reply) -> bool:
    """Whether the reply to a `create_order` should say what guardian knows, and does not yet."""
    if isinstance(reply.data, OrderProposed):
        return reply.data.situation is None
    return reply.outcome is Outcome.DENIED and reply.error is not None and reply.error.situation is None


def with_situation(reply: Reply, situation: Situation) -> Reply:
    """The reply with what guardian knows beside it: in the data of a proposal, else in the error.

    The proposal that the reply is about is not listed again among those that wait.
    """
    if isinstance(reply.data, OrderProposed):
        own = reply.data.proposal_id
        others = tuple(one for one in situation.waiting or () if one.proposal_id != own)
        return replace(reply, data=replace(reply.data, situation=replace(situation, waiting=others)))
    return reply if reply.error is None else replace(reply, error=replace(reply.error, situation=situation))


def rejection(error: ExchangeRejected) -> Reply:
    """The reply for a request that the exchange rejected; its own words are in a field of their own."""
    return Reply(outcome=Outcome.REJECTED, error=rejected_because(error))


def rejected_because(error: ExchangeRejected) -> ReplyError:
    """The error of a request that the exchange rejected."""
    return ReplyError(
        code=Code.EXCHANGE_REJECTED,
        message=error.message,
        hint=error.hint,
        exchange_code=error.code,
        exchange_text=error.text,
    )
