"""A gate that judges nothing and remembers everything it was given."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from guardian.domain.requests import TOOLS, Request
from guardian.domain.trading import Environment, TradingState
from guardian.gate.base.calls import CallInfo, CallMeta
from guardian.gate.base.replies import Reply, done
from guardian.gate.pipeline import Gate
from guardian.server.tools import ALL_TOOLS

Connect = Callable[[], AbstractAsyncContextManager[Any]]
"""Makes a client of the server in front of the gate."""

RETURNS = {spec.name: spec.returns for spec in ALL_TOOLS}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "get_ticker_price": {"symbol": "BTCUSDT"},
    "get_ticker": {"symbol": "BTCUSDT"},
    "get_order_book": {"symbol": "BTCUSDT", "limit": 5},
    "get_available_assets": {"quote_asset": "USDT", "cursor": "BTCUSDT"},
    "get_balance": {"include_zero": True},
    "get_account_snapshot": {"account_type": "FUTURES", "start_time": "2026-11-01T00:00:00Z"},
    "get_position_info": {"symbol": "BTCUSDT"},
    "get_pnl": {"start_time": "monday", "end_time": "2026-11-22T10:00:00+01:00"},
    "create_order": {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "order_type": "LIMIT",
        "quantity": "0.001",
        "price": "60000.00",
    },
    "cancel_order": {"symbol": "BTCUSDT", "order_id": 28},
    "get_orders": {"symbol": "BTCUSDT", "status": "open"},
    "get_deposit_history": {"coin": "BTC", "limit": 10, "offset": 20},
    "get_deposit_address": {"coin": "BTC", "network": "BSC"},
    "get_withdraw_history": {},
    "get_fee_info": {"symbol": "BTCUSDT"},
    "get_liquidation_history": {"symbol": "BTCUSDT"},
    "get_universal_transfer_history": {"transfer_type": "MAIN_UMFUTURE", "page": 2},
}
"""Good arguments for every tool."""


def sample(kind: Any, *, full: bool = True) -> Any:
    """An instance of a kind of reply data: with everything set, or with as little as its types allow."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return sample(arguments[0], full=full) if full else None
    if origin is tuple:
        return (sample(arguments[0], full=full),) if full else ()
    if origin is dict:
        return {"USDT": sample(arguments[1], full=full)} if full else {}
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        values = {field.name: sample(hints[field.name], full=full) for field in fields(kind)}
        return cast(type[Any], kind)(**values)
    return {str: "text", Decimal: Decimal("1E-8"), int: 7, bool: False}[kind]


@dataclass
class View:
    """What the views of the resources look like: frozen domain data."""

    symbol: str = "BTCUSDT"
    headroom: Decimal = Decimal("100.50")


class FakeGate:
    """Answers with sample data, or with what `answer` says; `fail_*` are raised where they are set."""

    environment = Environment.PAPER

    def __init__(self) -> None:
        self.opened: list[tuple[str, dict[str, Any], str | None]] = []
        self.requests: list[Any] = []
        """Each of its own type of request."""
        self.closed: list[tuple[str, Reply]] = []
        self.allowed = frozenset(TOOLS)
        self.answer: Callable[[CallInfo, Any], Reply] | None = None
        self.before_answer: Callable[[], Any] | None = None
        self.fail_open: Exception | None = None
        self.fail_handle: Exception | None = None
        self.fail_close: Exception | None = None
        self.fail_meta: Exception | None = None
        self.fail_view: Exception | None = None
        self.fail_allowed: Exception | None = None

    async def open_call(
        self,
        tool: str,
        arguments: Mapping[str, object],
        *,
        client: str | None = None,
        by_owner: bool = False,
        part_of: CallInfo | None = None,
        token: str | None = None,
    ) -> CallInfo:
        if self.fail_open is not None and tool != "cancel_order":
            raise self.fail_open
        self.opened.append((tool, dict(arguments), client))
        return CallInfo(
            call_id=f"{len(self.opened):032x}",
            tool=tool,
            symbol=None,
            started=0.0,
            calls_last_minute=0,
            trading=TradingState.ACTIVE,
            policy_digest="3f9c" * 16,
            client=client,
            logged=True,
        )

    async def handle(self, call: CallInfo, request: Request) -> Reply:
        self.requests.append(request)
        if self.before_answer is not None:
            await self.before_answer()
        if self.fail_handle is not None:
            raise self.fail_handle
        if self.answer is not None:
            return self.answer(call, request)
        return done(sample(RETURNS[request.tool][0]))

    async def close_call(self, call: CallInfo, reply: Reply) -> None:
        self.closed.append((call.call_id, reply))
        if self.fail_close is not None:
            raise self.fail_close

    async def settle(self) -> None:
        """Nothing is due: `close_call` keeps what it is given."""

    def allowed_tools(self) -> frozenset[str]:
        if self.fail_allowed is not None:
            raise self.fail_allowed
        return self.allowed

    def meta(self, call: CallInfo) -> CallMeta:
        if self.fail_meta is not None:
            raise self.fail_meta
        return CallMeta(
            call_id=call.call_id,
            timestamp_ms=1_763_806_512_345,
            environment=self.environment.value,
            trading=call.trading.value,
            policy="3f9c3f9c3f9c",
            latency_ms=12,
            mandate=None,
        )

    async def status(self) -> object:
        if self.fail_view is not None:
            raise self.fail_view
        return View()

    async def policy_view(self) -> object:
        return await self.status()

    async def recent(self, limit: int) -> object:
        await self.status()
        return tuple(View() for _ in range(min(limit, 2)))


def as_gate(fake: FakeGate) -> Gate:
    """Returns the fake, for the server, which names the real gate in its types."""
    return cast(Gate, fake)
