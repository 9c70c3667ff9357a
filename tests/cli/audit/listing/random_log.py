"""Logs of any shape, and what is true of each of their lines: written down while the log is made, not read from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

from guardian.domain.codes import Code
from guardian.domain.order_states import OrderState
from guardian.store.database import Store, Transaction
from guardian.store.schema.records import NewOrder, Phase, Record, Scope
from tests.support.clock import ClockOf
from tests.support.present import present

START_MS: Final = 1_800_000_000_000
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "币安人生USDT")
CLIENTS: Final = ("claude-code/2.0", "cursor/1.1", "inspector")
READS: Final = ("get_ticker_price", "get_balance", "get_orders")
CODES: Final = (Code.NOTIONAL_EXCEEDS_MAX, Code.TRADING_HALTED, Code.DUPLICATE_ORDER)
KINDS: Final = ("halted", "resumed", "approved", "rejected", "resolved")
_STATES: Final = (OrderState.FILLED, OrderState.OPEN, OrderState.UNKNOWN, OrderState.REJECTED, OrderState.CANCELLED)
SCOPE: Final = Scope(environment="paper", account="a")


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of one line, by what was written."""

    seq: int
    ts_ms: int
    event: str | None = None
    tool: str | None = None
    symbol: str | None = None
    side: str | None = None
    outcome: str | None = None
    state: str | None = None
    client: str | None = None
    codes: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    """The client order ids and proposals that it names."""
    call: Truth | None = None
    """Of an event: the call that it belongs to."""

    @property
    def is_unresolved(self) -> bool:
        """Whether its order may be at the exchange and is not known there."""
        return self.event is None and self.state in {"unknown", "reserved"}


@dataclass(slots=True)
class RandomLog:
    """Writes a log, and remembers what each line is."""

    home: Path
    random: Random
    now_ms: int = START_MS
    truths: list[Truth] = field(default_factory=list)
    _calls: int = 0
    _proposals: int = 0

    def write(self, lines: int) -> RandomLog:
        """Appends so many calls and events, some minutes apart."""
        store = Store.open(self.home, ClockOf(lambda: self.now_ms))
        for _ in range(lines):
            self.now_ms += self.random.choice((1, 1000, 60_000, 3_600_000))
            with store.transaction() as tx:
                self.random.choices((self._read, self._order, self._cancel, self._event), (4, 3, 1, 2))[0](tx)
        store.close()
        return self

    def _append(self, tx: Transaction, record: Record) -> int:
        return tx.audit.append(record).seq

    def _call(self, tx: Transaction, tool: str, symbol: str | None, arguments: dict[str, Any]) -> tuple[str, Truth]:
        self._calls += 1
        call_id, client = f"call-{self._calls}", self.random.choice((*CLIENTS, None))
        body = {"arguments": arguments, "client": client}
        seq = self._append(tx, Record(phase=Phase.CALL, call_id=call_id, tool=tool, symbol=symbol, body=body))
        return call_id, Truth(seq=seq, ts_ms=self.now_ms, tool=tool, symbol=symbol, client=client, outcome="pending")

    def _end(self, tx: Transaction, call_id: str, truth: Truth, outcome: str, body: dict[str, Any]) -> Truth:
        record = Record(phase=Phase.OUTCOME, call_id=call_id, tool=truth.tool, outcome=outcome, body=body)
        self._append(tx, record)
        return replace(truth, outcome=outcome)

    def _read(self, tx: Transaction) -> None:
        symbol = self.random.choice((*SYMBOLS, None))
        call_id, truth = self._call(tx, self.random.choice(READS), symbol, {} if symbol is None else {"symbol": symbol})
        outcome = self.random.choice(("done", "done", "unavailable", None))
        if outcome is not None:
            code = Code.EXCHANGE_UNREACHABLE.name
            body = {} if outcome == "done" else {"error": {"code": code, "message": "no answer", "denials": []}}
            truth = replace(truth, codes=frozenset() if outcome == "done" else frozenset({code}))
            truth = self._end(tx, call_id, truth, outcome, body)
        self.truths.append(truth)

    def _order(self, tx: Transaction) -> None:
        symbol, side = self.random.choice(SYMBOLS), self.random.choice(("BUY", "SELL"))
        order = {"symbol": symbol, "side": side, "quantity": "0.5", "price": "100", "order_type": "LIMIT"}
        with_token = self.random.random() < 0.4
        arguments = {"confirmation_token": "sha256:0"} if with_token else order
        call_id, truth = self._call(tx, "create_order", None if with_token else symbol, arguments)
        truth = replace(truth, symbol=symbol, side=side)
        if self.random.random() < 0.4:
            codes = self.random.sample(CODES, 2)
            error = {"code": codes[0].name, "message": "no", "denials": [{"code": code.name} for code in codes]}
            judged = {"order": {"symbol": symbol, "side": side}}
            truth = replace(truth, codes=frozenset(code.name for code in codes))
            self.truths.append(self._end(tx, call_id, truth, "denied", {"error": error, "judged": judged}))
            return
        self._proposals += 1
        proposal = f"P{self._proposals:05d}" if with_token else None
        intent = Record(phase=Phase.INTENT, call_id=call_id, tool="create_order", symbol=symbol,
                        body={"order": order, "asked": order, "proposal": proposal})  # fmt: skip
        name = present(tx.audit.append(intent).client_order_id)
        tx.orders.reserve(_new_order(name, call_id, symbol, side, proposal, tx.now_ms))
        state = self.random.choice(_STATES)
        tx.orders.move(name, state)
        truth = replace(truth, state=state.value, names=frozenset({name, *([proposal] if proposal else [])}))
        if self.random.random() < 0.8:
            replied = {
                "client_order_id": name,
                "state": state.value,
                "data": {"order": {**order, "state": state.value}},
            }
            truth = self._end(tx, call_id, truth, "done", replied)
        self.truths.append(truth)
        if self.random.random() < 0.5:
            report = {**order, "client_order_id": name}
            body: dict[str, Any] = {"kind": "resolved", "client_order_id": name, "is": state.value, "report": report}
            seq = self._append(tx, Record.event(SCOPE, body, call_id=call_id, symbol=symbol))
            self.truths.append(
                Truth(seq=seq, ts_ms=self.now_ms, event="resolved", symbol=symbol, side=side,
                      names=frozenset({name}), call=truth)
            )  # fmt: skip

    def _cancel(self, tx: Transaction) -> None:
        orders = [one for one in self.truths if one.tool == "create_order" and one.names]
        if not orders:
            return
        order = self.random.choice(orders)
        name = next(name for name in order.names if name.startswith("g1-"))
        call_id, truth = self._call(tx, "cancel_order", order.symbol, {"symbol": order.symbol, "client_order_id": name})
        body = {"data": {"order": {"symbol": order.symbol, "side": order.side, "state": "cancelled"}}}
        truth = replace(truth, side=order.side, names=frozenset({name}))
        self.truths.append(self._end(tx, call_id, truth, "done", body))

    def _event(self, tx: Transaction) -> None:
        kind, symbol = self.random.choice(KINDS[:-1]), None
        body: dict[str, Any] = {"kind": kind, "by": "owner", "reason": "why not"}
        if kind in {"approved", "rejected"}:
            symbol = self.random.choice(SYMBOLS)
        seq = self._append(tx, Record.event(None, body, symbol=symbol))
        self.truths.append(Truth(seq=seq, ts_ms=self.now_ms, event=kind, symbol=symbol))


def _new_order(name: str, call_id: str, symbol: str, side: str, proposal: str | None, now_ms: int) -> NewOrder:
    return NewOrder(
        client_order_id=name, environment="paper", account="a", call_id=call_id, proposal_id=proposal,
        symbol=symbol, base_asset=symbol.removesuffix("USDT"), quote_asset="USDT", side=side, order_type="LIMIT",
        wire_type="LIMIT", price=Decimal(100), quantity=Decimal("0.5"), fingerprint=name, notional=Decimal(50),
        quote_notional=Decimal(50), currency="USDT", reserved_ms=now_ms, sent_ms=now_ms,
    )  # fmt: skip
