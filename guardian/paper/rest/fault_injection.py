"""Injects a fault into one request."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from starlette.requests import Request
from starlette.responses import Response

from guardian.domain.money import divided_up, floor_to, times
from guardian.errors import ExchangeRejected
from guardian.paper.engine.orders import CancelOne
from guardian.paper.market.pinned import PinnedFeed
from guardian.paper.market.symbols import LISTINGS
from guardian.paper.rest.faults import CUTS, Fault, FaultKind
from guardian.paper.venue import Venue

_HALF = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class FaultedRequest:
    """A request with a fault: what it sent, and how to carry it out."""

    request: Request
    sent: Mapping[str, str]
    execute: Callable[[], Response]
    venue: Venue


async def inject(fault: Fault, faulted: FaultedRequest) -> Response:
    """Injects a fault into one request and returns the reply."""
    if fault.kind in {FaultKind.DELAY, FaultKind.HANG}:
        try:
            await asyncio.sleep(fault.seconds)
        except asyncio.CancelledError:
            # The server ends: without this uvicorn would still say 500.
            _cut(faulted.request)
            raise
    if fault.kind is FaultKind.PARTIAL_FILL:
        return _fill_half(faulted)
    reply = faulted.execute() if fault.execute else None
    if fault.kind in CUTS:
        _cut(faulted.request, reset=fault.kind in {FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER})
        await asyncio.sleep(0)
        return Response()
    if reply is not None and fault.kind is FaultKind.DELAY:
        return reply
    if reply is not None and fault.kind is FaultKind.UNSEEN_2013 and not _is_young(reply, fault.seconds, faulted.venue):
        return reply
    return Response(fault.body, status_code=fault.status, headers={"content-type": fault.content_type, **fault.headers})


def _cut(request: Request, *, reset: bool = False) -> None:
    # See serving.py: each connection's transport is within reach of its requests.
    transport = request.scope["state"]["transport"]
    if reset and (connection := transport.get_extra_info("socket")) is not None:
        # Closing without lingering sends a reset in place of an orderly end.
        with suppress(OSError):
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii" if os.name == "posix" else "hh", 1, 0)
            )
    transport.abort()


def _is_young(reply: Response, seconds: float, venue: Venue) -> bool:
    """Whether a reply has an order that was placed less than `seconds` ago."""
    placed = json.loads(bytes(reply.body))
    return reply.status_code == 200 and venue.now() - int(placed["time"]) < seconds * 1000


def _fill_half(faulted: FaultedRequest) -> Response:
    """Carries an order out on a book that holds half of it, and then cancels what is left."""
    with faulted.venue.at_work() as now:
        with _half_a_book(faulted, now):
            reply = faulted.execute()
        placed = json.loads(bytes(reply.body))
        if reply.status_code == 200:
            # It may have ended by itself: then there is nothing to cancel.
            with suppress(ExchangeRejected):
                faulted.venue.execute(
                    CancelOne(symbol=placed["symbol"], order_id=placed["orderId"], client_order_id=None), now
                )
    return reply


@contextmanager
def _half_a_book(faulted: FaultedRequest, now: int) -> Iterator[None]:
    feed, sent = faulted.venue.feed, faulted.sent
    listing = LISTINGS.get(sent.get("symbol", ""))
    assert isinstance(feed, PinnedFeed), "faults are for exchanges whose feed can be pinned"
    thin: AbstractContextManager[None] = nullcontext()
    with suppress(InvalidOperation):
        if listing is not None and sent.get("type") in {"LIMIT", "MARKET"}:
            levels = feed.asks(listing.symbol, now) if sent.get("side") == "BUY" else feed.bids(listing.symbol, now)
            best = next((level.price for level in levels), listing.usual_price)
            price = Decimal(sent["price"]) if "price" in sent else best
            if "quantity" in sent:
                wanted = Decimal(sent["quantity"])
            else:
                wanted = divided_up(Decimal(sent.get("quoteOrderQty", "0")), price)
            half = floor_to(times(wanted, _HALF), listing.step)
            thin = feed.thinned(listing.symbol, price, half)
            # What was taken from one book does not apply to the other.
            faulted.venue.engine.book(listing.symbol).renew()
    try:
        with thin:
            yield
    finally:
        if listing is not None:
            faulted.venue.engine.book(listing.symbol).renew()
