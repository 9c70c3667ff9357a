"""A home after a month of trading, the same each time: what the report has to show, written straight into the store.

python -m tests.report.support.busy_month HOME
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

from guardian.domain.money import plain
from guardian.domain.order_states import OrderState
from guardian.domain.orders import Fees, OrderSide, OrderSpec, OrderType
from guardian.domain.owner.proof import Proof
from guardian.policy.loading.load import load_policy
from guardian.store.database import Transaction
from guardian.store.log.checkpoint import write_checkpoint
from guardian.store.schema.records import Phase, Record
from tests.store.support.store_world import MINUTE, START_MS, World

HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
LAST_MS: Final = START_MS + 30 * DAY
_PRICES: Final = {"BTCUSDT": 60_000, "ETHUSDT": 3_000, "BNBUSDT": 600}
_POLICY: Final = """
schema = 1
environment = "paper"
[limits]
max_open_notional = "300"
rolling_notional = [ { window = "5m", max = "200" }, { window = "24h", max = "500" } ]
max_orders = [ { window = "1m", max = 5 }, { window = "24h", max = 50 } ]
[symbols.BTCUSDT]
max_notional = "100"
max_quantity = "0.005"
max_position = "0.02"
[symbols.ETHUSDT]
max_notional = "100"
max_quantity = "0.1"
max_position = "0.5"
[symbols.BNBUSDT]
max_notional = "100"
max_quantity = "0.5"
max_position = "2"
"""
_READS: Final = ("get_ticker_price", "get_balance", "get_orders", "get_order_book")


class Month:
    """Writes calls, orders, denials and events, with a clock that runs through the month."""

    def __init__(self, home: Path, random: Random, *, start_ms: int = START_MS) -> None:
        self.world = World(home, start_ms)
        self.random = random
        self.policy = load_policy(_POLICY)
        self.number = 0
        self.held: dict[str, Decimal] = dict.fromkeys(_PRICES, Decimal(0))
        self.entered: list[tuple[int, Decimal]] = []
        self.world.attempt(lambda tx: tx.policies.remember(self.policy.digest, self.policy.text))

    def turn(self, milliseconds: int) -> None:
        self.world.clock_ms += milliseconds

    def write(self, phase: Phase, tool: str, call: str, body: Mapping[str, object], **columns: Any) -> None:
        record = Record(phase=phase, call_id=call, tool=tool, environment="paper", account="a1", body=body, **columns)
        self.world.attempt(lambda tx: tx.audit.append(record))

    def begin(self, tool: str, arguments: Mapping[str, object], symbol: str | None = None) -> str:
        self.number += 1
        call = f"{self.number:032x}"
        self.write(Phase.CALL, tool, call, {"arguments": arguments, "client": "claude-ai/0.1.0"}, symbol=symbol)
        self.turn(self.random.choice((8, 21, 35, 60, 140, 900)))
        return call

    def read(self) -> None:
        tool = self.random.choice(_READS)
        symbol = self.random.choice(list(_PRICES))
        call = self.begin(tool, {"symbol": symbol}, symbol)
        self.write(Phase.OUTCOME, tool, call, {"data": {}}, outcome="done", symbol=symbol)

    def deny(self, symbol: str, quantity: str) -> None:
        call = self.begin("create_order", self.arguments(symbol, "BUY", quantity), symbol)
        if self.random.random() < 0.5:
            code, limit, seen = "NOTIONAL_EXCEEDS_MAX", "100 USDT", "606.01 USDT"
            message = "the order costs too much at worst"
        else:
            code, limit, seen = "ROLLING_NOTIONAL_EXCEEDS_MAX", "500 USDT", "541.2 USDT"
            message = "too much would be entered within 24h"
        denial = {"code": code, "message": message, "observed": seen, "limit": limit, "hint": ""}
        error = {"code": code, "message": message, "denials": [denial]}
        self.write(Phase.OUTCOME, "create_order", call, {"error": error}, outcome="denied", symbol=symbol)

    @staticmethod
    def arguments(symbol: str, side: str, quantity: str) -> dict[str, object]:
        return {"symbol": symbol, "side": side, "order_type": "MARKET", "quantity": quantity}

    def order(self, symbol: str, side: OrderSide, quantity: Decimal, *, state: OrderState = OrderState.FILLED) -> None:
        """A proposal, a yes, and the order with its fill and fee."""
        price = Decimal(_PRICES[symbol]) * Decimal(self.random.randint(9_500, 10_600)) / 10_000
        notional = quantity * price
        asked = self.arguments(symbol, side.value, plain(quantity))
        call = self.begin("create_order", asked, symbol)
        proposal = self.world.attempt(lambda tx: self.propose(tx, symbol, side, quantity, price))
        self.write(
            Phase.OUTCOME, "create_order", call, {"data": {"proposal_id": proposal}}, outcome="confirmation_required",
            symbol=symbol,
        )  # fmt: skip
        self.turn(self.random.choice((4_200, 9_000, 31_000, 75_000, 240_000)))
        if self.random.random() < 0.12:
            self.world.attempt(lambda tx: tx.proposals.reject(proposal, "not today"))
            return
        proof = self.random.choice((Proof.TERMINAL, Proof.TERMINAL, Proof.PIN))
        self.world.attempt(
            lambda tx: tx.proposals.issue_token(
                proposal, token_digest=f"t{call}", expires_ms=tx.now_ms + 5 * MINUTE, by_person=True, proof=proof
            )
        )
        self.turn(5_000)
        self.place(symbol, side, quantity, price, notional, proposal, state)

    def propose(self, tx: Transaction, symbol: str, side: OrderSide, quantity: Decimal, price: Decimal) -> str:

        order = {"symbol": symbol, "side": side.value, "quantity": plain(quantity), "price": plain(price)}
        made = replace(
            self.world.new_proposal(tx, key=f"k{self.number}"),
            symbol=symbol,
            side=side.value,
            spec=order,
            resolved=order,
        )
        return tx.proposals.add(made, random_bytes=self.world.random_bytes).id

    def place(
        self, symbol: str, side: OrderSide, quantity: Decimal, price: Decimal, notional: Decimal, proposal: str,
        state: OrderState,
    ) -> None:  # fmt: skip
        world, call = self.world, self.begin("create_order", {"confirmation_token": "sha256:0123456789abcdef"})
        judged = self.judged(symbol, side, notional)
        spec = OrderSpec(symbol=symbol, side=side, order_type=OrderType.LIMIT, quantity=quantity, price=price)

        def reserve(tx: Transaction) -> str:
            order = {"symbol": symbol, "side": side.value, "quantity": plain(quantity), "price": plain(price)}
            entry = tx.audit.append(
                Record(
                    phase=Phase.INTENT, call_id=call, tool="create_order", symbol=symbol, environment="paper",
                    account="a1",
                    body={"judged": judged, "policy": self.policy.digest, "order": order, "proposal": proposal},
                )
            )  # fmt: skip
            tx.orders.reserve(world.new_order(tx, entry, spec=spec, notional=notional, quote_notional=notional))
            tx.proposals.redeem(proposal, str(entry.client_order_id))
            return str(entry.client_order_id)

        name = world.attempt(reserve)
        self.entered.append((world.clock_ms, notional))
        self.turn(self.random.choice((45, 80, 160, 420)))
        if state is OrderState.UNKNOWN:
            world.attempt(lambda tx: tx.orders.move(name, state))
            self.write(Phase.OUTCOME, "create_order", call, {"state": "unknown"}, outcome="unknown")
            return
        sells = side is OrderSide.SELL
        fee_asset, fee = ("USDT", notional / 1000) if sells else (symbol[:3], quantity / 1000)
        report = world.report(executed=plain(quantity), quote=plain(notional), quantity=plain(quantity))
        fees = Fees(quantity=quantity, by_asset={fee_asset: Decimal(plain(fee))})
        world.attempt(lambda tx: tx.orders.move(name, state, report=report, fees=fees))
        self.held[symbol] += -quantity if sells else quantity - fee
        done = {"client_order_id": name, "state": "filled", "data": {"order": {"symbol": symbol, "side": side.value}}}
        self.write(Phase.OUTCOME, "create_order", call, done, outcome="done")

    def judged(self, symbol: str, side: OrderSide, notional: Decimal) -> dict[str, object]:
        now = self.world.clock_ms

        def entered(window: int) -> str:
            return plain(sum((amount for at, amount in self.entered if at > now - window), Decimal(0)))

        usage = {
            "entered": {"300000": entered(5 * MINUTE), "86400000": entered(DAY)},
            "open_notional": "0", "open_orders": 0, "orders_since_person": 0, "open_buys": "0",
            "position": plain(self.held[symbol]), "ordered": {"60000": 0, "86400000": len(self.entered) % 9},
        }  # fmt: skip
        is_exit = side is OrderSide.SELL
        books = {name: {"bid": str(price), "ask": f"{price}.01"} for name, price in _PRICES.items()}
        return {"notional": plain(notional), "is_exit": is_exit, "usage": usage, "books": books}

    def event(self, **body: object) -> None:
        self.world.attempt(lambda tx: tx.audit.append(Record(phase=Phase.EVENT, body=body)))


def write_busy_month(home: Path, *, days: int = 30, hostile: str = "", unknown_tools: int = 0) -> None:
    """Makes the home. `hostile` is a text that a model puts wherever it can; it may call tools that are unknown."""
    month = Month(home, Random(20270115))
    for number in range(unknown_tools):
        month.begin(f"no_tool_{number}_{'x' * 100}", {})
    for day in range(days):
        start = START_MS + day * DAY
        for _ in range(month.random.randint(0, 5)):
            month.turn(month.random.randint(5, 150) * MINUTE)
            for _ in range(month.random.randint(1, 6)):
                month.read()
            symbol = month.random.choice(list(_PRICES))
            quantity = Decimal(month.random.randint(20, 95)) / _PRICES[symbol]
            quantity = quantity.quantize(Decimal("0.00001"))
            if month.random.random() < 0.2:
                month.deny(symbol, "0.01")
            elif month.held[symbol] > quantity and month.random.random() < 0.5:
                month.order(symbol, OrderSide.SELL, quantity)
            else:
                month.order(symbol, OrderSide.BUY, quantity)
        if day == 11:
            month.event(kind="halted", by="owner", reason=f"lunch {hostile}", trading="halted")
            month.turn(40 * MINUTE)
            month.event(kind="resumed", by="owner", reason="back")
        month.world.clock_ms = max(month.world.clock_ms, start + DAY)
    if hostile:
        call = month.begin(hostile, {"symbol": hostile}, hostile)
        error = {"code": hostile, "message": hostile, "denials": [{"code": hostile, "message": hostile}]}
        month.write(Phase.OUTCOME, hostile, call, {"error": error}, outcome="denied", symbol=hostile)
    month.order("BTCUSDT", OrderSide.BUY, Decimal("0.0005"), state=OrderState.UNKNOWN)
    month.read()
    write_checkpoint(home, month.world.store)
    month.world.store.close()


if __name__ == "__main__":
    os.umask(0o077)
    write_busy_month(Path(sys.argv[1]))
