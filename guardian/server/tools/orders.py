"""Spot orders: to create, to cancel, to look at.

Each tool returns its request and does nothing else. `registration.as_tool` passes the request to `Gate.handle`, within
the call whose rows in the log `middleware.OutermostGuard` writes; an InvalidArguments becomes an `invalid` reply.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from guardian.domain.orders import CLIENT_ORDER_ID_PREFIX, OrderSpec, TimeInForce
from guardian.domain.requests import CancelAll, CancelOrder, CreateOrder, GetOrders, OrdersWanted, WithdrawProposal
from guardian.domain.secrets import Secret
from guardian.errors import ArgumentMistake, InvalidArguments
from guardian.gate.base.replies import (
    OrderCancelled,
    OrderPlaced,
    OrderProposed,
    Orders,
    OrdersCancelled,
    ProposalWithdrawn,
)
from guardian.server.arguments import TIME_IN_FORCE_TYPES, period_mistakes, price_mistakes, quantity_mistakes, stated
from guardian.server.parameter_types import (
    CallId,
    CancelsAll,
    ClientOrderId,
    ConfirmationToken,
    EndTime,
    OrderId,
    OrdersCursor,
    OrdersLimit,
    OrderTimeInForce,
    Price,
    ProposalId,
    Quantity,
    QuoteQuantity,
    Side,
    StartTime,
    Status,
    StopPrice,
    Symbol,
    Type,
)
from guardian.server.registration import ToolSpec


def create_order(
    symbol: Symbol | None = None,
    side: Side | None = None,
    order_type: Type | None = None,
    quantity: Quantity | None = None,
    quote_quantity: QuoteQuantity | None = None,
    price: Price | None = None,
    stop_price: StopPrice | None = None,
    time_in_force: OrderTimeInForce | None = None,
    confirmation_token: ConfirmationToken | None = None,
) -> CreateOrder:
    """Ask for ONE spot order, now. It is judged by the owner's policy; unless that lets it through, nothing is sent.

    Guardian does not schedule or repeat orders, convert, borrow, trade futures, withdraw or transfer.

    Needs symbol, side, order_type, one of quantity (base asset) and quote_quantity (quote asset, MARKET only), and what
    the type needs. MARKET is sent as a LIMIT IOC at a protected price; what does not fill at once lapses.

    `done`: sent; `data.order` says what filled. `confirmation_required`: NOTHING was sent; do what `data.next_step`
    says; with the token that a person hands you, call again with confirmation_token alone. `denied`: `error.denials`
    names each limit, `error.situation` what is left of all; do not split the order. `unknown`: it may exist; ask
    get_orders for `error.client_order_id`, never send it again.
    """
    if confirmation_token is not None:
        fields: dict[str, str | Decimal | None] = {
            "symbol": symbol,
            "side": side and side.value,
            "order_type": order_type and order_type.value,
            "quantity": quantity,
            "quote_quantity": quote_quantity,
            "price": price,
            "stop_price": stop_price,
            "time_in_force": time_in_force and time_in_force.value,
        }
        return CreateOrder(stated=stated(fields), confirmation_token=Secret(confirmation_token))
    mistakes = [
        ArgumentMistake(name, "is required, unless confirmation_token is given")
        for name, value in (("symbol", symbol), ("side", side), ("order_type", order_type))
        if value is None
    ]
    mistakes += quantity_mistakes(order_type, quantity, quote_quantity)
    if order_type is not None:
        mistakes += price_mistakes(order_type, price, stop_price, time_in_force)
    if mistakes or symbol is None or side is None or order_type is None:
        raise InvalidArguments(tuple(mistakes), hint="nothing was sent; mend the fields named and call again")
    if time_in_force is None and order_type in TIME_IN_FORCE_TYPES:
        time_in_force = TimeInForce.GTC
    return CreateOrder(
        order=OrderSpec(
            symbol=symbol,
            side=side,
            order_type=order_type,
            quantity=quantity,
            quote_quantity=quote_quantity,
            price=price,
            stop_price=stop_price,
            time_in_force=time_in_force,
        )
    )


def cancel_order(
    symbol: Symbol | None = None,
    order_id: OrderId | None = None,
    client_order_id: ClientOrderId | None = None,
    proposal_id: ProposalId | None = None,
    all: CancelsAll | None = None,  # noqa: A002 - the tool's own argument
) -> CancelOrder | WithdrawProposal | CancelAll:
    """Take ONE open spot order out of the book: symbol, and one of order_id and client_order_id (get_orders has both).

    Or, with all true and no id, all that guardian placed, of symbol or of every symbol: `data.note` says what came of
    it. Or, with proposal_id ALONE, take back an order that waits for a person, or is approved and was not sent.

    Works when trading is halted and when budgets are spent. It does not undo what has filled. Orders that guardian did
    not place are denied unless the owner's policy allows it.
    """
    hint = "get_orders with status open lists the ids of what can be cancelled"
    if all:
        ids = (("order_id", order_id), ("client_order_id", client_order_id), ("proposal_id", proposal_id))
        mistakes = [ArgumentMistake(name, "not together with all") for name, value in ids if value is not None]
        if mistakes:
            raise InvalidArguments(tuple(mistakes), hint="nothing was cancelled; give all, or one id")
        return CancelAll(symbol=symbol)
    if proposal_id is not None:
        given = (("symbol", symbol), ("order_id", order_id), ("client_order_id", client_order_id))
        beside = [ArgumentMistake(name, "not together with proposal_id") for name, value in given if value is not None]
        if beside:
            raise InvalidArguments(tuple(beside), hint="give proposal_id alone; a proposal has no other id")
        return WithdrawProposal(proposal_id=proposal_id)
    mistakes = []
    if (order_id is None) == (client_order_id is None):
        which = "give one of order_id and client_order_id" if order_id is None else "not together with client_order_id"
        mistakes.append(ArgumentMistake("order_id", which))
    if symbol is None:
        mistakes.append(ArgumentMistake("symbol", "is required, unless proposal_id or all is given"))
    if mistakes or symbol is None:
        raise InvalidArguments(tuple(mistakes), hint=hint)
    return CancelOrder(symbol=symbol, order_id=order_id, client_order_id=client_order_id)


def get_orders(
    symbol: Symbol | None = None,
    status: Status | None = None,
    order_id: OrderId | None = None,
    client_order_id: ClientOrderId | None = None,
    call_id: CallId | None = None,
    start_time: StartTime | None = None,
    end_time: EndTime | None = None,
    limit: OrdersLimit = 50,
    cursor: OrdersCursor | None = None,
) -> GetOrders:
    """Spot orders, newest last, with state, what filled, average price, and who placed them.

    With symbol: all of the account's; without: the open ones of every symbol, or with status "all" or times those that
    guardian placed. With start_time: created since then, oldest first, in pages: while `data.cut`, call again with the
    same arguments and cursor. With an id: that one order, the way to learn the outcome of an `unknown` one. With
    call_id: why that create_order was denied, or its result. `unresolved` lists guardian's orders whose fate is not
    known yet: they count as open. Source "log": this answer of the exchange, which can lag, did not have it.
    """
    if call_id is not None:
        ids = (("symbol", symbol), ("order_id", order_id), ("client_order_id", client_order_id))
        beside = (*ids, ("start_time", start_time), ("end_time", end_time), ("cursor", cursor))
        wrong = [ArgumentMistake(name, "not together with call_id") for name, value in beside if value is not None]
        if wrong:
            raise InvalidArguments(tuple(wrong), hint="give call_id alone")
        return GetOrders(call_id=call_id)
    mistakes = period_mistakes(start_time, end_time, None)
    has_id = order_id is not None or client_order_id is not None
    is_guardians = client_order_id is not None and client_order_id.startswith(CLIENT_ORDER_ID_PREFIX)
    if symbol is None and has_id and not is_guardians:
        mistakes.append(ArgumentMistake("symbol", "is required with an id that is not guardian's"))
    if order_id is not None and client_order_id is not None:
        mistakes.append(ArgumentMistake("order_id", "not together with client_order_id"))
    for name, given in (("start_time", start_time), ("end_time", end_time)):
        if given is None:
            continue
        if has_id:
            mistakes.append(ArgumentMistake(name, "not together with an id"))
        if status is OrdersWanted.OPEN:
            mistakes.append(ArgumentMistake(name, 'only with status "all"; open orders are listed whatever their age'))
    has_times = start_time is not None or end_time is not None
    if cursor is not None and not has_times:
        mistakes.append(ArgumentMistake("cursor", "only with the arguments of the page before, start_time among them"))
    if mistakes:
        raise InvalidArguments(tuple(mistakes))
    lists_open = status is OrdersWanted.OPEN or (status is None and symbol is None and not has_times and not has_id)
    return GetOrders(
        symbol=symbol,
        status=OrdersWanted.OPEN if lists_open else OrdersWanted.ALL,
        is_status_assumed=lists_open and status is None,
        order_id=order_id,
        client_order_id=client_order_id,
        start_time=start_time,
        end_time=end_time,
        limit=limit,
        cursor=cursor,
    )


ORDER_TOOLS: Final = (
    ToolSpec(
        build=create_order,
        title="Create a spot order",
        returns=(OrderPlaced, OrderProposed),
        read_only=False,
        destructive=True,
        idempotent=False,
    ),
    ToolSpec(
        build=cancel_order,
        title="Cancel spot orders, or withdraw a proposed one",
        returns=(OrderCancelled, OrdersCancelled, ProposalWithdrawn),
        read_only=False,
        destructive=True,
        idempotent=True,
    ),
    ToolSpec(build=get_orders, title="Spot orders", returns=(Orders,)),
)
