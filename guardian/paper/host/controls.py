"""What tests and the control endpoint can see and do with a paper exchange, beside its trading API."""

from __future__ import annotations

from collections.abc import Mapping, MutableSequence
from decimal import Decimal
from typing import Final

from guardian.paper.engine.orders import Rematch, SetBalance
from guardian.paper.market.pinned import Pin, PinnedFeed
from guardian.paper.market.symbols import LISTINGS
from guardian.paper.rest.app import Received
from guardian.paper.rest.faults import ALWAYS, FaultKind, Faults, make_fault
from guardian.paper.venue import Venue


class Controls:
    """Reads and changes a running exchange. Safe to use while requests come in."""

    def __init__(self, venue: Venue, feed: PinnedFeed, faults: Faults, journal: MutableSequence[Received]) -> None:
        self._venue = venue
        self._feed = feed
        self._faults = faults
        self.journal: Final = journal
        """The requests received, in order, whatever the outcome."""

    @property
    def clock_skew_ms(self) -> int:
        """How many milliseconds the exchange's clock is ahead of the clock that it was given."""
        return self._venue.clock_skew_ms

    @clock_skew_ms.setter
    def clock_skew_ms(self, skew: int) -> None:
        self._venue.clock_skew_ms = skew

    def set_book(self, symbol: str, bid: str, ask: str, quantity: str = "100") -> None:
        """Makes the symbol's book one level a side, less what the account takes of it until the next call.

        Resting orders are matched against it now, and may stay filled in part. A quantity of 0 empties both sides.
        """
        pin = Pin(bid=Decimal(bid), ask=Decimal(ask), quantity=Decimal(quantity))
        with self._venue.at_work() as now:
            self._feed.pin(LISTINGS[symbol].symbol, pin)
            self._venue.execute(Rematch(symbol), now)

    def free_book(self, symbol: str) -> None:
        """Gives the symbol the market's book and average again; resting orders are matched against them now."""
        with self._venue.at_work() as now:
            self._feed.unpin(LISTINGS[symbol].symbol)
            self._venue.execute(Rematch(symbol), now)

    def set_average(self, symbol: str, price: str, close_time_ms: int | None = None) -> None:
        """Sets the symbol's average price; without a close time it is always of this second."""
        with self._venue.at_work():
            self._feed.pin_average(LISTINGS[symbol].symbol, Decimal(price), close_time_ms)

    def set_balance(self, asset: str, free: str) -> None:
        """Sets the free amount of the asset."""
        with self._venue.at_work() as now:
            self._venue.execute(SetBalance(asset=asset, free=Decimal(free)), now)

    def set_permissions(self, **fields: object) -> None:
        """Changes fields of the answer about the key's permissions, such as `enableWithdrawals=True`; None drops one.

        Each call starts from the usual answer again, so that none at all restores it.
        """
        with self._venue.at_work():
            self._venue.key_restrictions = dict(fields)

    def balance(self, asset: str) -> tuple[Decimal, Decimal]:
        """Returns what is free and what is locked of the asset."""
        with self._venue.at_work():
            balance = self._venue.state.ledger.of(asset)
            return balance.free, balance.locked

    def requests(self, method: str, path: str) -> list[dict[str, str]]:
        """Returns the parameters of every such request received, in order."""
        return [dict(one.params) for one in list(self.journal) if (one.method, one.path) == (method, path)]

    def orders_received(self) -> list[dict[str, str]]:
        """Returns the parameters of every order that was sent here, in order, whatever the outcome."""
        return self.requests("POST", "/api/v3/order")

    def orders(self) -> list[dict[str, str]]:
        """Returns every order that the exchange has taken, in order: ids, symbol, status and quantities."""
        with self._venue.at_work():
            return [
                {
                    "orderId": str(order.order_id),
                    "clientOrderId": order.client_order_id,
                    "symbol": order.symbol,
                    "side": order.side,
                    "type": order.order_type,
                    "status": order.status,
                    "price": str(order.price),
                    "origQty": str(order.quantity),
                    "executedQty": str(order.executed),
                }
                for order in self._venue.state.orders.values()
            ]

    def clear_faults(self) -> None:
        """Removes every waiting fault, and sets the clock right."""
        self._faults.clear()
        self.clock_skew_ms = 0

    def faults(self) -> list[dict[str, object]]:
        """Returns the faults that are waiting."""
        return [
            {"kind": fault.kind.value, "method": fault.method, "path": fault.path, "times": _times(fault.times)}
            for fault in self._faults.waiting()
        ]

    def fault(
        self,
        method: str,
        path: str,
        kind: str,
        times: int = 1,
        *,
        seconds: float | None = None,
        execute: bool | None = None,
        status: int | None = None,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        skip: int | None = None,
    ) -> None:
        """Adds a fault for the next `times` requests of this method and path, after `skip` others.

        `*` is any method or path. Kinds and their arguments, all optional:
            delay(seconds=1), hang(seconds=60, execute=False), reply_lost, reset_before, reset_after,
            status(status=500, body, headers, execute=False), timeout_1007(execute=True), html_502(execute=False),
            html_403, empty_200(execute=True), bad_json(execute=True), retry_after_429(seconds=1), ban_418(seconds=120),
            not_found_2013(seconds): with seconds it counts time and not requests,
            unseen_2013(seconds=3): for orders younger than that, partial_fill,
            clock_skew(seconds): at once, whatever is requested.

        Raises:
            ValueError: no such kind.
        """
        which = FaultKind(kind)
        if which is FaultKind.CLOCK_SKEW:
            self.clock_skew_ms = round((1.0 if seconds is None else seconds) * 1000)
            return
        given = {"execute": execute, "status": status, "body": body, "headers": headers, "skip": skip}
        now = self._venue.now()
        self._faults.add(make_fault(which, method=method, path=path, times=times, seconds=seconds, now=now, **given))


def _times(left: int) -> int | str:
    return "always" if left > ALWAYS // 2 else left
